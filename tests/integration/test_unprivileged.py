"""The first row of the study as a user without any privilege, by the commands that the rules run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from footprint import Footprint
from helpers import PROJECT, composition, settings
from middlebench.config.study import Study
from middlebench.config.study_file import write_study
from middlebench.config.testbed import load_testbed
from middlebench.model import record_file
from middlebench.model.environment import recall
from middlebench.model.provision import Provision
from middlebench.model.record import Record

NOBODY = 65534
SIZES = (60, 800, 1500)
TUN = Path("/dev/net/tun")
AS_NOBODY = f"""
set -eu
mount -t tmpfs -o mode=0755 tmpfs {TUN.parent}
mknod -m 0666 {TUN} c 10 200
exec setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups --no-new-privs env "$@"
"""
"""Become nobody, in a mount namespace in which the tun device has the mode that Debian gives it.

``env`` stands between because setpriv itself still may execute what nobody may not.
"""

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that belongs to the user; pytest's own may be closed to others."""
    folder = Path(tempfile.mkdtemp(prefix="middlebench-test-"))
    if os.getuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
    footprint = Footprint(folder / "runtime")
    try:
        yield folder
        footprint.demand_nothing_left()
    finally:
        footprint.kill_all()
        shutil.rmtree(folder)


@pytest.fixture
def as_user(home: Path) -> Run:
    """Run a command as a user without privileges."""
    become = ["unshare", "--mount", "sh", "-c", AS_NOBODY, "as-nobody"] if os.getuid() == 0 else []
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PYTHONPATH": f"{PROJECT / 'workflow'}:{sysconfig.get_path('purelib')}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "MIDDLEBENCH_RUNTIME": str(home / "runtime"),
        "MIDDLEBENCH_TESTBEDS": str(home),
    }

    def run(*argv: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*become, *argv], env=environment, cwd=home, capture_output=True, text=True, check=False)

    return run


@pytest.fixture
def python(as_user: Run) -> str:
    """An interpreter that the user can execute and that finds the library and what it needs."""
    if not TUN.exists():
        pytest.skip(f"{TUN} is missing: the kernel has no tun module loaded")
    if as_user("unshare", "--user", "--map-root-user", "--net", "true").returncode:
        pytest.skip("user namespaces are switched off for unprivileged users")
    candidates = [os.path.realpath(sys.executable), f"/usr/bin/python3.{sys.version_info.minor}"]
    tried = [as_user(each, "-c", "import middlebench.cli, middlebench.testbed") for each in candidates]
    for candidate, result in zip(candidates, tried, strict=True):
        if result.returncode == 0:
            return candidate
    pytest.skip(f"an unprivileged user can use neither interpreter: {'; '.join(each.stderr.strip() for each in tried)}")


def test_first_row_is_measured_without_privileges(as_user, python, home):
    (home / "local.yaml").write_text(yaml.safe_dump(composition()))
    footprint, results = Footprint(home / "runtime"), home / "results"
    trial = settings().model_dump(include={"window_s", "warm_up_s", "sample_interval_s"})
    study = Study(
        testbeds=("local",),
        chain_lengths=(1,),
        frame_sizes=SIZES,
        trial="short",
        trials={"short": trial},
        controls="none",
    )
    write_study("a session", study, {"local": load_testbed("local", home)}, results)
    for path in (results, *results.rglob("*")):
        os.chown(path, os.getuid() or NOBODY, -1)

    def middlebench(*argv: str) -> None:
        result = as_user(python, "-m", "middlebench", *argv)
        assert result.returncode == 0, result.stderr

    middlebench("provision", "results/local/provision.json")
    middlebench("deploy", "results/local/deployments/n1.json")
    for size in SIZES:
        middlebench("measure", f"results/local/cells/n1/size{size}/rep1.json")

    assert {Path(f"/proc/{pid}").stat().st_uid for pid in footprint.processes()} == {os.getuid() or NOBODY}
    namespaces = footprint.namespaces()
    middlebench("down")
    footprint.demand_nothing_left(namespaces)

    found = record_file.read(Provision, results / "local/provision.json")
    environment = recall(found.environment, results / "local")
    assert environment.unprivileged is True
    for size in SIZES:
        measured = record_file.read(Record, results / f"local/cells/n1/size{size}/rep1.json")
        assert (measured.cell.n, measured.cell.frame_bytes) == (1, size)
        assert measured.counts.received_packets > 0
        assert measured.environment == environment.id
        assert measured.attestation.probes_returned == measured.attestation.probes_sent > 0


MEASURE = """
import sys
from helpers import compose, settings
from middlebench.model.cell import Cell
from middlebench.system.processes import may_administer
from middlebench.testbed import site_of, stand_up
from middlebench.trials.cell import measure
options = compose()
try:
    cell = Cell(testbed="tests", n=1, frame_bytes=800, repetition=1)
    measured, *_ = measure(stand_up("tests", options), cell, settings(offered_load=1.0), lambda _: None)
    print(may_administer(), measured.counts.received_packets > 0, file=sys.stderr)
finally:
    site_of("tests", options).close()
"""


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to be root with less")
def test_root_without_the_capability_to_administer_is_served_as_a_user_is(runtime: Path) -> None:
    fewer = "-sys_admin,-net_admin"
    result = subprocess.run(
        ["setpriv", f"--bounding-set={fewer}", f"--inh-caps={fewer}", sys.executable, "-c", MEASURE],
        env={**os.environ, "PYTHONPATH": str(PROJECT / "tests")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stderr.splitlines()[-1:] == ["False True"], result.stderr
