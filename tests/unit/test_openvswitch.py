import pytest
from hypothesis import given
from hypothesis import strategies as st
from middlebench.model.reading import PortCounters
from middlebench.model.sharing import UdpPorts
from middlebench.switches.shared.readings import (
    bridge_counters,
    live_bridge,
    parse_datapath_ports,
    parse_ports,
    with_queues,
)

PORTS = [
    {"name": "eth0", "ofport": 1, "error": [], "type": ""},
    {"name": "mbench-1-in", "ofport": 2, "error": [], "type": ""},
]
COUNTS = st.integers(min_value=0, max_value=10**15)


def flow(match: str, *, seconds: int = 3, packets: int = 0, size: int = 0) -> str:
    return f"duration={seconds}s, n_packets={packets}, n_bytes={size}, {match}\n"


HIDDEN = "table_id=254, " + flow("priority=2,recirc_id=0,actions=drop")
FORWARD, BACKWARD = "in_port=1,actions=output:2", "in_port=2,actions=output:1"


def described(flows: str, interfaces=PORTS) -> dict:
    return {"name": "mbench-br0", "interfaces": interfaces, "flows": flows}


def test_bridge_of_ours_is_read_without_anything_foreign():
    bridge = live_bridge(described(flow(FORWARD) + flow(BACKWARD) + HIDDEN))
    assert bridge.ports == {"eth0", "mbench-1-in"}
    assert bridge.flows == {("eth0", "mbench-1-in"), ("mbench-1-in", "eth0")}
    assert bridge.foreign == ()


def test_bridge_without_flows_has_none():
    assert live_bridge(described(HIDDEN)).flows == set()


@pytest.mark.parametrize(
    "match",
    [
        "priority=100,in_port=1,actions=output:2",
        "in_port=1,actions=drop",
        "in_port=1,actions=output:2,output:1",
        "in_port=1,dl_type=0x0800,actions=output:2",
        "in_port=LOCAL,actions=output:2",
        "actions=NORMAL",
        "in_port=1,actions=output:9",
        "in_port=9,actions=output:2",
        "in_port=1,actions=set_field:02:00:00:00:00:00->eth_dst,output:2",
        "some line of a version to come",
    ],
)
def test_flow_that_is_not_ours_is_seen(match):
    bridge = live_bridge(described(flow(FORWARD) + flow(match) + HIDDEN))
    assert bridge.flows == {("eth0", "mbench-1-in")}
    assert len(bridge.foreign) == 1
    assert match in bridge.foreign[0]


def test_flow_with_a_timeout_is_not_ours():
    line = "duration=3s, n_packets=0, n_bytes=0, idle_timeout=60, in_port=1,actions=output:2\n"
    assert live_bridge(described(line)).flows == set()
    assert len(live_bridge(described(line)).foreign) == 1


def test_line_of_an_unknown_form_is_never_passed_over():
    assert len(live_bridge(described("NXST_FLOW reply (xid=0x4):\n")).foreign) == 1


def test_broken_port_is_foreign_and_its_flows_do_not_count():
    broken = [
        PORTS[0],
        PORTS[1] | {"error": "could not open network device mbench-1-in (No such device)", "ofport": -1},
    ]
    bridge = live_bridge(described(flow(FORWARD) + flow(BACKWARD), broken))
    assert bridge.ports == {"eth0"}
    assert bridge.flows == set()
    assert any("mbench-1-in" in text and "No such device" in text for text in bridge.foreign)


@given(seconds=COUNTS, packets=COUNTS, size=COUNTS)
@pytest.mark.parametrize("match", [FORWARD, "priority=7,in_port=1,actions=drop"])
def test_counters_do_not_change_what_a_bridge_is(match, seconds, packets, size):
    counted = live_bridge(described(flow(match, seconds=seconds, packets=packets, size=size)))
    assert counted == live_bridge(described(flow(match)))


def test_order_of_foreign_flows_does_not_change_what_a_bridge_is():
    one, two = flow("in_port=1,actions=drop"), flow("in_port=2,actions=drop")
    assert live_bridge(described(one + two)) == live_bridge(described(two + one))


@given(forth=COUNTS, back=COUNTS, missed=COUNTS)
def test_flows_are_counted_by_what_they_match_and_those_of_the_daemon_with_them(forth, back, missed):
    text = (
        flow(FORWARD, packets=forth)
        + flow(BACKWARD, packets=back)
        + HIDDEN.replace("n_packets=0", f"n_packets={missed}")
    )
    counters = bridge_counters(described(text))
    assert counters.flows == {
        "eth0 to mbench-1-in": forth,
        "mbench-1-in to eth0": back,
        "table_id=254, priority=2,recirc_id=0,actions=drop": missed,
    }
    assert counters.forwarding == {
        ("eth0", "mbench-1-in"): "eth0 to mbench-1-in",
        ("mbench-1-in", "eth0"): "mbench-1-in to eth0",
    }


@given(one=COUNTS, two=COUNTS)
def test_flows_of_some_udp_ports_are_told_apart_and_counted_together(one, two):
    shares = [f"udp,in_port=1,tp_src={value}/0x3f,actions=output:2" for value in ("0x9", "0xb")]
    bridge = described("".join(flow(each, packets=count) for each, count in zip(shares, (one, two), strict=True)))
    assert live_bridge(bridge).flows == {
        ("eth0", "mbench-1-in", UdpPorts("source", value, 0x3F)) for value in (0x9, 0xB)
    }
    assert bridge_counters(bridge).flows == {"eth0 to mbench-1-in": one + two}


PROC_NET_DEV = """\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes  packets errs drop fifo colls carrier compressed
    lo:       0       0    0    0    0     0          0         0      0       0    0    0    0     0       0          0
mbench-1-in: 60 1 2 3 4 5 6 7 80 9 10 11 12 13 14 15
"""


def test_port_counters_are_the_kernels_own():
    ports = parse_ports(PROC_NET_DEV)
    assert ports.keys() == {"lo", "mbench-1-in"}
    assert ports["mbench-1-in"] == PortCounters(rx_packets=1, tx_packets=9, rx_dropped=3, tx_dropped=11)


def test_table_of_ports_in_another_shape_is_refused():
    with pytest.raises(ValueError, match="eth0: 1 2 3"):
        parse_ports("a\nb\neth0: 1 2 3\n")


@pytest.mark.parametrize(("kind", "dropped"), [("fq_codel", 107), ("mq", 107), ("tbf", 7), ("htb", 7), ("noqueue", 7)])
def test_what_a_ports_queue_dropped_is_the_ports_loss_unless_it_is_a_shaper(kind, dropped):
    ports = {"mbench-1-in": PortCounters(1, 2, 3, 7), "eth0": PortCounters(4, 5, 6, 8)}
    found = with_queues(ports, {"mbench-1-in": (kind, 100), "gone": ("fq_codel", 1)})
    assert found == {"mbench-1-in": PortCounters(1, 2, 3, dropped), "eth0": ports["eth0"]}


DATAPATH = """netdev@ovs-netdev:
  lookups: hit:0 missed:3 lost:0
  port 1: mbench-br0 (tap)
    RX packets:7 errors:0 dropped:0 overruns:0 frame:0
    TX packets:7 errors:0 dropped:0 aborted:0 carrier:0
  port 4: eth0 (afxdp: n_rxq=1, use-need-wakeup=true, xdp-mode=native, xdp-mode-in-use=native)
    RX packets:1 errors:? dropped:? overruns:? frame:?
    TX packets:0 errors:? dropped:? aborted:? carrier:?
  port 5: mbench-1-in (dpdkvhostuserclient: configured_rx_queues=1, configured_tx_queues=1, mtu=1500)
    RX packets:3 errors:? dropped:2 overruns:? frame:?
    TX packets:41 errors:? dropped:5 aborted:? carrier:?
    collisions:?
    RX bytes:180  TX bytes:2460
"""


def test_daemon_counts_for_the_ports_that_are_no_devices():
    assert parse_datapath_ports(DATAPATH) == {"mbench-1-in": PortCounters(3, 41, 2, 5)}
