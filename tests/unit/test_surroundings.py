import ast
import os
import subprocess
import sys
from collections.abc import Iterator

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


NOT_THE_OWNER = """
import os, pathlib
from middlebench.system import surroundings
os.setgid(54321), os.setuid(54321)
try:
    surroundings.demand_writable(pathlib.Path("/"))
except surroundings.MiddlebenchError as error:
    print(error.happened)
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root becomes a user who owns nothing")
def test_checkout_that_is_not_the_users_is_named_before_anything_is_done(tmp_path):
    surroundings.demand_writable(tmp_path)
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT / "workflow")}
    argv = [sys.executable, "-c", NOT_THE_OWNER]
    said = subprocess.run(argv, env=environment, capture_output=True, text=True, check=True).stdout
    assert said == "user 54321 may not write to /\n"


def test_programs_that_we_start_speak_english_in_utf_8(monkeypatch):
    monkeypatch.setenv("LC_ALL", "de_DE.ISO-8859-1")
    monkeypatch.setenv("LANGUAGE", "de")
    surroundings.prepare()
    code = "import locale, sys; print(locale.getpreferredencoding())"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "UTF-8\n"
    assert "LANGUAGE" not in os.environ


def text_files_without_encoding(tree: ast.AST) -> Iterator[int]:
    """Yield the lines that leave a file's, or a program's, encoding to the locale."""
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call):
            continue
        keywords = {each.arg: ast.unparse(each.value) for each in call.keywords}
        of_a_path = isinstance(call.func, ast.Attribute) and call.func.attr in {"read_text", "write_text"}
        by_name = ast.unparse(call.func) == "open" and not any("b" in ast.unparse(mode) for mode in call.args[1:2])
        if (of_a_path or by_name or keywords.get("text") == "True") and keywords.get("encoding") != "'utf-8'":
            yield call.lineno


@pytest.mark.parametrize("folder", ["workflow", "bench"])
def test_no_file_of_ours_is_read_or_written_in_the_locales_encoding(folder):
    found = [
        f"{path.relative_to(PROJECT)}:{line}"
        for path in (PROJECT / folder).rglob("*.py")
        for line in text_files_without_encoding(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert found == []
