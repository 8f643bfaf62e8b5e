"""What ClickOS and cosmos say, understood."""

from __future__ import annotations

import pytest
from helpers import PROJECT
from hypothesis import given
from hypothesis import strategies as st
from middlebench.middleboxes.xen.clickos import (
    CHUNK_BYTES,
    ClickosImage,
    ClickosOptions,
    chunks,
    ingress_element,
    parse_cosmos_domain,
    parse_counts,
)
from middlebench.middleboxes.xen.domain import DomainView
from middlebench.middleboxes.xen.xl import Domain
from pydantic import ValidationError

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
    assert not image.booted(DomainView(DOMAIN, {}, "main\n"))
    assert image.booted(DomainView(DOMAIN, BOOTED, "main\n"))


def test_a_status_that_cosmos_wrote_proves_nothing(image):
    keys = BOOTED | {"/local/domain/3/data/clickos/0/status": "Running"}
    assert not image.ready(DomainView(DOMAIN, keys, "main\n"))
    assert "never took its router" in image.stuck(DomainView(DOMAIN, keys, "main\n"))


def test_interfaces_and_console_together_prove_that_it_runs(image):
    assert image.ready(DomainView(DOMAIN, BOOTED | CONNECTED, GOOD))
    assert not image.ready(DomainView(DOMAIN, BOOTED | CONNECTED, "main\n"))
    assert not image.ready(DomainView(DOMAIN, BOOTED, GOOD))


def test_without_a_console_log_the_interfaces_count_alone(image):
    assert image.ready(DomainView(DOMAIN, BOOTED | CONNECTED, None))
    assert not image.ready(DomainView(DOMAIN, BOOTED, None))


def test_a_refused_configuration_is_told_with_clicks_own_words(image):
    assert "syntax error near ';'" in image.failure(DomainView(DOMAIN, BOOTED, BAD))
    assert image.failure(DomainView(DOMAIN, BOOTED, GOOD)) == ""


def test_an_image_of_old_is_looked_for_elsewhere():
    old = ClickosImage(ClickosOptions(kind="clickos", kernel="/c", xenstore_path="clickos"))
    assert old.booted(DomainView(DOMAIN, {"/local/domain/3/clickos": ""}, None))
    assert not old.booted(DomainView(DOMAIN, BOOTED, None))


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


@pytest.mark.parametrize(
    ("said", "counts"),
    [
        ("3 read(in0/count) => 44843 \n4 read(in0/count) => 7 \n", {"3": 44843, "4": 7}),
        ("3 12 \nmbench-2 7\n", {"3": 12, "mbench-2": 7}),
        ("3 (null) \n4 7 \n", {"4": 7}),
        ("3 \n4 read(in1/count) => 7 \n5 read(in0/count) => 1 2\n", {}),
        ("", {}),
    ],
)
def test_counts_are_read_by_domain_and_what_is_none_is_left_out(said, counts):
    assert parse_counts(said, "in0") == counts


@pytest.mark.parametrize(
    ("configuration", "name"),
    [
        ("in0 :: FromDevice(0) -> ToDevice(1);", "in0"),
        ("b::FromDevice( 1 )->ToDevice(0); a ::\n FromDevice(DEVID 0, BURST 8) -> c :: ToDevice(1);", "a"),
        ("FromDevice(0) -> ToDevice(1); FromDevice(1) -> ToDevice(0);", None),
        ("// in0 :: FromDevice(0)\nFromDevice(0) -> ToDevice(1);", None),
        ("/* in0 :: FromDevice(0);\n */ x :: FromDevice(10) -> ToDevice(1);", None),
        ("in0 :: ToDevice(0);", None),
    ],
)
def test_source_at_the_ingress_is_known_by_its_name_alone(configuration, name):
    assert ingress_element(configuration) == name


def test_source_of_our_own_configuration_has_a_name():
    assert ingress_element((PROJECT / "config/click/forward.click").read_text()) == "in0"


@given(st.text(st.characters(max_codepoint=127), max_size=5000))
def test_parts_of_a_configuration_are_small_and_together_all_of_it(text):
    parts = chunks(text)
    assert "".join(parts) == text
    assert all(len(part) <= CHUNK_BYTES for part in parts)


@pytest.mark.parametrize(
    ("text", "complaint"), [("// caf\u00e9", "plain ASCII"), (" \n", "plain ASCII"), (None, "click: ")]
)
def test_configuration_that_cannot_be_is_refused_when_the_config_is_read(tmp_path, text, complaint):
    path = tmp_path / "x.click"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(ValidationError, match=complaint):
        ClickosOptions(kind="clickos", kernel="/k", click=path)


def test_text_in_the_config_goes_before_that_of_the_file(tmp_path):
    options = ClickosOptions(kind="clickos", kernel="/k", click=tmp_path / "none", configuration="a :: FromDevice(0);")
    assert options.configuration == "a :: FromDevice(0);"
