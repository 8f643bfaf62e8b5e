"""Functions without a middlebox: how they are asked for, described, and judged by what comes back."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from middlebench.config.functions import functions_of, load_functions
from middlebench.middleboxes import netns, qemu
from middlebench.model.frames import udp_frame
from middlebench.model.functions.function import Function, forward
from middlebench.model.functions.lists import address, filter_rules, search_patterns
from middlebench.model.functions.probes import Judge, negative_probes
from middlebench.model.functions.specification import Specification, specifications
from middlebench.model.packets import checksum_faults, packet_of
from middlebench.model.topologies import plan_of
from middlebench.system.errors import ConfigError
from oracle import Seen

KNOWN = load_functions()
PROBE = udp_frame(60, b"probe")


def functions(text: str, length: int = 1) -> tuple[Function, ...]:
    return functions_of(text, length, KNOWN)


class TestAsking:
    def test_names_and_parameters_are_read(self):
        assert specifications("filter-rules=64+nat") == (
            Specification("filter", (("rules", 64),)),
            Specification("nat"),
        )

    @given(
        st.lists(
            st.builds(
                Specification,
                st.from_regex("[a-z][a-z0-9_]{0,9}", fullmatch=True),
                st.lists(
                    st.tuples(st.from_regex("[a-z][a-z0-9_]{0,9}", fullmatch=True), st.integers(0, 10**6)), max_size=3
                ).map(tuple),
            ),
            min_size=1,
            max_size=4,
        )
    )
    def test_what_is_written_is_read_again(self, wanted):
        assert specifications("+".join(map(str, wanted))) == tuple(wanted)

    @pytest.mark.parametrize("text", ["", "+", "nat+", "Nat", "filter-rules", "filter-rules=", "a/b", "filter rules=1"])
    def test_what_cannot_be_read_is_refused(self, text):
        with pytest.raises(ValueError, match="is no function"):
            specifications(text)

    def test_a_list_is_cycled_along_the_chain(self):
        assert [each.name for each in functions("forward+nat", 5)] == ["forward", "nat", "forward", "nat", "forward"]

    def test_unknown_function_is_named_with_the_known_ones(self):
        with pytest.raises(ConfigError, match=r"no function 'filtr', only balance, .*filter"):
            functions("filtr")

    def test_unknown_parameter_is_named_with_the_known_ones(self):
        with pytest.raises(ConfigError, match="function filter has no parameter 'rule'; it has rules"):
            functions("filter-rule=3")

    @pytest.mark.parametrize(
        "text", ["filter-rules=4", "filter-rules=1025", "inspect-patterns=0", "inspect-patterns=257"]
    )
    def test_parameter_beyond_its_limits_is_refused(self, text):
        with pytest.raises(ConfigError, match=r"\d+ to \d+"):
            functions(text)


class TestDescriptions:
    def test_the_unikernel_has_all_of_them(self):
        assert all(qemu.Options(driver="qemu").offers(functions(name)[0]) for name in KNOWN)

    def test_a_namespace_has_all_but_the_search_of_payloads(self):
        offered = {name for name in KNOWN if netns.Options(driver="netns").offers(functions(name)[0])}
        assert offered == KNOWN.keys() - {"inspect"}

    def test_a_kernel_of_the_users_own_only_forwards(self):
        own = qemu.Options.model_validate({"driver": "qemu", "image": {"kernel": "/boot/mine"}})
        assert [name for name in KNOWN if own.offers(functions(name)[0])] == ["forward"]

    @pytest.mark.parametrize("name", KNOWN)
    def test_each_middlebox_of_a_long_chain_has_its_own_names_within_limits(self, name):
        plan = plan_of("chain", 200, ("a", "b"), functions(name, 200))
        assert len({middlebox.name for middlebox in plan.middleboxes}) == 200
        assert all(middlebox.function.hop == middlebox.index for middlebox in plan.middleboxes)

    def test_forwarding_leaves_names_as_short_as_they_were(self):
        assert [each.name for each in plan_of("chain", 2, ("a", "b")).middleboxes] == ["mbench-1", "mbench-2"]
        assert plan_of("chain", 2, ("a", "b"), functions("forward", 2)).middleboxes[0].name == "mbench-1"

    def test_other_parameters_make_another_name(self):
        assert functions("filter-rules=5")[0].suffix != functions("filter-rules=6")[0].suffix

    def test_pools_of_two_hops_are_disjoint(self):
        first, second = functions("nat", 2)
        assert first.changes["source_address"] != second.changes["source_address"]

    @pytest.mark.parametrize("count", [5, 6, 16, 1024])
    def test_filter_has_as_many_rules_as_asked_for(self, count):
        rules = filter_rules(count)
        assert len({rule.unikernel() for rule in rules}) == count
        assert [rule.accepts for rule in rules] == [False] * (count - 1) + [True]

    def test_patterns_are_all_different(self):
        assert len(set(search_patterns(256))) == 256

    def test_command_line_of_the_largest_ones_fits_one_argument(self):
        limit = 128 * 1024  # MAX_ARG_STRLEN
        assert max(len(functions(text)[0].unikernel) for text in ("filter-rules=1024", "inspect-patterns=256")) < limit


ADDRESS = st.integers(1, 2**32 - 1)
PORT = st.integers(0, 65535)


class TestPackets:
    @given(st.integers(42, 200), ADDRESS, ADDRESS, PORT, PORT, st.binary(max_size=20))
    def test_changed_frame_has_the_checksums_that_dpkt_computes(self, size, source, destination, sport, dport, data):
        changed = packet_of(udp_frame(size)).changed(
            source_address=source, destination_address=destination, source_port=sport, destination_port=dport
        )
        changed = changed.changed(payload=data[: size - 42])
        seen = Seen(changed.frame())
        assert seen.raw == seen.rewritten()
        assert checksum_faults(seen.raw) == []
        assert packet_of(seen.raw) == changed

    @pytest.mark.parametrize(("place", "fault"), [(24, "IPv4 header"), (40, "UDP")])
    def test_wrong_checksum_is_named(self, place, fault):
        frame = bytearray(PROBE)
        frame[place] ^= 0x55
        assert len(checksum_faults(bytes(frame))) == 1
        assert fault in checksum_faults(bytes(frame))[0]

    def test_frame_of_another_kind_has_no_fields(self):
        assert packet_of(PROBE[:12] + b"\x08\x06" + PROBE[14:]) is None
        assert packet_of(b"") is None


def translated(frame: bytes, pool: str, port: int) -> bytes:
    return packet_of(frame).changed(source_address=pool, source_port=port).frame()


class TestJudge:
    def test_unchanged_frame_is_right_where_nothing_changes_it(self):
        judge = Judge(functions("forward+monitor+filter+inspect", 4))
        assert judge.problem(PROBE, PROBE) == ""
        assert "byte 50" in judge.problem(PROBE, PROBE[:50] + b"\xff" + PROBE[51:])
        assert "59 B, not 60" in judge.problem(PROBE, PROBE[:59])

    def test_translation_is_right_within_the_pool(self):
        assert Judge(functions("nat")).problem(PROBE, translated(PROBE, "198.18.128.1", 1024)) == ""

    @pytest.mark.parametrize(
        ("change", "complaint"),
        [
            ({"source_address": "198.18.128.2"}, "its source address is 198.18.128.2"),
            ({"source_port": 80}, "its source port is 80, not 1024 to 65535"),
            ({"destination_address": "198.19.0.2"}, "byte"),
            ({"destination_port": 10}, "byte"),
            ({"payload": "x"}, "byte"),
        ],
    )
    def test_wrong_translation_is_named(self, change, complaint):
        came = packet_of(translated(PROBE, "198.18.128.1", 1024)).changed(**change).frame()
        assert complaint in Judge(functions("nat")).problem(PROBE, came)

    def test_translation_that_forgets_a_checksum_is_named(self):
        right = translated(PROBE, "198.18.128.1", 1024)
        assert Judge(functions("nat")).problem(PROBE, right[:40] + PROBE[40:42] + right[42:]) == (
            "its UDP checksum is wrong"
        )

    def test_flow_that_is_changed_in_two_ways_is_split(self):
        judge = Judge(functions("nat"))
        assert judge.problem(PROBE, translated(PROBE, "198.18.128.1", 1024)) == ""
        assert "split" in judge.problem(PROBE, translated(PROBE, "198.18.128.1", 1025))

    def test_two_flows_that_look_alike_afterwards_are_mixed(self):
        judge = Judge(functions("nat"))
        other = packet_of(PROBE).changed(source_port=77).frame()
        assert judge.problem(PROBE, translated(PROBE, "198.18.128.1", 1024)) == ""
        assert "mixed" in judge.problem(other, translated(other, "198.18.128.1", 1024))

    def test_balancer_may_send_two_flows_to_one_backend(self):
        judge = Judge(functions("balance"))
        backend = address("198.19.128.0", 17)
        for port in (9, 10):
            sent = packet_of(PROBE).changed(source_port=port)
            assert judge.problem(sent.frame(), sent.changed(destination_address=backend).frame()) == ""

    def test_of_two_translations_the_last_one_shows(self):
        judge = Judge(functions("nat", 2))
        assert judge.problem(PROBE, translated(PROBE, "198.18.128.2", 1024)) == ""
        assert "198.18.128.1" in judge.problem(PROBE, translated(PROBE, "198.18.128.1", 1024))


class TestNegativeProbes:
    def test_functions_that_pass_everything_have_none(self):
        assert negative_probes(functions("forward+monitor", 2), PROBE) == []

    @pytest.mark.parametrize("name", ["filter", "nat", "balance", "inspect"])
    def test_each_differs_from_the_probe(self, name):
        found = negative_probes(functions(name), PROBE)
        assert found
        assert all(each.frame != PROBE and each.hop == 1 and checksum_faults(each.frame) == [] for each in found)

    def test_each_is_for_the_first_that_must_stop_it(self):
        hops = [each.hop for each in negative_probes(functions("forward+filter+filter", 3), PROBE)]
        assert set(hops) == {2}

    def test_what_an_earlier_one_rewrites_is_not_asked_of_a_later_one(self):
        found = negative_probes(functions("nat+filter", 2), PROBE)
        assert not [each for each in found if each.hop == 2 and "source address" in each.why]
        assert [each for each in found if each.hop == 2 and "destination port" in each.why]

    def test_frame_without_fields_has_none(self):
        assert negative_probes(functions("filter"), b"\xff" * 60) == []


def test_forward_is_what_the_file_describes():
    described = dataclasses.replace(functions("forward")[0], click=None)
    assert described == forward(1)
