"""An environment is known by its content, and what changed between two is told in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from middlebench.model.environment import Environment, differences, keep, recall
from middlebench.system.errors import RecordError
from sweeps import COMPUTER, ENVIRONMENT, environment


def changed(**both):
    """Return the environment with these changes of both computers."""
    computer = COMPUTER.model_copy(update=both)
    return ENVIRONMENT.model_copy(update={"test_computer": computer, "middlebox_server": computer})


@pytest.mark.parametrize(
    ("after", "told"),
    [
        (ENVIRONMENT, []),
        (changed(kernel="6.1.0-28"), ["kernel 6.1 → 6.1.0-28"]),
        (changed(governor=""), ["governor performance → none"]),
        (environment(kernel="6.2"), ["middlebox server: kernel 6.1 → 6.2"]),
        (environment(programs={}), ["middlebox server: trafgen 1 → none"]),
        (environment(programs={"trafgen": "trafgen 1", "xl": "4.17"}), ["middlebox server: xl none → 4.17"]),
        (environment(cpus=(1,)), ["middlebox server: cpus 0, 1 → 1"]),
        (environment(images={"unikernel": "f"}), ["middlebox server: images unikernel 0123456789ab → f"]),
        (ENVIRONMENT.model_copy(update={"mtu": 9000}), ["mtu 1500 → 9000"]),
        (ENVIRONMENT.model_copy(update={"limits": ()}), ["limits no shaper on eth0 → none"]),
    ],
)
def test_what_changed_is_told_in_words(after, told):
    assert differences(ENVIRONMENT, after) == told


def test_what_is_not_known_before_the_testbed_stands_is_no_change():
    outside = ENVIRONMENT.before_it_stands()
    assert outside.limits is None
    assert outside.middlebox_server.images == {}
    assert differences(ENVIRONMENT, outside) == differences(outside, ENVIRONMENT) == []
    emulated = ENVIRONMENT.model_copy(update={"emulated": True})
    assert emulated.before_it_stands().middlebox_server is None
    assert differences(emulated, emulated.before_it_stands()) == []


def test_images_of_the_users_own_are_known_before():
    own = environment(images={"/boot/guest": "1"})
    assert differences(own, environment(images={"/boot/guest": "2"}).before_it_stands()) == [
        "middlebox server: images /boot/guest 1 → 2"
    ]


@given(kernels=st.lists(st.text(max_size=5), min_size=2, max_size=2))
def test_environments_have_the_same_id_if_and_only_if_they_are_the_same(kernels):
    one, other = (environment(kernel=kernel) for kernel in kernels)
    assert (one.id == other.id) == (one == other)
    assert bool(differences(one, other)) == (one != other)
    assert Environment.model_validate_json(one.model_dump_json()).id == one.id


def test_environment_is_kept_once_and_found_by_its_id(tmp_path):
    identity = keep(ENVIRONMENT, tmp_path)
    (path,) = (tmp_path / "environments").iterdir()
    written = path.stat().st_mtime_ns
    assert keep(ENVIRONMENT, tmp_path) == identity
    assert path.stat().st_mtime_ns == written
    assert recall(identity, tmp_path) == ENVIRONMENT
    with pytest.raises(RecordError, match="unknown"):
        recall("unknown", tmp_path)


def test_damaged_file_of_an_environment_is_written_again(tmp_path):
    identity = keep(ENVIRONMENT, tmp_path)
    (file,) = (tmp_path / "environments").iterdir()
    file.write_text(file.read_text()[:100])
    with pytest.raises(RecordError):
        recall(identity, tmp_path)
    assert keep(ENVIRONMENT, tmp_path) == identity
    assert recall(identity, tmp_path) == ENVIRONMENT
