"""The environment as it is now: seen without opening a testbed, and noted only when it changes."""

from __future__ import annotations

from pathlib import Path

import pytest
from footprint import Footprint
from helpers import compose, disguise, standing
from middlebench.config.testbed import composed
from middlebench.model import record_file
from middlebench.model.environment import differences, keep
from middlebench.model.provision import Provision
from middlebench.model.record import Components
from middlebench.run import present
from middlebench.testbed import environment_of, site_of

OPTIONS = compose()
NOWHERE = composed(
    {
        "description": "two computers that are not there",
        "site": {
            "driver": "ssh",
            "test_computer": {"host": "localhost:1", "ports": ["eth0", "eth1"]},
            "middlebox_server": {"host": "127.0.0.1:1", "ports": ["eth0", "eth1"]},
        },
        "switch": {"driver": "system-openvswitch"},
        "middlebox": {"driver": "netns"},
        "generator": {"driver": "trafgen"},
    },
    "the tests",
)


@pytest.fixture(autouse=True)
def project(tmp_path: Path, own_runtime: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's folder, in which environments are noted."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_looking_opens_nothing_and_writes_once(project, own_runtime):
    seen = present.look("tests", OPTIONS, project, pytest.fail)
    written = present.noted("tests").stat().st_mtime_ns
    assert present.look("tests", OPTIONS, project, pytest.fail) == seen
    assert present.noted("tests").stat().st_mtime_ns == written
    assert Footprint(own_runtime).processes() == {}


def test_environment_that_only_jobs_on_other_machines_see_is_left_open(project):
    seen = present.look("tests", OPTIONS, project, pytest.fail)
    assert present.stands_in(present.noted("tests"), seen)
    present.leave_open("tests")
    assert not present.stands_in(present.noted("tests"), seen)


def test_tool_of_another_version_is_another_environment(project, monkeypatch):
    before = present.look("tests", OPTIONS, project, pytest.fail)
    disguise("trafgen", "trafgen 99", project / "bin")
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(project / "bin"), prepend=":")
        after = present.look("tests", OPTIONS, project, pytest.fail)
    (change,) = differences(before, after)
    assert change.startswith("test computer: trafgen ")
    assert change.endswith(" → trafgen 99")
    assert present.look("tests", OPTIONS, project, pytest.fail) == before


def test_what_is_seen_from_outside_is_what_stands(project):
    with standing(OPTIONS):
        present.look("tests", OPTIONS, project, pytest.fail)
        now = environment_of(site_of("tests", OPTIONS), OPTIONS)
    assert now.limits is not None
    assert present.stands_in(present.noted("tests"), now)
    assert not present.stands_in(present.noted("tests"), now.model_copy(update={"mtu": 9000}))


def test_hosts_that_cannot_be_reached_are_taken_as_they_were(project):
    told: list[str] = []
    assert present.look("lost", NOWHERE, project, told.append) is None
    assert "cannot be read now" in told[0]
    assert not present.stands_in(present.noted("lost"), environment_of(site_of("tests", OPTIONS), OPTIONS))

    known = environment_of(site_of("tests", OPTIONS), OPTIONS)
    found = Provision(
        testbed="lost",
        description="",
        options={},
        components=Components(switch="", middlebox="", generator=""),
        choices=(),
        environment=keep(known, project),
    )
    record_file.write(found, project / "provision.json")
    assert present.look("lost", NOWHERE, project, told.append) == known.before_it_stands()
    assert present.stands_in(present.noted("lost"), known)
    assert len(told) == 2
