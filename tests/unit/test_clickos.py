"""What ClickOS and cosmos say, understood."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from middlebench.middleboxes.xen.clickos import (
    CHUNK_BYTES,
    ClickosImage,
    ClickosOptions,
    chunks,
    parse_cosmos_domain,
    parse_counts,
)
from middlebench.middleboxes.xen.domain import Sight
from middlebench.middleboxes.xen.xl import Domain

DOMAIN = Domain("mbench-1", 3, 100, 1, "r-----", 1.0)
BOOTED = {"/local/domain/3/data/clickos": ""}
CONNECTED = {f"/local/domain/3/device/vif/{port}/state": "4" for port in (0, 1)} | {
    f"/local/domain/0/backend/vif/3/{port}/state": "4" for port in (0, 1)
}
GOOD = """main
[on_status:217] router id 0
[on_status:218] status change to Running
[router_thread:158] Starting driver...
"""
BAD = "main\nconfig:1: syntax error near ';'\nRouter could not be initialized!\nRouter init failed!\n"


@pytest.fixture
def image():
    return ClickosImage(ClickosOptions(kind="clickos", kernel="/clickos_x86_64"))


def test_it_has_booted_once_it_has_made_its_key(image):
    assert not image.booted(Sight(DOMAIN, {}, "main\n"))
    assert image.booted(Sight(DOMAIN, BOOTED, "main\n"))


def test_a_status_that_cosmos_wrote_proves_nothing(image):
    keys = BOOTED | {"/local/domain/3/data/clickos/0/status": "Running"}
    assert not image.ready(Sight(DOMAIN, keys, "main\n"))
    assert "never took its router" in image.stuck(Sight(DOMAIN, keys, "main\n"))


def test_interfaces_and_console_together_prove_that_it_runs(image):
    assert image.ready(Sight(DOMAIN, BOOTED | CONNECTED, GOOD))
    assert not image.ready(Sight(DOMAIN, BOOTED | CONNECTED, "main\n"))
    assert not image.ready(Sight(DOMAIN, BOOTED, GOOD))


def test_without_a_console_log_the_interfaces_count_alone(image):
    assert image.ready(Sight(DOMAIN, BOOTED | CONNECTED, None))
    assert not image.ready(Sight(DOMAIN, BOOTED, None))


def test_a_refused_configuration_is_told_with_clicks_own_words(image):
    assert "syntax error near ';'" in image.failure(Sight(DOMAIN, BOOTED, BAD))
    assert image.failure(Sight(DOMAIN, BOOTED, GOOD)) == ""


def test_an_image_of_old_is_looked_for_elsewhere():
    old = ClickosImage(ClickosOptions(kind="clickos", kernel="/c", xenstore_path="clickos"))
    assert old.booted(Sight(DOMAIN, {"/local/domain/3/clickos": ""}, None))
    assert not old.booted(Sight(DOMAIN, BOOTED, None))


@pytest.mark.parametrize(
    ("said", "domain"),
    [
        ("Domain ID for 3: 3\nLocation of click script: /run/x.click\n", 3),
        ("Domain ID for mbench-1: -2\n", -2),
        ("usage\n", None),
    ],
)
def test_the_domain_that_cosmos_took_is_read(said, domain):
    assert parse_cosmos_domain(said) == domain


def test_counts_are_read_and_what_is_no_number_is_left_out():
    assert parse_counts("FromDevice@1 12 \nFromDevice@2 7 \n") == [12, 7]
    assert parse_counts("FromDevice@1 (null) \nFromDevice@2 7 \n") == [7]


@given(st.text(st.characters(max_codepoint=127), max_size=5000))
def test_parts_of_a_configuration_are_small_and_together_all_of_it(text):
    parts = chunks(text)
    assert "".join(parts) == text
    assert all(len(part) <= CHUNK_BYTES for part in parts)


def test_a_configuration_that_is_not_plain_ascii_is_refused():
    with pytest.raises(ValueError, match="ASCII"):
        chunks("// café")
