"""What a frame costs the server at a hop, and what the instrument took."""

import pytest
from middlebench.diagnosis.costs import hop_cost, untaken_ratio
from sweeps import costly, record


def test_hop_costs_what_switch_and_middleboxes_used_for_each_frame_that_came_to_its_end():
    found = costly()
    passed = sum(hop.tx_packets for hop in found.hops[:-1])
    cost = hop_cost(found)
    assert cost is not None
    assert cost.processor_us == pytest.approx(1e6 * 1.1 / passed)
    assert cost.context_switches == pytest.approx(3000 / passed)
    assert cost.io_calls == pytest.approx(6000 / passed)


def test_what_polls_says_nothing_of_the_cost_of_a_hop_and_nor_does_a_chain_of_none():
    usage = costly().usage
    polling = tuple(each.model_copy(update={"polls": True}) for each in usage.middleboxes)
    assert hop_cost(costly(middleboxes=polling)) is None
    assert hop_cost(record(0)) is None


@pytest.mark.parametrize("count", ["context_switches", "io_calls"])
def test_counts_of_a_hop_are_missing_where_those_of_one_process_are_not_known(count):
    unknown = tuple(each.model_copy(update={count: None}) for each in costly().usage.switch)
    cost = hop_cost(costly(switch=unknown))
    assert cost is not None
    assert [name for name in ("context_switches", "io_calls") if getattr(cost, name) is None] == [count]


@pytest.mark.parametrize(("offered", "received", "ratio"), [(50_000, 20_000, 0.45), (30_000, 30_000, 0), (0, 0, None)])
def test_frames_that_no_bridge_took_are_told_as_a_share_of_those_sent(offered, received, ratio):
    assert untaken_ratio(record(1, offered=offered, received=received)) == (ratio and pytest.approx(ratio))
