import pytest
from middlebench.system.errors import HostError
from middlebench.system.runtime import runtime_folder


def test_named_folder_is_made_for_its_owner_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("MIDDLEBENCH_RUNTIME", str(tmp_path / "made" / "here"))
    assert runtime_folder() == tmp_path / "made" / "here"
    assert runtime_folder().stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
def test_folder_that_others_may_write_to_is_refused(tmp_path, monkeypatch, mode):
    folder = tmp_path / "runtime"
    folder.mkdir()
    folder.chmod(mode)
    monkeypatch.setenv("MIDDLEBENCH_RUNTIME", str(folder))
    with pytest.raises(HostError, match="MIDDLEBENCH_RUNTIME") as caught:
        runtime_folder()
    assert str(folder) in str(caught.value)


def test_folder_behind_a_symbolic_link_is_refused(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "runtime").symlink_to(tmp_path / "elsewhere")
    monkeypatch.setenv("MIDDLEBENCH_RUNTIME", str(tmp_path / "runtime"))
    with pytest.raises(HostError, match="not a folder of yours"):
        runtime_folder()


def test_folder_that_cannot_be_made_is_named(tmp_path, monkeypatch):
    (tmp_path / "runtime").write_text("in the way")
    for folder in (tmp_path / "runtime", tmp_path / "runtime" / "below"):
        monkeypatch.setenv("MIDDLEBENCH_RUNTIME", str(folder))
        with pytest.raises(HostError, match=f"making the runtime folder {folder}"):
            runtime_folder()
