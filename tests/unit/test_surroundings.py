import os
import subprocess

import pytest
from middlebench.system import surroundings


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/usr/local/bin:/usr/bin:/bin", "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"),
        ("/usr/sbin:/usr/bin", "/usr/sbin:/usr/bin:/usr/local/sbin:/sbin"),
        ("", f"{os.defpath}:/usr/local/sbin:/usr/sbin:/sbin"),
    ],
)
def test_programs_for_administration_are_found_behind_the_users_own(path, wanted):
    assert surroundings.search_path(path) == wanted
    assert surroundings.search_path(wanted) == wanted


def test_commands_of_a_process_with_an_ordinary_users_path_find_them(monkeypatch, tmp_path):
    monkeypatch.setattr(surroundings, "ADMINISTRATION", (str(tmp_path),))
    program = tmp_path / "only-for-administrators"
    program.write_text("#!/bin/sh\necho found\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    surroundings.prepare()
    assert subprocess.run([program.name], capture_output=True, text=True, check=True).stdout == "found\n"
