"""Mixes of frame sizes: their genomes, their place in a sweep, and the frames that leave."""

from collections import Counter
from itertools import cycle, islice

import pytest
from hypothesis import given
from hypothesis import strategies as st
from middlebench.model.cell import Cell
from middlebench.model.frames import load_frames, udp_frame
from middlebench.model.mix import (
    IMIX,
    LONGEST_GENOME,
    STANDARD_SIZES,
    bytes_of,
    in_order,
    mix_of,
    size_label,
    sizes_of,
)

GENOMES = st.text("abcdefg", min_size=2, max_size=LONGEST_GENOME)


def test_imix_is_seven_small_frames_four_of_576_and_one_of_1500_bytes_of_ip():
    assert Counter(sizes_of(IMIX)) == {60: 7, 576 + 14: 4, 1500 + 14: 1}
    assert (mix_of(IMIX).genome, mix_of(IMIX).letters_bytes) == ("AAAAAAABBBBC", {"A": 64, "B": 594, "C": 1518})


@given(GENOMES)
def test_sizes_of_a_genome_are_those_of_rfc_6985_less_the_fcs(genome):
    mix = mix_of(f"imix-{genome}")
    assert mix.frame_bytes == sizes_of(f"imix-{genome}") == tuple(STANDARD_SIZES[letter] - 4 for letter in genome)
    assert mix.letters_bytes.keys() == set(genome)


@given(st.lists(st.integers(60, 1514), min_size=1, max_size=12), st.integers(0, 100))
def test_bytes_of_so_many_frames_are_those_that_leave_first(sizes, frames):
    assert bytes_of(sizes, frames) == sum(islice(cycle(sizes), frames))


@given(st.sampled_from([IMIX, "imix-aaafg"]), st.integers(0, 1000), st.integers(1, 3))
def test_cell_of_a_mix_is_found_by_its_path(mix, n, repetition):
    cell = Cell(testbed="t", n=n, frame_bytes=mix, repetition=repetition)
    assert cell.key == f"n{n}/size{mix}/rep{repetition}"
    assert Cell.of_key("t", cell.key) == cell == Cell.model_validate_json(cell.model_dump_json())


@pytest.mark.parametrize("name", ["imix-", "imix-a", "imix-aah", "imix-AB", "IMIX", "mix", "imix-" + "a" * 33])
def test_other_names_are_no_mixes(name):
    assert Cell.of_key("t", f"n1/size{name}/rep1") is None
    with pytest.raises(ValueError, match="frame_bytes"):
        Cell(testbed="t", n=1, frame_bytes=name)


def test_mixes_stand_behind_frames_of_one_size_under_names_of_their_own():
    assert [size_label(size) for size in in_order([1500, "imix-aaafg", 60, "imix", 60])] == [
        *("60 B", "1500 B", "IMIX", "IMIX aaafg")
    ]


@given(st.lists(st.sampled_from([60, 61, 70]), min_size=1, max_size=6), st.integers(1, 9))
def test_each_flow_has_each_frame_of_the_sequence_once_before_all_repeats(sizes, flows):
    made = load_frames(sizes, flows)
    assert [len(frame) for frame in made] == list(islice(cycle(sizes), len(made)))
    assert Counter(made) == Counter(udp_frame(size, flow=flow) for size in sizes for flow in range(flows))
    if len(sizes) == 1:
        assert made == [udp_frame(sizes[0], flow=flow) for flow in range(flows)]
