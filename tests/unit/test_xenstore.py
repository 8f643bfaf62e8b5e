"""What ``xenstore-ls -f`` prints, understood."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from middlebench.middleboxes.xen.xenstore import CONNECTED, parse_keys, vif_states

SEEN = """/local/domain/1/console/tty = "/dev/pts/0"
/local/domain/1/data = ""
/local/domain/1/data/clickos = ""
/local/domain/1/device/vif/0/mac = "00:16:3e:00:01:00"
/local/domain/1/device/vif/0/state = "4"
/local/domain/1/device/vif/1/state = "1"
/local/domain/0/backend/vif/1/0/state = "4"
/local/domain/0/backend/vif/1/1/state = "2"
/local/domain/0/backend/vif/12/0/state = "6"
"""
paths = st.lists(
    st.text("abcdefghijklmnopqrstuvwxyzABC0123456789-_@", min_size=1, max_size=12), min_size=1, max_size=6
).map(lambda parts: "/" + "/".join(parts))
values = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60)


def test_keys_of_a_real_domain_are_read():
    keys = parse_keys(SEEN)
    assert keys["/local/domain/1/data/clickos"] == ""
    assert keys["/local/domain/1/console/tty"] == "/dev/pts/0"


def test_both_ends_of_each_interface_are_found_and_no_other_domains():
    assert vif_states(parse_keys(SEEN), 1) == (CONNECTED, "1/2")
    assert vif_states(parse_keys(SEEN), 12) == ("-/6",)
    assert vif_states(parse_keys(SEEN), 2) == ()


@given(st.dictionaries(paths, values, max_size=20))
def test_every_list_of_keys_is_read_as_it_was_written(wanted):
    assert parse_keys("".join(f'{path} = "{value}"\n' for path, value in wanted.items())) == wanted


@given(st.dictionaries(st.integers(0, 20), st.tuples(st.sampled_from("123456"), st.sampled_from("123456")), max_size=8))
def test_states_come_in_the_order_of_the_interfaces(wanted):
    keys = {f"/local/domain/7/device/vif/{index}/state": front for index, (front, _) in wanted.items()}
    keys |= {f"/local/domain/0/backend/vif/7/{index}/state": back for index, (_, back) in wanted.items()}
    assert vif_states(keys, 7) == tuple("/".join(wanted[index]) for index in sorted(wanted))


def test_an_unknown_line_is_refused_with_its_text():
    with pytest.raises(ValueError, match="no key at all"):
        parse_keys("no key at all\n")
