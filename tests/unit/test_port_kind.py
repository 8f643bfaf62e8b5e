"""What joins a middlebox to a switch."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from middlebench.config import drivers
from middlebench.model.port_kind import PortKind, common_kind

KINDS = st.lists(st.sampled_from(PortKind), unique=True)


@given(KINDS, KINDS)
def test_chosen_kind_is_the_middleboxs_best_of_those_that_the_switch_offers(taken, offered):
    kind = common_kind(taken, offered)
    assert (kind is None) == set(taken).isdisjoint(offered)
    if kind is not None:
        assert kind in offered
        assert set(taken[: taken.index(kind)]).isdisjoint(offered)


def test_every_driver_says_by_which_ports_it_is_joined():
    for part in ("switch", "middlebox"):
        assert all("port_kinds" in vars(options) for options in drivers.all_options(part).values())
