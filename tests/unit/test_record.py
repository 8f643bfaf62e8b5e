import json
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from middlebench.model import record_file
from middlebench.model.cell import LONGEST_CHAIN, Cell
from middlebench.model.deployment import Deployment
from middlebench.model.load import SearchParameters
from middlebench.model.provision import Provision
from middlebench.model.record import (
    Attestation,
    Bottleneck,
    Cause,
    Components,
    Counts,
    Hop,
    MiddleboxCounts,
    Record,
    Sample,
    Settings,
)
from middlebench.model.usage import ProcessorUsage, ProcessUsage, Usage
from middlebench.system.errors import RecordError
from pydantic import ValidationError

COUNTS = st.integers(min_value=0, max_value=10**12)
SECONDS = st.floats(min_value=1e-3, max_value=3600)
NAMES = st.text(min_size=1, max_size=20)
MAYBE = st.none() | COUNTS
BY_PORT = st.dictionaries(NAMES, COUNTS, max_size=2)
PROCESSORS = st.lists(
    st.builds(ProcessorUsage, cpu=COUNTS, busy_s=SECONDS, softirq_s=SECONDS, stolen_s=SECONDS, idle_s=SECONDS),
    max_size=2,
).map(tuple)
PROCESSES = st.lists(
    st.builds(ProcessUsage, name=NAMES, cpu_s=SECONDS, busiest_thread_s=SECONDS, context_switches=MAYBE),
    max_size=2,
).map(tuple)

RECORDS = st.builds(
    Record,
    cell=st.builds(
        Cell,
        testbed=NAMES,
        n=st.integers(0, LONGEST_CHAIN),
        frame_bytes=st.integers(1, 9000),
        repetition=st.integers(min_value=1, max_value=1000),
    ),
    started_at=NAMES,
    settings=st.builds(
        Settings,
        window_s=SECONDS,
        warm_up_s=SECONDS,
        sample_interval_s=SECONDS,
        offered_load=st.one_of(st.just("maximum"), SECONDS),
    ),
    components=st.builds(Components, switch=NAMES, middlebox=NAMES, generator=NAMES),
    environment=NAMES,
    link_bps=SECONDS,
    counts=st.builds(
        Counts,
        window_s=SECONDS,
        intended_packets=COUNTS,
        offered_packets=COUNTS,
        received_packets=COUNTS,
        offered_bytes=COUNTS,
        received_bytes=COUNTS,
        trial_sent_packets=COUNTS,
        trial_received_packets=COUNTS,
    ),
    samples=st.lists(st.builds(Sample, t_s=SECONDS, sent_packets=COUNTS, received_packets=COUNTS), max_size=3).map(
        tuple
    ),
    attestation=st.builds(Attestation, fingerprint=NAMES, probes_sent=COUNTS, probes_returned=COUNTS),
    hops=st.lists(
        st.builds(
            Hop,
            bridge=NAMES,
            ingress=BY_PORT,
            matched_packets=MAYBE,
            forwarded_packets=MAYBE,
            egress=BY_PORT,
            dropped=BY_PORT,
        ),
        max_size=3,
    ).map(tuple),
    middleboxes=st.lists(
        st.builds(
            MiddleboxCounts,
            name=NAMES,
            ingress_port=NAMES,
            egress_port=NAMES,
            rx_packets=MAYBE,
            tx_packets=MAYBE,
        ),
        max_size=3,
    ).map(tuple),
    usage=st.builds(
        Usage,
        traffic_s=SECONDS,
        test_computer=PROCESSORS,
        middlebox_server=PROCESSORS,
        generator=PROCESSES,
        switch=PROCESSES,
        middleboxes=PROCESSES,
    ),
    bottleneck=st.builds(
        Bottleneck,
        cause=st.sampled_from(get_args(Cause)),
        place=NAMES,
        lost_packets=COUNTS,
        unaccounted_packets=COUNTS,
        evidence=NAMES,
    ),
    flags=st.lists(NAMES, max_size=2).map(tuple),
)

PROVISION = Provision(
    testbed="local",
    description="one machine",
    options={"site": {"driver": "namespaces"}},
    components=Components(switch="a switch", middlebox="a middlebox", generator="a generator"),
    choices=({"alternative": "x", "received_pps": {"60": 1}, "failure": "", "chosen": True},),
    environment="0123456789ab",
)


@given(written=RECORDS)
def test_record_is_read_as_it_was_written(tmp_path_factory, written):
    path = tmp_path_factory.mktemp("records") / "rep1.json"
    record_file.write(written, path)
    found = Record.model_validate_json(path.read_bytes(), strict=True)
    assert found.digest == record_file.content_digest(json.loads(path.read_bytes()))
    assert found.model_copy(update={"digest": ""}) == written


def test_record_is_one_readable_json_file_with_its_format_in_it(tmp_path):
    record_file.write(PROVISION, tmp_path / "provision.json")
    text = (tmp_path / "provision.json").read_text()
    assert json.loads(text)["format"] == "middlebench-provision/1"
    assert text.count("\n") > 10
    assert text.endswith("}\n")


def broken(change=dict.copy) -> str:
    values = json.loads(PROVISION.model_dump_json())
    change(values)
    return json.dumps(values)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (broken(lambda values: values.update(colour="red")), "colour"),
        (broken(lambda values: values.pop("environment")), "environment"),
        (broken(lambda values: values.update(format="middlebench-provision/2")), "format"),
        (broken(lambda values: values["components"].pop("switch")), "components.switch"),
        (broken()[:-2], "JSON"),
        ("", "JSON"),
        ("[]", "Provision"),
        ("\udcff", "Provision"),
    ],
    ids=["unknown key", "missing key", "later format", "missing inner key", "cut short", "empty", "list", "not UTF-8"],
)
def test_file_that_is_not_such_a_record_is_named_with_what_is_wrong(tmp_path, text, words):
    path = tmp_path / "provision.json"
    path.write_text(text, errors="surrogateescape")
    with pytest.raises(RecordError) as caught:
        record_file.read(Provision, path)
    assert str(path) in str(caught.value)
    assert words in str(caught.value)
    assert "remove it, and run the same command again" in str(caught.value)


def test_missing_record_is_named_with_what_makes_it(tmp_path):
    with pytest.raises(RecordError, match=r"provision\.json: there is no such file\n.*snakemake"):
        record_file.read(Provision, tmp_path / "provision.json")


def test_record_that_is_no_file_is_named_with_what_to_look_at(tmp_path):
    (tmp_path / "provision.json").mkdir()
    with pytest.raises(RecordError, match=r"provision\.json: Is a directory\n.*see that it is a file"):
        record_file.read(Provision, tmp_path / "provision.json")


def test_record_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "provision.json"
    record_file.write(PROVISION, path)
    with pytest.raises(RecordError, match="not a Deployment record"):
        record_file.read(Deployment, path)


@pytest.mark.parametrize("key", ["offered_packets", "received_packets", "trial_sent_packets", "received_bytes"])
@pytest.mark.parametrize("value", [-1, 1.5, None])
def test_counts_are_whole_numbers_from_zero(key, value):
    counts = dict.fromkeys(Counts.model_fields, 1)
    Counts.model_validate(counts)
    with pytest.raises(ValidationError, match=key):
        Counts.model_validate(counts | {key: value})


def test_longest_time_of_a_cells_traffic_follows_from_its_settings():
    plain = Settings(window_s=60, warm_up_s=5, sample_interval_s=1, offered_load="maximum")
    assert plain.timeout_s == 65
    parameters = SearchParameters(timeout_s=7200, final_trial_s=60, duration_sum_s=60)
    assert plain.model_copy(update={"offered_load": "ndr", "search": parameters}).timeout_s == 7325
