import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import PROJECT
from middlebench.cli import main
from middlebench.system.handover import TERMINAL

FULL = Path("/dev/full")
"""A device on which every write ends as on a full disk."""


def pack(folder: Path, **options: object) -> subprocess.CompletedProcess[bytes]:
    """Run a verb that fails, since the folder is no crate."""
    command = [sys.executable, "-m", "middlebench", "pack", "--folder", str(folder), "--output", str(folder / "x.zip")]
    environment = os.environ | {"PYTHONPATH": str(PROJECT / "workflow"), TERMINAL: "1"}
    return subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=False, **options)


def test_reason_of_a_failure_goes_to_the_log_alone(tmp_path):
    done = pack(tmp_path, stderr=subprocess.PIPE)
    assert (done.returncode, done.stdout) == (9, b"")
    assert str(tmp_path) in done.stderr.decode()


@pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full")
def test_reason_of_a_failure_reaches_the_terminal_where_the_log_cannot_be_written(tmp_path):
    with FULL.open("wb") as log:
        done = pack(tmp_path, stderr=log)
    assert done.returncode == 9
    assert str(tmp_path) in done.stdout.decode()


def help_of(*words: str, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        main([*words, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_every_verb_says_in_its_help_what_it_does(capsys):
    """The sentence of the list of verbs stands in the verb's own help too."""
    listed = re.search(r"VERB\n(.*?)\n\noptions", help_of(capsys=capsys), re.DOTALL)
    assert listed is not None
    verbs = re.findall(r"^    ([\w-]+)", listed[1], re.MULTILINE)
    assert len(verbs) > 10
    for verb in verbs:
        assert re.search(r"\n\n\w.{10,}\n", help_of(verb, capsys=capsys)), verb


def test_version_is_told(capsys):
    with pytest.raises(SystemExit):
        main(["--version"])
    assert re.fullmatch(r"middlebench \d+\.\d+\.\d+\n", capsys.readouterr().out)
