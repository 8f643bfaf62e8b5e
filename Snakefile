import shlex
import sys
from pathlib import Path

from middlebench.config import functions as functions_config
from middlebench.config import study as study_config
from middlebench.config.others import file_of
from middlebench.config.reading import demand_plain, read_yaml
from middlebench.config.study_file import new_session, no_cell, write_study
from middlebench.middleboxes.qemu.driver import UNIKERNEL
from middlebench.model.cell import (
    CELL_PATTERN,
    DEPLOYMENT_PATTERN,
    Cell,
    deployment_values,
)
from middlebench.model.controls import CONTROL_BAND
from middlebench.model.functions.function import FORWARD
from middlebench.model.record import PROTOCOL
from middlebench.run import batches, present, remeasure
from middlebench.run.archive import archive_outputs
from middlebench.run.copies import adopt_copies, note_origin
from middlebench.run.locks import RunLocks, shared_testbeds
from middlebench.run.preflight import Preflight
from middlebench.run.snakemake_plan import outputs_to_come
from middlebench.system import surroundings
from middlebench.system.errors import MiddlebenchError
from middlebench.system.interrupts import heed_one_interrupt
from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake.utils import min_version

min_version("9.27")
surroundings.prepare()
# Snakemake heeds both, but while it reads rules KeyboardInterrupt is a traceback.
heed_one_interrupt(SystemExit(130))


report: "workflow/report/workflow.rst"


try:
    read_yaml(
        Path("config/config.yaml")
    )  # names file and line where Snakemake would not
except MiddlebenchError as problem:
    raise WorkflowError(str(problem)) from None


configfile: "config/config.yaml"


try:
    demand_plain(config, "reading config/config.yaml (and --config)")
    STUDY, TESTBEDS = study_config.check_study(
        config, "config/config.yaml (and --config)"
    )
except MiddlebenchError as problem:
    raise WorkflowError(str(problem)) from None

ENVIRONMENT = workflow.source_path("envs/environment.yaml")
RESULTS = STUDY.results_folder
if workflow.is_main_process:
    for folder in adopt_copies(Path(RESULTS, name) for name in TESTBEDS):
        logger.info(f"{folder} was made elsewhere: its records are taken as they are")
LOCKS = RunLocks(TESTBEDS, Path(RESULTS), STUDY.if_locked)
PRESENT = {}  # the environments of the testbeds, as they are now
PREFLIGHT = Preflight(workflow, STUDY, PRESENT)
logger.addFilter(PREFLIGHT)


# The jobs' programs are those beside the Python that runs Snakemake, activated or not. What a job cannot write to
# its log, it writes to the run's own standard error.
shell.prefix(
    f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH MIDDLEBENCH_TERMINAL=9; exec 9>&2; "
)


wildcard_constraints:
    testbed="[A-Za-z0-9_-]+",
    dataset="[A-Za-z0-9_-]+",
    cell=CELL_PATTERN,
    deployment=DEPLOYMENT_PATTERN,


include: "workflow/rules/common.smk"
include: "workflow/rules/image.smk"
include: "workflow/rules/provision.smk"
include: "workflow/rules/deploy.smk"
include: "workflow/rules/measure.smk"
include: "workflow/rules/choose.smk"
include: "workflow/rules/close.smk"
include: "workflow/rules/aggregate.smk"
include: "workflow/rules/plot.smk"
include: "workflow/rules/law.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/crate.smk"


rule all:
    default_target: True
    input:
        lambda wildcards: [
            path for testbed in STUDY.testbeds for path in records(testbed)
        ],
        expand(
            f"{RESULTS}/{{dataset}}/report/index.html",
            dataset=[*STUDY.testbeds, PUBLISHED],
        ),
        expand(f"{RESULTS}/{{testbed}}/ro-crate-metadata.json", testbed=STUDY.testbeds),


onstart:
    try:
        PREFLIGHT.demand_choice()
        LOCKS.take()
        write_study(new_session(), STUDY, TESTBEDS, Path(RESULTS))
        for name in TESTBEDS:
            note_origin(Path(RESULTS, name))
        archive_outputs(outputs_to_come(workflow), Path(RESULTS))
    except MiddlebenchError as problem:
        raise WorkflowError(str(problem)) from None
    except OSError as problem:
        raise WorkflowError(
            f"beginning the run: {problem}\n  what to try: the same command again, once that is mended"
        ) from None


onsuccess:
    for testbed in STUDY.testbeds:
        page = Path(RESULTS, testbed, "report", "index.html").absolute()
        if page.exists():
            print(f"The report of {testbed}: {page.as_uri()}", file=sys.stderr)
