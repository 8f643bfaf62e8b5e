import copy
import shlex

import jsonschema
import pytest
import yaml
from helpers import PROJECT, composition
from middlebench.config import documentation
from middlebench.config.checks import check_study
from middlebench.config.study import Study
from middlebench.config.testbed import TESTBED_FOLDER, composed, load_testbed
from middlebench.model.load import SearchParameters
from middlebench.system.errors import ConfigError

STUDY = {
    "testbeds": ["near"],
    "chain_lengths": [0, 1, 2],
    "frame_sizes": [60, 800, 1514],
    "trial": "quick",
    "trials": {
        "quick": {"window_s": 1, "warm_up_s": 0.5, "sample_interval_s": 0.5},
        "paper": {"window_s": 60, "warm_up_s": 5},
    },
}
ORIGIN = "config/config.yaml"


@pytest.fixture
def folder(tmp_path):
    """A folder of testbeds with two good ones in it."""
    for name in ("near", "far"):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(composition()))
    return tmp_path


def changed(values, **changes):
    """Return a deep copy with values changed; a double underscore leads inwards, None removes a key."""
    result = copy.deepcopy(values)
    for key, value in changes.items():
        *path, last = key.split("__")
        inner = result
        for part in path:
            inner = inner.setdefault(part, {})
        if value is None:
            del inner[last]
        else:
            inner[last] = value
    return result


def test_good_study_is_read_with_its_testbeds(folder):
    study, testbeds = check_study(changed(STUDY, testbeds=["far", "near"]), ORIGIN, folder)
    assert list(testbeds) == ["far", "near"]
    assert study.settings.window_s == 1
    assert study.settings.offered_load == "maximum"
    assert testbeds["far"].site.link.rate_bps == 1e9


def test_chosen_trial_gives_the_settings(folder):
    study, _ = check_study(changed(STUDY, trial="paper", offered_load=12.5), ORIGIN, folder)
    said = study.settings.model_dump(exclude_none=True)
    asked = {"window_s": 60, "warm_up_s": 5, "sample_interval_s": 1, "offered_load": 12.5}
    assert said == asked | {"flows": 1, "latency": False}


def test_measuring_command_asks_for_flows_and_latency_where_the_study_does(folder):
    plain, _ = check_study(STUDY, ORIGIN, folder)
    asked, _ = check_study(changed(STUDY, flows=8, latency=True), ORIGIN, folder)
    assert "flows=" not in plain.measuring_command
    assert "latency=" not in plain.measuring_command
    assert "flows=8 latency=True" in asked.measuring_command


@pytest.mark.parametrize("changes", [{"flows": 0}, {"flows": 10_001}, {"latency": "often"}])
def test_flows_and_latency_that_cannot_be_are_refused(folder, changes):
    with pytest.raises(ConfigError, match=next(iter(changes))):
        check_study(changed(STUDY, **changes), ORIGIN, folder)


def test_parallel_needs_flows_that_can_be_spread_evenly(folder):
    asked = changed(STUDY, topologies=["chain", "parallel"], chain_lengths=[0, 1, 7])
    for flows in (14, 70, 75):
        study, _ = check_study(changed(asked, flows=flows), ORIGIN, folder)
        assert {cell.topology for cell in study.cells("near")} == {"chain", "parallel"}
    for flows in (1, 8, 69):
        with pytest.raises(ConfigError, match=r"flows: .* the 7 paths of parallel\(7\)"):
            check_study(changed(asked, flows=flows), ORIGIN, folder)
    with pytest.raises(ConfigError, match="topologies"):
        check_study(changed(STUDY, topologies=["ring"]), ORIGIN, folder)


@pytest.mark.parametrize("several", [{"functions": ["forward", "nat"]}, {"topologies": ["chain", "pipeline"]}])
def test_adaptive_sweep_of_several_kinds_is_refused(folder, several):
    check_study(changed(STUDY, **several), ORIGIN, folder)
    with pytest.raises(ConfigError, match=f"sweep: .*{next(iter(several))}"):
        check_study(changed(STUDY, sweep="adaptive", **several), ORIGIN, folder)


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"latency": True}, "latency: .* cannot time frames"), ({"frame_sizes": [60, "imix"]}, "frame_sizes: .* as imix")],
)
def test_what_the_generator_cannot_do_is_refused_by_its_key(folder, changes, words):
    netmap = composition() | {"generator": {"driver": "pkt-gen"}}
    (folder / "netmap.yaml").write_text(yaml.safe_dump(netmap))
    check_study(changed(STUDY, **changes), ORIGIN, folder)
    with pytest.raises(ConfigError, match=words):
        check_study(changed(STUDY, testbeds=["netmap"], **changes), ORIGIN, folder)


def test_mix_of_which_a_frame_is_too_large_for_the_links_is_refused(folder):
    narrow = composition()
    narrow["site"]["link"]["mtu"] = 1400
    (folder / "narrow.yaml").write_text(yaml.safe_dump(narrow))
    with pytest.raises(ConfigError, match=r"frame_sizes: 1514 B: .* narrow"):
        check_study(changed(STUDY, testbeds=["narrow"], frame_sizes=[60, "imix"]), ORIGIN, folder)


def test_parameters_of_the_search_matter_to_a_search_alone(folder):
    search = {"duration_sum_s": 5}
    without, _ = check_study(changed(STUDY, search=search), ORIGIN, folder)
    searched, _ = check_study(changed(STUDY, search=search, offered_load="pdr(0.005)"), ORIGIN, folder)
    assert without.settings.search is None
    assert searched.settings.offered_load == "pdr(0.005)"
    assert searched.settings.search == SearchParameters(duration_sum_s=5)


def test_command_that_measures_again_says_how_a_search_went_on(folder):
    study, _ = check_study(changed(STUDY, search={"duration_sum_s": 5}, offered_load="ndr"), ORIGIN, folder)
    said = dict(word.split("=", 1) for word in shlex.split(study.measuring_command) if "=" in word)
    assert said["offered_load"] == "ndr"
    assert SearchParameters(**yaml.safe_load(said["search"])) == study.search


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"offered_load": "pdr(2)"}, "offered_load: it takes `maximum`, `ndr`, `pdr(RATIO)`"),
        ({"search": {"duration_sum": 5}}, "search.duration_sum: there is no such key"),
        ({"search": {"duration_sum_s": 0.1}}, "search.duration_sum_s (0.1) must not be below final_trial_s (1)"),
    ],
)
def test_mistake_about_a_search_is_named(folder, changes, words):
    with pytest.raises(ConfigError) as caught:
        check_study(changed(STUDY, **changes), ORIGIN, folder)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"frame_size": [60]}, ["frame_size", "no such key", "frame_sizes", "did you mean frame_sizes?"]),
        ({"trials__quick__windows": 1}, ["trials.quick.windows", "no such key", "did you mean window_s?"]),
        ({"trial": None}, ["trial", "missing"]),
        ({"frame_sizes": [800, 59]}, ["frame_sizes.1", "59", "60 or more"]),
        ({"frame_sizes": [60, 1515]}, ["frame_sizes", "1515", "60 to 1514", "near"]),
        ({"frame_sizes": [60, 800, 60]}, ["frame_sizes", "60 is repeated", "once"]),
        ({"frame_sizes": []}, ["frame_sizes", "[]", "at least 1"]),
        ({"frame_sizes": [60, "imx"]}, ["frame_sizes.1", "'imx'", "60 or more", "`imix`", "`imix-aaafg`"]),
        ({"frame_sizes": ["imix-aah"]}, ["frame_sizes.0", "'imix-aah'", "letters from a to g"]),
        ({"frame_sizes": ["imix", "imix"]}, ["frame_sizes", "imix is repeated"]),
        ({"frame_sizes": [60, "imix"], "flows": 2000}, ["flows: 2000", "24000 different frames", "1666 or less"]),
        ({"frame_sizes": [60, "imix"], "sweep": "adaptive"}, ["sweep", "imix", "`grid`"]),
        ({"frame_sizes": [60.5]}, ["frame_sizes.0", "60.5", "whole number"]),
        ({"chain_lengths": [1, -1]}, ["chain_lengths.1", "-1", "0 or more"]),
        ({"chain_lengths": [3, 3]}, ["chain_lengths", "3 is repeated", "once"]),
        ({"chain_lengths": "many"}, ["chain_lengths", "many"]),
        ({"testbeds": ["near", "near"]}, ["testbeds", "near is repeated", "once"]),
        ({"testbeds": ["neer"]}, ["testbeds", "neer", "only far, near", "did you mean near?"]),
        ({"trial": "quik"}, ["trial", "quik", "only paper, quick", "did you mean quick?"]),
        ({"repetitions": 0}, ["repetitions", "0", "1 or more"]),
        ({"extra_repetitions": 5}, ["extra_repetitions: this key is gone", "`middlebench repeat`"]),
        ({"effort": "quick"}, ["effort: this key is called `trial` now"]),
        ({"other_environment": "reuse"}, ["other_environment: this key is called `on_environment_change` now"]),
        ({"offered_load": 0}, ["offered_load", "0", "maximum"]),
        ({"offered_load": float("nan")}, ["offered_load", "nan"]),
        ({"if_locked": "push"}, ["if_locked", "push", "'fail' or 'wait'"]),
        ({"trials__quick__window_s": 0}, ["trials.quick.window_s", "0", "0.01 or more"]),
        (
            {"trials__quick__sample_interval_s": 0.3},
            ["trials.quick", "window_s (1)", "sample_interval_s (0.3)", "whole number"],
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_bad_study_is_refused_with_file_key_value_and_what_is_allowed(folder, changes, words):
    with pytest.raises(ConfigError) as caught:
        check_study(changed(STUDY, **changes), ORIGIN, folder)
    message = str(caught.value)
    for word in (ORIGIN, *words):
        assert word in message


def over_ssh(**test_computer):
    """Return the site of two computers over SSH, the test computer's ports being a and b."""
    return {
        "driver": "ssh",
        "test_computer": {"host": "one", "ports": ["a", "b"], **test_computer},
        "middlebox_server": {"host": "other", "ports": ["a", "b"]},
    }


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"switch__driver": "openvswich"}, ["switch", "driver", "openvswich", "private-openvswitch"]),
        ({"middlebox__driver": "netsn"}, ["middlebox", "driver", "netsn", "netns"]),
        ({"generator__driver": "iperf"}, ["generator", "driver", "iperf", "trafgen"]),
        ({"site__driver": "cloud"}, ["site", "driver", "cloud", "namespaces"]),
        ({"swich": {}}, ["swich", "no such key", "did you mean switch?"]),
        ({"site__link__rate_mbs": 10}, ["site.link.rate_mbs", "no such key", "did you mean rate_mbps?"]),
        ({"switch__ports": "system"}, ["switch.ports", "no such key", "port_type"]),
        ({"switch__port_type": "dpdk"}, ["switch.port_type", "dpdk", "'afxdp'"]),
        ({"middlebox__colour": "red"}, ["middlebox", "colour", "no such key", "known here: driver"]),
        ({"generator": None}, ["generator", "missing"]),
        ({"site__link__mtu": 67}, ["site.link.mtu", "67", "68"]),
        ({"site__link__rate_mbps": 0}, ["site.link.rate_mbps", "0", "above 0"]),
        ({"site__test_computer": {"cpus": [0]}}, ["site", "cpus", "both computers, or `auto` to both"]),
        ({"site__middlebox_server": {"cpus": [0]}}, ["site", "cpus", "both computers, or `auto` to both"]),
        ({"site__idle_s": 0}, ["site.idle_s", "0", "1"]),
        ({"site": over_ssh(ports=["a", "a"])}, ["site.test_computer.ports", "two different", "a twice"]),
        ({"site": over_ssh(direct_ports=["b", "c"])}, ["site.test_computer.direct_ports", "two more", "b and c"]),
        ({"site": over_ssh(direct_ports=["c", "c"])}, ["site.test_computer.direct_ports", "two more", "c and c"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_bad_testbed_is_refused_with_file_key_value_and_what_is_allowed(folder, changes, words):
    path = folder / "near.yaml"
    path.write_text(yaml.safe_dump(changed(composition(), **changes)))
    with pytest.raises(ConfigError) as caught:
        check_study(STUDY, ORIGIN, folder)
    message = str(caught.value)
    for word in (str(path), *words):
        assert word in message


def test_every_mistake_is_told_at_once(folder):
    with pytest.raises(ConfigError) as caught:
        check_study(changed(STUDY, frame_sizes=[59], chain_lengths=[-1], colour="red"), ORIGIN, folder)
    for word in ("frame_sizes.0", "chain_lengths.0", "colour"):
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"), [("a: [", "not YAML"), ("- a\n", "keys and values"), ("", "keys and values")]
)
def test_testbed_file_that_is_no_mapping_is_named(folder, text, words):
    (folder / "near.yaml").write_text(text)
    with pytest.raises(ConfigError, match=words) as caught:
        load_testbed("near", folder)
    assert str(folder / "near.yaml") in str(caught.value)


def test_frame_sizes_are_checked_against_the_links_of_every_testbed(folder):
    (folder / "far.yaml").write_text(yaml.safe_dump(changed(composition(), site__link__mtu=786)))
    with pytest.raises(ConfigError, match=r"1514 B: the links of testbed far \(mtu 786\) carry frames of 60 to 800 B"):
        check_study(changed(STUDY, testbeds=["near", "far"]), ORIGIN, folder)


def test_processors_given_to_both_computers_are_taken():
    both = changed(composition(), site__test_computer={"cpus": [0]}, site__middlebox_server={"cpus": [1, 2]})
    testbed = composed(both, ORIGIN)
    assert (testbed.site.test_computer.cpus, testbed.site.middlebox_server.cpus) == ((0,), (1, 2))


class TestShippedConfig:
    """The config files of the project itself."""

    STUDY = yaml.safe_load((PROJECT / "config" / "config.yaml").read_text())

    @pytest.mark.parametrize("trial", STUDY["trials"])
    def test_study_is_good_with_every_trial(self, trial):
        study, testbeds = check_study(self.STUDY | {"trial": trial}, ORIGIN, PROJECT / TESTBED_FOLDER)
        assert testbeds.keys() == set(study.testbeds)

    @pytest.mark.parametrize("path", sorted((PROJECT / TESTBED_FOLDER).glob("*.yaml")), ids=lambda path: path.stem)
    def test_testbed_is_good(self, path):
        assert load_testbed(path.stem, path.parent).description

    def test_schema_takes_the_shipped_study_and_refuses_a_typo(self):
        schema = yaml.safe_load(documentation.schema(Study))
        jsonschema.validate(self.STUDY, schema)
        with pytest.raises(jsonschema.ValidationError, match="frame_size"):
            jsonschema.validate(self.STUDY | {"frame_size": [60]}, schema)


def test_measuring_command_is_of_the_study_that_it_measures_again():
    study = Study.model_validate(STUDY | {"results_folder": "my results", "trial": "quick", "offered_load": 5})
    words = shlex.split(study.measuring_command)
    assert words[:4] == ["snakemake", "--cores", "1", "--force"]
    assert words[words.index("--config") + 1 :] == [
        "results_folder=my results",
        "trial=quick",
        "offered_load=5.0",
        "--",
    ]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"chain_lengths": 3}, ["chain_lengths: a list is wanted, such as [1, 2] (found: 3)"]),
        ({"chain_lengths": ["a"]}, ["chain_lengths.0: a whole number is wanted (found: 'a')"]),
        ({"chain_lengths": []}, ["chain_lengths: at least 1 is wanted, here are 0 (found: [])"]),
        ({"trials": 3}, ["trials: keys and values are wanted (found: 3)"]),
        ({"repetitions": 0}, ["repetitions: it must be 1 or more (found: 0)"]),
        ({"controls": {"every": 0}}, ["controls.every: it must be 1 or more (found: 0)"]),
        ({"if_locked": {"go": 1}}, ["if_locked: 'fail' or 'wait' is wanted (found: {'go': 1})"]),
    ],
)
def test_mistakes_are_told_in_the_words_of_the_file_and_once(folder, changes, told):
    with pytest.raises(ConfigError) as caught:
        check_study(STUDY | changes, ORIGIN, folder)
    assert caught.value.happened.split("\n  ") == told


@pytest.mark.parametrize(
    "folder",
    [
        *("", ".", "..", "./.", "results/..", ".git", "-x", "~/x", "res{x}", "a;b", "config", "workflow/made"),
        *("a/../config", str(PROJECT), str(PROJECT.parent), str(PROJECT / "tests/made"), "README.md", "LICENSE/made"),
    ],
)
def test_results_lie_in_a_folder_of_their_own(folder, monkeypatch):
    monkeypatch.chdir(PROJECT)
    with pytest.raises(ValueError, match="results_folder"):
        Study.model_validate(STUDY | {"results_folder": folder})


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("results/", "results"),
        ("./results", "results"),
        ("a//b/../c", "a/c"),
        ("my results", "my results"),
        (str(PROJECT / "results" / "one"), "results/one"),
        ("/tmp/made//", "/tmp/made"),
    ],
)
def test_results_folder_has_one_form(given, path, monkeypatch):
    monkeypatch.chdir(PROJECT)
    assert Study.model_validate(STUDY | {"results_folder": given}).results_folder == path


def test_middlebox_whose_ports_the_switch_does_not_take_is_refused_with_both_kinds():
    xen = {"driver": "xen", "image": {"kind": "linux"}}
    with pytest.raises(ConfigError) as raised:
        composed(composition(middlebox=xen), ORIGIN)
    assert all(word in raised.value.happened for word in ("xen", "Xen vif", "private-openvswitch", "tap, veth"))


def test_changed_content_of_a_click_file_changes_the_composition(tmp_path):
    path = tmp_path / "x.click"
    paper = yaml.safe_load((PROJECT / "config/testbeds/paper.yaml").read_text(encoding="utf-8"))
    paper["middlebox"]["image"]["click"] = str(path)
    texts = ["in0 :: FromDevice(0) -> ToDevice(1);", "in0 :: FromDevice(0) -> Discard;"]
    found = []
    for text in texts:
        path.write_text(text, encoding="utf-8")
        found.append(composed(paper, ORIGIN).model_dump_json())
    assert all(text in dumped for text, dumped in zip(texts, found, strict=True))
    assert found[0] != found[1]
