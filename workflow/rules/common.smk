# What the rules look up: the cells of the sweep and the order in which to measure them.

UNIKERNEL_SOURCES = sorted(
    str(path)
    for pattern in ("*.[chS]", "*.ld", "Makefile", "functions/*.c")
    for path in place_of("workflow/unikernel").glob(pattern)
)


def planned_cells(testbed, before=None):
    """The cells of a testbed; of an adaptive sweep those of its batches (before one), once these are chosen."""
    if STUDY.sweep == "grid":
        return STUDY.cells(testbed)
    points = planned.chosen(
        lambda batch: Path(
            checkpoints.choose_cells.get(testbed=testbed, batch=batch).output[0]
        ),
        before,
    )
    return planned.repeated(points, STUDY.repetitions)


def records_of(testbed, batch):
    """The records of the batches before one."""
    return [
        f"{RESULTS}/{testbed}/{cell.path}" for cell in planned_cells(testbed, batch)
    ]


def records(testbed):
    """Every record of a testbed that its tables hold: of the planned cells, and of finished repetitions beside them."""
    folder = Path(RESULTS, testbed)
    beside = finished_beyond(STUDY, testbed, folder)
    return [str(folder / cell.path) for cell in (*planned_cells(testbed), *beside)]


def closing_control(wildcards):
    """The controls that end a run on a testbed, unless there are none at all."""
    return (
        [f"{RESULTS}/{wildcards.testbed}/controls/closing.json"]
        if STUDY.controls != "none"
        else []
    )


def testbed_of(wildcards):
    """The testbed that a file belongs to; one that is not swept may still be asked for by a file's name."""
    name = wildcards.testbed
    try:
        if name not in TESTBEDS:
            TESTBEDS[name] = load_testbed(name)
        if "cell" in wildcards.keys():
            check_frame_sizes(
                [cell_of(wildcards).frame_bytes],
                STUDY.flows,
                name,
                TESTBEDS[name],
                "looking for a cell",
            )
            check_flows(
                cell_of(wildcards).topology,
                cell_of(wildcards).n,
                STUDY.flows,
                "looking for a cell",
            )
    except MiddlebenchError as problem:
        raise WorkflowError(str(problem)) from None
    return TESTBEDS[name]


def images(wildcards):
    """What must be built before the testbed can be used."""
    built_here = getattr(testbed_of(wildcards).middlebox, "image", None) == "unikernel"
    return [str(UNIKERNEL)] if built_here else []


def present_environment(wildcards):
    """What the environment is now. A change of it makes cells out of date where the config says so."""
    name = wildcards.testbed
    if name not in PRESENT and is_main(workflow):
        options = testbed_of(wildcards)
        if not runs_jobs_here(
            workflow
        ):  # what is here says nothing: each job looks there
            PRESENT[name] = present.leave_open(name)
        else:
            PRESENT[name] = present.look(
                name, options, Path(RESULTS, name), logger.warning
            )
    file = str(present.noted(name))
    return file if STUDY.on_environment_change == "remeasure" else ancient(file)


def composition(wildcards):
    """The testbed's file as a value: a change of it is a change of every cell, a comment in it is not.

    Where middleboxes do more than to forward, what their functions are belongs to it.
    """
    testbed = testbed_of(wildcards).model_dump_json(exclude={"description"})
    return testbed + functions_config.fingerprint(function_of(wildcards))


def function_of(wildcards):
    """The functions of the cell or the deployment that a path stands for."""
    if "cell" in wildcards.keys():
        return cell_of(wildcards).function
    if "deployment" in wildcards.keys():
        return deployment_values(wildcards.deployment)["function"]
    return FORWARD


def cell_of(wildcards):
    """The cell that a path stands for."""
    cell = Cell.of_key(wildcards.testbed, wildcards.cell)
    if cell is None:
        raise WorkflowError(
            str(no_cell(wildcards.testbed, wildcards.cell, STUDY, RESULTS))
        )
    return cell


def deployment_priority(wildcards):
    """Deployments come just before their first cell."""
    n = deployment_values(wildcards.deployment)["n"]
    return ORDER.deployment_priority(wildcards.testbed, wildcards.deployment, n)


ORDER = STUDY.order
BAND = CONTROL_BAND if STUDY.controls == "none" else STUDY.controls.band

RESOURCE_OF = {name: resource_of(name) for name in TESTBEDS}
"""What touches a testbed runs alone on it: each has a resource of its own."""

SHARED_RESOURCE_OF = shared_testbeds(TESTBEDS)
"""The resource of the first testbed on the same hosts. Where jobs run elsewhere, each testbed has hosts of its own."""

for resource in RESOURCE_OF.values():
    limit_resource(workflow, resource, 1)
TESTBED_RESOURCES = {
    resource: lambda wildcards, resource=resource: int(
        RESOURCE_OF.get(wildcards.testbed) == resource
        or (
            SHARED_RESOURCE_OF.get(wildcards.testbed) == resource
            and runs_jobs_here(workflow)
        )
    )
    for resource in RESOURCE_OF.values()
}

OTHERS = STUDY.others
"""Results of others to compare with: where they are, by the name that each goes by here."""

PUBLISHED = place_of("data/publications")

PUBLICATIONS = sorted(path.parent.name for path in PUBLISHED.glob("*/publication.yaml"))
"""The datasets that were not measured but published by others: a folder each."""

CLAIMING = sorted(path.parent.name for path in PUBLISHED.glob("*/claims.yaml"))
"""Those of them whose claims are put to every dataset."""

for name in set(PUBLICATIONS) & set(TESTBEDS):
    raise WorkflowError(
        f"a testbed and a publication are both named {name}: rename config/testbeds/{name}.yaml"
    )


def published_files(name):
    """The files of a publication."""
    return [
        str(PUBLISHED / name / file)
        for file in ("publication.yaml", "cells.csv", "claims.yaml")
        if file != "claims.yaml" or name in CLAIMING
    ]


CRATE_INPUTS = [
    *(["config/config.yaml"] if Path("config/config.yaml").exists() else []),
    f"{place_of('config/testbeds')}/{{testbed}}.yaml",
    str(place_of("workflow/Snakefile")),
    *sorted(map(str, place_of("workflow/rules").glob("*.smk"))),
    *(file for name in PUBLICATIONS for file in published_files(name)),
]
"""What a crate needs from outside of its folder."""


def dataset_files(wildcards, name=None):
    """What a dataset is read from."""
    name = name or wildcards.dataset
    if name in PUBLICATIONS:
        return published_files(name)[:2]
    return [
        f"{RESULTS}/{name}/measurements.csv",
        f"{RESULTS}/{name}/provision.json",
        *sorted(
            {f"{RESULTS}/{name}/{cell.deployment_path}" for cell in planned_cells(name)}
        ),
    ]


def references(dataset):
    """What a dataset is compared with: the publications, and every other testbed of the run."""
    return [*PUBLICATIONS, *(name for name in STUDY.testbeds if name != dataset)]


def report_notebooks(wildcards):
    """The executed notebooks of a report, in its order."""
    names = [f"claims_{publication}" for publication in CLAIMING]
    names += ["law", "figures", "tables"]
    if wildcards.dataset not in PUBLICATIONS:
        names += [
            f"comparison_{reference}" for reference in references(wildcards.dataset)
        ]
        names += [f"equivalence_{other}" for other in OTHERS]
        names += ["topologies"] if len(STUDY.topologies) > 1 else []
        names += ["functions"] if len(STUDY.functions) > 1 else []
        names += ["limits", "controls", "deployment"]
    return [f"{RESULTS}/{wildcards.dataset}/report/{name}.ipynb" for name in names]
