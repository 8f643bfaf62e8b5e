from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from middlebench.model.cell import Cell, cells_of
from middlebench.model.order import RunOrder
from middlebench.model.record import Place

topologies = st.sampled_from([("chain",), ("parallel", "chain")])
functions = st.lists(st.sampled_from(["forward", "nat", "filter+nat"]), min_size=1, unique=True).map(tuple)
lengths = st.lists(st.integers(0, 30), min_size=1, max_size=5, unique=True).map(tuple)
sizes = st.lists(st.integers(60, 1514), min_size=1, max_size=5, unique=True).map(tuple)
orders = st.builds(
    RunOrder,
    testbeds=st.just(("near", "far")),
    values=st.tuples(topologies, functions, lengths, sizes),
    blocks=st.integers(1, 4),
    seed=st.integers(0, 1000),
)

GRID = RunOrder(("near",), (("chain",), ("forward",), tuple(range(1, 13)), tuple(range(100, 1700, 100))), 3, seed=1)


def runs_of(values):
    """Return the values without those that equal the one before."""
    return [value for place, value in enumerate(values) if place == 0 or values[place - 1] != value]


@given(orders)
def test_every_cell_comes_once_and_a_chain_is_deployed_once_a_block(order):
    cells = order.cells("near")
    topologies, functions, lengths, sizes = order.values
    every = cells_of(
        "near", {"topology": topologies, "function": functions, "n": lengths, "frame_bytes": sizes}, order.blocks
    )
    assert sorted(cell.key for cell in cells) == sorted(cell.key for cell in every)
    assert runs_of([cell.repetition for cell in cells]) == list(range(1, order.blocks + 1))
    deployments = runs_of([(cell.repetition, cell.deployment_key) for cell in cells])
    assert len(deployments) == order.blocks * len(topologies) * len(functions) * len(lengths)


@given(orders)
def test_priorities_follow_the_order_and_a_chain_is_deployed_just_before_its_first_cell(order):
    expected = []
    for testbed in order.testbeds:
        expected.append(order.provision_priority(testbed))
        deployed = set()
        for cell in order.cells(testbed):
            if cell.n not in deployed:
                deployed.add(cell.n)
                expected.append(order.deployment_priority(testbed, cell.deployment_key, cell.n))
            expected.append(order.cell_priority(cell))
        expected.append(order.closing_priority(testbed))
    assert expected == sorted(expected, reverse=True)
    assert len(set(expected)) >= len(expected) - len(order.testbeds)  # the first chain's is that of provisioning
    assert expected[-1] > 0  # what is made of the cells has no priority and comes after them


@given(orders, st.integers(0, 1000))
def test_cell_outside_of_the_grid_comes_last_and_has_no_place(order, n):
    planned = min(order.cell_priority(cell) for cell in order.cells("far"))
    outside = Cell(testbed="near", n=n, frame_bytes=2000)
    assert order.place(outside) is None
    assert 0 < order.cell_priority(outside) < order.deployment_priority("elsewhere", f"n{n}", n) < planned


def test_more_repetitions_leave_the_order_of_the_earlier_ones():
    more = replace(GRID, blocks=5)
    assert more.cells("near")[: len(GRID.cells("near"))] == GRID.cells("near")


def test_seed_testbed_and_repetition_each_give_another_order():
    def sizes_and_lengths(order, testbed, repetition):
        return [(cell.n, cell.frame_bytes) for cell in order.cells(testbed) if cell.repetition == repetition]

    both = replace(GRID, testbeds=("near", "far"))
    orders_met = [
        sizes_and_lengths(order, testbed, repetition)
        for order in (both, replace(both, seed=2))
        for testbed in both.testbeds
        for repetition in (1, 2, 3)
    ]
    assert len({tuple(each) for each in orders_met}) == len(orders_met)


def test_neither_length_nor_size_lines_up_with_time():
    """Their rank correlation with the place in the order is no greater than chance gives."""
    stats = pytest.importorskip("scipy.stats")
    for seed in range(20):
        cells = replace(GRID, seed=seed, blocks=10).cells("near")
        for values in ([cell.n for cell in cells], [cell.frame_bytes for cell in cells]):
            assert abs(stats.spearmanr(range(len(cells)), values).statistic) < 0.2


def test_order_is_the_same_on_every_machine():
    order = RunOrder(("local",), (("chain",), ("forward",), (1, 2, 4), (60, 800)), 1, seed=1)
    assert [(cell.n, cell.frame_bytes) for cell in order.cells("local")] == [
        (2, 60),
        (2, 800),
        (4, 800),
        (4, 60),
        (1, 800),
        (1, 60),
    ]


def test_place_says_block_position_and_seed():
    for position, cell in enumerate(GRID.cells("near"), start=1):
        assert GRID.place(cell) == Place(seed=1, block=cell.repetition, position=position)
