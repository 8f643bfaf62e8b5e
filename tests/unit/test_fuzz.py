"""Damaged input of every kind ends in one of our own errors, on one screen, and touches nothing.

The mutations are drawn from a fixed seed: each run tries the same ones.
"""

import copy
import json
import random
import string
from pathlib import Path

import pytest
import yaml
from helpers import PROJECT
from middlebench import cli
from middlebench.config.checks import check_study
from middlebench.config.plain_yaml import MOST_BYTES, read_yaml
from middlebench.config.study_file import write_study
from middlebench.config.testbed import TESTBED_FOLDER, composed
from middlebench.model.record import Record
from middlebench.model.record_file import read, write
from middlebench.system.errors import ConfigError, MiddlebenchError, RecordError
from sweeps import record

MUTATIONS = 200
MOST_LINES = 25
"""What a message may take of a screen."""
ODD = (
    *(True, False, None, -1, 0, 1e40, -1e-9, float("inf"), float("nan"), 2**63, 10**30),
    *("", " ", "ja", "{n}", "a{b}c", "$(reboot)", "../..", "x" * 5000, "maximum", "ndr", "\0", "ä", "1", "pdr(2)"),
    *([], [[]], [1, 1], {}, {"a": 1}, {1: 2}, ["60", True]),
)
STUDY_TEXT = (PROJECT / "config/config.yaml").read_text(encoding="utf-8")
TESTBED_FOLDER = PROJECT / TESTBED_FOLDER


def places(values, path=()):
    """Return the path of every value within nested values."""
    inner = values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list) else ()
    return [path, *(found for key, each in inner for found in places(each, (*path, key)))]


def mutated(values, chance):
    """Return a deep copy with one to three values changed, removed, renamed or doubled."""
    result = copy.deepcopy(values)
    for _ in range(chance.randint(1, 3)):
        *outer, last = chance.choice([path for path in places(result) if path] or [(None,)])
        inner = result
        for key in outer:
            inner = inner[key]
        what = chance.randrange(4)
        if last is None:
            continue
        if what == 0:
            inner[last] = copy.deepcopy(chance.choice(ODD))
        elif what == 1:
            del inner[last]
        elif what == 2 and isinstance(inner, dict):
            inner[str(last) + chance.choice(("s", "_", "é", ""))[:1]] = inner.pop(last)
        elif isinstance(inner, list):
            inner.append(inner[last])
    return result


def demand_short(error):
    assert len(str(error).splitlines()) <= MOST_LINES
    assert max(map(len, str(error).splitlines())) <= 2000


@pytest.mark.parametrize("part", range(4))
def test_mutated_study_is_good_or_refused_in_a_screen(part, tmp_path):
    chance = random.Random(f"study {part}")
    values = yaml.safe_load(STUDY_TEXT)
    refused = 0
    for _ in range(MUTATIONS // 4):
        try:
            check_study(mutated(values, chance), "config/config.yaml", TESTBED_FOLDER)
        except ConfigError as error:
            demand_short(error)
            refused += 1
    assert refused > MUTATIONS // 16


@pytest.mark.parametrize("path", sorted(TESTBED_FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_mutated_testbed_is_good_or_refused_in_a_screen(path):
    chance = random.Random(path.stem)
    values = read_yaml(path)
    for _ in range(40):
        try:
            composed(mutated(values, chance), str(path))
        except ConfigError as error:
            demand_short(error)


def test_mutated_text_is_read_or_refused_in_a_screen(tmp_path):
    chance = random.Random("text")
    file = tmp_path / "config.yaml"
    for _ in range(MUTATIONS):
        text = list(STUDY_TEXT)
        for _ in range(chance.randint(1, 20)):
            text[chance.randrange(len(text))] = chance.choice(string.printable + "\0äé{}[]&*!|>%@`")
        file.write_text("".join(text), encoding="utf-8")
        try:
            check_study(read_yaml(file), str(file), TESTBED_FOLDER)
        except ConfigError as error:
            demand_short(error)


@pytest.mark.parametrize(
    "text",
    [
        "a: " + "[" * 3000 + "]" * 3000,
        "\n".join(["a0: &a0 [1, 1]", *(f"a{k + 1}: &a{k + 1} [*a{k}, *a{k}]" for k in range(28))]),
        "testbeds: !!set {local}",
        "testbeds: !!python/object/apply:os.system [true]",
        "seed: 2020-01-01",
        "seed: !!binary aGVsbG8=",
        "? [1, 2]\n: 3",
        "1: 2",
        "a: 1\na: 2",
        "a" * (MOST_BYTES + 1),
        "\t- a",
        "- 1",
        "",
    ],
    ids=range(13),
)
def test_yaml_of_other_kinds_is_refused_in_a_screen(tmp_path, text):
    file = tmp_path / "config.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_yaml(file)
    assert str(file) in caught.value.doing
    demand_short(caught.value)


def test_mutated_record_is_sound_or_refused_by_name(tmp_path):
    chance = random.Random("record")
    path = tmp_path / "rep1.json"
    write(record(n=2), path)
    values, named = json.loads(path.read_text()), []
    for _ in range(MUTATIONS):
        path.write_text(json.dumps(mutated(values, chance)))
        try:
            read(Record, path)
        except RecordError as error:
            named.append(error)
    assert len(named) > MUTATIONS / 2
    for error in named:
        assert str(path) in error.doing
        demand_short(error)


VERBS = ("provision", "deploy", "measure", "control", "aggregate", "report", "crate", "pack", "archive", "repeat")
WORDS = (
    *("--study", "--flag", "--cells", "--results", "--folder", "--output", "--testbed-folder", "--", "-1", "0", "none"),
    *("results/made/cells/n1/size800/rep1.json", "results/made/cells/n9999/size5/rep0.json", "results/made", "/", "."),
    *("results/made/deployments/n1.json", "results/made/deployments/n-1.json", "", "\udcff", "x" * 300, "{}", "drfit"),
)


def test_mutated_command_line_ends_in_a_status_and_touches_nothing(tmp_path, monkeypatch, capsys):
    chance = random.Random("command line")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MIDDLEBENCH_RUNTIME", str(tmp_path / "runtime"))
    study, _ = check_study(yaml.safe_load(STUDY_TEXT), "config.yaml", TESTBED_FOLDER)
    write_study("a session", study, {}, tmp_path / "results")
    before = sorted(map(str, tmp_path.rglob("*")))
    for _ in range(MUTATIONS):
        argv = [chance.choice(VERBS), *chance.choices(WORDS, k=chance.randint(0, 4))]
        try:
            status = cli.main(argv)
        except SystemExit as ended:  # argparse
            status = ended.code
        said = capsys.readouterr()
        assert status in (0, 1, 2, *(kind.exit_status for kind in MiddlebenchError.__subclasses__())), argv
        assert "Traceback" not in said.err
    assert sorted(map(str, Path(tmp_path).rglob("*"))) == before
