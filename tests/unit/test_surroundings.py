import os
import subprocess
import sys

import pytest
from helpers import PROJECT
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


STRANGE_USER = """
import os
from middlebench.system import surroundings
from middlebench.system.user import user_name
os.setgid(54321), os.setuid(54321)
surroundings.prepare()
print(user_name(), os.path.expanduser("~"), "\\u2192")
"""
NOT_UTF_8 = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
"""What makes Python take the locale's own encoding, which is ASCII then."""


@pytest.mark.skipif(os.getuid() != 0, reason="only root becomes a user that does not exist")
def test_user_without_name_home_and_utf_8_is_served():
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT / "workflow"), **NOT_UTF_8}
    said = subprocess.run([sys.executable, "-c", STRANGE_USER], env=environment, capture_output=True, check=True).stdout
    assert said == b"uid 54321 / ?\n"


def test_programs_that_we_start_speak_english_in_utf_8(monkeypatch):
    monkeypatch.setenv("LC_ALL", "de_DE.ISO-8859-1")
    monkeypatch.setenv("LANGUAGE", "de")
    surroundings.prepare()
    code = "import locale, sys; print(locale.getpreferredencoding())"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "UTF-8\n"
    assert "LANGUAGE" not in os.environ
