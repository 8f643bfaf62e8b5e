"""What ``xl`` prints, understood."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from middlebench.middleboxes.xen.xl import NAMELESS, Domain, crash_report, explain, parse_list, parse_version

HEADING = "Name                                        ID   Mem VCPUs\tState\tTime(s)"
HEADING_V = f"{HEADING}   UUID                            Reason-Code\tSecurity Label"
SEEN = f"""{HEADING_V}
Domain-0              0  1024     1     r-----      48.0 00000000-0000-0000-0000-000000000000        -                -
mbench-1              1   100     1     ------       0.1 a4e33e3e-691b-4fff-9815-683baef57843        -                -
mbench-2              2   100     1     ---sc-       1.9 a4e33e3e-691b-4fff-9815-683baef57844        3                -
(null)                3     0     1     --p--d       4.2 a4e33e3e-691b-4fff-9815-683baef57845        -                -
"""
states = st.tuples(*(st.sampled_from([letter, "-"]) for letter in "rbpscd")).map("".join)
domains = st.builds(
    Domain,
    name=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=60),
    id=st.integers(0, 32752),
    memory_mib=st.integers(0, 10**6),
    vcpus=st.integers(0, 512),
    state=states,
    cpu_s=st.integers(0, 10**8).map(lambda tenths: tenths / 10),
    uuid=st.just("") | st.uuids().map(str),
)


def row(domain: Domain) -> str:
    """A domain as libxl's list prints it (tools/xl/xl_list.c)."""
    start = f"{domain.name:<40} {domain.id:5d} {domain.memory_mib:5d} {domain.vcpus:5d}     "
    return f"{start}{domain.state}  {domain.cpu_s:8.1f}" + (
        f" {domain.uuid}        -                -" if domain.uuid else ""
    )


def test_the_list_of_a_real_server_is_read():
    dom0, first, crashed, dying = parse_list(SEEN)
    assert (dom0.name, dom0.id, dom0.memory_mib, dom0.state) == ("Domain-0", 0, 1024, "r-----")
    assert first == Domain("mbench-1", 1, 100, 1, "------", 0.1, "a4e33e3e-691b-4fff-9815-683baef57843")
    assert crashed.crashed
    assert crashed.ended
    assert not crashed.dying
    assert dying.name == NAMELESS
    assert dying.dying
    assert dying.ended
    assert not dom0.ended


@given(st.lists(domains, max_size=30))
def test_every_list_is_read_as_it_was_written(wanted):
    assert parse_list("\n".join([HEADING_V, *map(row, wanted)]) + "\n") == wanted


@given(st.text(max_size=200))
def test_any_other_text_is_refused_or_read_but_never_half_read(text):
    try:
        found = parse_list(text)
    except ValueError:
        return
    assert len(found) == len(text.splitlines()) - 1


def test_an_unknown_row_is_refused_with_its_text():
    with pytest.raises(ValueError, match="what is this"):
        parse_list(f"{HEADING}\nwhat is this\n")


@pytest.mark.parametrize(
    ("said", "happened"),
    [
        ("ERROR:  Can't find hypervisor information in sysfs!", "does not run under Xen"),
        (
            "libxl: error: libxl_exec.c:117:libxl_report_child_exitstatus: /etc/xen/scripts/vif-openvswitch online "
            "[4294967295] exited with error status 1\nlibxl: error: unable to add nic devices",
            "could not be plugged in",
        ),
        (
            "libxl: error: async_exec_timeout: killing execution of /etc/xen/scripts/vif-openvswitch online because of "
            "timeout\nlibxl: error: libxl_create.c:1921:domcreate_attach_devices: Domain 1:unable to add vif devices",
            "took longer than the 40 s",
        ),
        ("failed to free memory for the domain", "no memory left"),
        (
            "xc: error: panic: xg_dom_core.c:536: xc_dom_chk_alloc_pages: segment kernel too large: Out of memory\n"
            "libxl: error: libxl__build_dom: xc_dom_build_image failed: No such file or directory",
            "does not fit into its memory",
        ),
        ("mbench-1 is an invalid domain identifier (rc=-6)", "it is gone"),
        ('libxl: error: Domain with name "mbench-1" already exists.', "a domain of this name exists"),
        ("xl: No space left on device", "disk is full"),
        ("anything else", "xl failed"),
    ],
)
def test_every_known_failure_has_its_own_explanation(said, happened):
    meaning, advice = explain(said)
    assert happened in meaning
    assert advice


CRASH = """(XEN) d6v0 Unhandled invalid opcode fault/trap [#6, ec=ffffffff]
(XEN) Domain 6 (vcpu#0) crashed on cpu#0:
(XEN) RIP:    e033:[<0000000000000666>]
(XEN) Guest stack trace from rsp=000000000000ff00:
(XEN)    0000000000000000 0000000000000000 0000000000000000 0000000000000000
(XEN) d7v0 Unhandled page fault fault/trap [#14, ec=0002]
(XEN) domain_crash_sync called from entry.S: fault at ffff82d040315a3c
(XEN) Domain 7 (vcpu#0) crashed on cpu#1:
(XEN) ----[ Xen-4.17.7  x86_64  debug=n  Not tainted ]----
(XEN) CPU:    1
(XEN) RIP:    e033:[<000000000000b0b0>]
(XEN) RFLAGS: 0000000000000246   EM: 0   CONTEXT: pv guest (d7v0)
(XEN) rax: 0000000000000001   rbx: 0000000000000000   rcx: 0000000000000000
(XEN) Guest stack trace from rsp=00000000000fffd8:
"""
ZEROS = 64 * "(XEN)    0000000000000000 0000000000000000 0000000000000000 0000000000000000\n"


def test_report_of_a_crash_has_the_cause_and_the_first_registers_but_no_stack():
    report = crash_report(CRASH + ZEROS, 7).splitlines()
    assert "d7v0 Unhandled page fault fault/trap [#14, ec=0002]" in report
    assert "Domain 7 (vcpu#0) crashed on cpu#1:" in report
    assert "RIP:    e033:[<000000000000b0b0>]" in report
    assert "rax: 0000000000000001   rbx: 0000000000000000   rcx: 0000000000000000" in report
    assert not any(
        "stack trace from rsp=00000000000fffd8" in line or "   0000000000000000 0000" in line for line in report
    )
    assert len(report) <= 12


def test_report_of_a_crash_is_that_of_the_domain_that_is_asked_for():
    report = crash_report(CRASH + ZEROS, 6)
    assert "invalid opcode" in report
    assert "page fault" not in report
    assert crash_report(CRASH + ZEROS, 1) == ""


def test_domain_that_is_only_mentioned_is_told_by_these_lines():
    assert crash_report("(XEN) d1v0 Triple fault\n(XEN) d12v0 other\n" + ZEROS, 1) == "d1v0 Triple fault"


@given(st.text(), st.integers(0, 9))
def test_any_log_is_read_to_its_end(log, domain):
    assert isinstance(crash_report(log, domain), str)


@pytest.mark.parametrize("version", ["4.17.7", "4.4.1", "4.19.0-rc1"])
def test_version_of_xen_is_read(version):
    assert parse_version(f"{version}\n") == version


@pytest.mark.parametrize("text", ["", "4", "xl: command not found", "4.17.7\n4.17.8"])
def test_text_that_is_no_version_is_refused(text):
    with pytest.raises(ValueError, match="not a version"):
        parse_version(text)
