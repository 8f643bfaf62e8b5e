"""A record that contradicts itself, or is not what was written, is refused by name and reaches no table."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from middlebench.model.consistency import contradictions
from middlebench.model.record import Record, Sample
from middlebench.model.record_file import content_digest, read, write
from middlebench.system.errors import RecordError
from sweeps import record

SOUND = record(n=2).model_copy(
    update={
        "samples": (
            Sample(t_s=0.0, sent_packets=0, received_packets=0),
            Sample(t_s=0.5, sent_packets=50_000, received_packets=20_000),
        )
    }
)


def changed(part, **values):
    return {part: getattr(SOUND, part).model_copy(update=values)}


def hop(place, **values):
    hops = list(SOUND.hops)
    hops[place] = hops[place].model_copy(update=values)
    return {"hops": tuple(hops)}


WRONG = {
    "more received than sent": changed("counts", trial_received_packets=100_001),
    "more received in the window than in all": changed("counts", received_packets=40_001, received_bytes=40_001 * 800),
    "more offered than sent": changed("counts", trial_sent_packets=40_000),
    "bytes are not the packets'": changed("counts", received_bytes=1),
    "a window of a microsecond": changed("counts", window_s=1e-6),
    "nothing offered": changed("counts", offered_packets=0, offered_bytes=0),
    "above line rate": changed("counts", offered_packets=99_000, offered_bytes=99_000 * 800),
    "no hops": {"hops": ()},
    "a middlebox is missing": {"middleboxes": SOUND.middleboxes[:1]},
    "first hop received more than was sent": hop(0, ingress={"a": 100_001}),
    "last hop sent less than was received": hop(2, egress={"a": 39_999}),
    "a hop sent more than it received": hop(1, egress={"a": 10**6}),
    "probes are missing": changed("attestation", probes_returned=2),
    "no probes": changed("attestation", probes_sent=0, probes_returned=0),
    "another loss": changed("bottleneck", lost_packets=1),
    "samples go back": {"samples": SOUND.samples[::-1]},
    "samples hold more than the window": {
        "samples": (Sample(t_s=0.5, sent_packets=50_001, received_packets=20_000),),
    },
}


def test_sound_record_contradicts_nothing():
    assert contradictions(SOUND) == []


@pytest.mark.parametrize("update", WRONG.values(), ids=WRONG)
def test_contradiction_is_found_and_the_file_named(tmp_path, update):
    wrong = SOUND.model_copy(update=update)
    assert contradictions(wrong)
    path = tmp_path / "rep1.json"
    write(wrong, path)
    with pytest.raises(RecordError) as caught:
        read(Record, path)
    assert str(path) in caught.value.doing


def test_written_record_is_read_back(tmp_path):
    write(SOUND, tmp_path / "rep1.json")
    assert read(Record, tmp_path / "rep1.json").model_copy(update={"digest": ""}) == SOUND


def test_record_of_an_earlier_version_with_fewer_keys_is_read_and_one_that_lost_a_key_is_refused(tmp_path):
    path = tmp_path / "rep1.json"
    write(SOUND, path)
    values = json.loads(path.read_bytes())
    del values["wires"]
    path.write_text(json.dumps(values))
    with pytest.raises(RecordError):
        read(Record, path)
    path.write_text(json.dumps(values | {"digest": content_digest(values)}))
    assert read(Record, path).wires == SOUND.wires


@given(place=st.integers(0, 2**31), bit=st.integers(0, 7))
def test_a_flipped_bit_is_refused_or_changes_nothing(tmp_path_factory, place, bit):
    path = tmp_path_factory.mktemp("flipped") / "rep1.json"
    write(SOUND, path)
    sound, content = read(Record, path), bytearray(path.read_bytes())
    content[place % len(content)] ^= 1 << bit
    path.write_bytes(content)
    with contextlib.suppress(RecordError):
        assert read(Record, path) == sound


@pytest.mark.parametrize("value", [True, "1", 1.5, 1e40, -1, None, [], {}], ids=str)
def test_value_of_another_kind_is_refused(tmp_path, value):
    values = json.loads(SOUND.model_dump_json())
    values["counts"]["offered_packets"] = value
    path = tmp_path / "rep1.json"
    path.write_text(json.dumps(values))
    with pytest.raises(RecordError):
        read(Record, path)
