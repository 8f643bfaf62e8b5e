"""A switch, middleboxes and a generator in memory, around one network that passes frames by counting them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from threading import Event

from middlebench.middleboxes.base import Start, Watch
from middlebench.model.live import LiveBridge, LiveSwitch, PortState
from middlebench.model.plan import Plan
from middlebench.model.reading import (
    BridgeCounters,
    MiddleboxReading,
    PortCounters,
    ProcessTimes,
    SwitchReading,
)
from middlebench.model.record import Sample
from middlebench.model.traffic import Load, Probe, Traffic
from middlebench.model.usage import ProcessorUsage
from middlebench.switches.base import NO_SOCKETS
from middlebench.system.errors import GeneratorError, MiddleboxError, SwitchError

from memory.sites import SERVER_PORTS

SAMPLES = 10
"""Steps of a window, between which a hook may change the network."""
NOTHING = PortCounters(0, 0, 0, 0)


@dataclass
class Network:
    """What is live, what it has counted, and how it misbehaves."""

    running: bool = False
    """Whether the switch runs."""
    bridges: dict[str, dict[tuple[str, str], int]] = field(default_factory=dict)
    """By name, the frames that each flow has matched."""
    on_bridges: dict[str, set[str]] = field(default_factory=dict)
    foreign: dict[str, tuple[str, ...]] = field(default_factory=dict)
    ports: dict[str, PortCounters] = field(default_factory=lambda: dict.fromkeys(SERVER_PORTS, NOTHING))
    states: dict[str, PortState] = field(default_factory=dict)
    middleboxes: dict[str, tuple[str, str]] = field(default_factory=dict)
    """The two ports of each."""
    identities: dict[str, str] = field(default_factory=dict)
    generation: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    moment_s: float = 0.0
    calls: list[str] = field(default_factory=list)
    """What was asked of the drivers, in order."""

    loss: dict[str, float] = field(default_factory=dict)
    """Share of the frames that a bridge or a middlebox drops, by name."""
    capacity_pps: float = float("inf")
    """What the first bridge carries, in packets/s."""
    broken: dict[str, str] = field(default_factory=dict)
    """Steps that fail, and with which words: create_bridges, create, connect, wait_until_ready, read, run."""
    crashes: list[str] = field(default_factory=list)
    """Steps in which the switch's daemon ends or hangs, once for each time that they are named."""
    in_traffic: Callable[[int], None] = lambda step: None
    """Called at each step of a window, from 0."""
    after_traffic: Callable[[], None] = lambda: None
    unexpected: int = 0
    """Frames of somebody else that the receiver gets."""
    late: int = 0
    """Frames that are still on the last link when the drain ends."""

    def fail(self, step: str, error: type[Exception]) -> None:
        """Note a step; raise where it is broken."""
        self.calls.append(step)
        if step in self.crashes:
            self.crashes.remove(step)
            self.running = False
            raise error(f"{step} in memory", "the daemon does not answer")
        if step in self.broken:
            raise error(f"{step} in memory", self.broken[step])

    def count(self, port: str, counter: str, frames: int) -> None:
        known = self.ports[port]
        self.ports[port] = replace(known, **{counter: getattr(known, counter) + frames})

    def pass_frames(self, frames: int) -> int:
        """Let frames in at the first uplink; return how many leave by the second."""
        port = SERVER_PORTS[0]
        while self.up(port):
            self.count(port, "rx_packets", frames)
            bridge = next((name for name, ports in self.on_bridges.items() if port in ports), None)
            flow = next((each for each in self.bridges.get(bridge or "", {}) if each[0] == port), None)
            if bridge is None or flow is None:
                return 0
            frames = self.kept(bridge, frames)
            self.bridges[bridge][flow] += frames
            port = flow[1]
            if not self.up(port):
                return 0
            self.count(port, "tx_packets", frames)
            if port == SERVER_PORTS[1]:
                return frames
            name = next((name for name, ports in self.middleboxes.items() if ports[0] == port), None)
            if name is None:
                return 0
            frames = self.kept(name, frames)
            port = self.middleboxes[name][1]
        return 0

    def up(self, port: str) -> bool:
        """Whether a port is there and set up."""
        return port in self.ports and self.states.get(port, PortState(up=True, mtu=1500)).up

    def kept(self, name: str, frames: int) -> int:
        return round(frames * (1 - self.loss.get(name, 0.0)))


class MemorySwitch:
    """The switch driver; see :class:`middlebench.switches.base.Switch`."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._identity = self._composition = ""

    def start(self) -> None:
        self._network.running = True

    def answers(self) -> bool:
        self._network.calls.append("answers")
        return self._network.running

    def create_bridges(self, plan: Plan) -> None:
        network = self._network
        network.fail("create_bridges", SwitchError)
        network.bridges = {bridge.name: {} for bridge in plan.bridges}
        network.on_bridges = {bridge.name: set() for bridge in plan.bridges}
        self._identity = f"deployment {next(network.generation)}"
        self._composition = plan.composition

    def connect(self, plan: Plan, sockets: Mapping[str, str] = NO_SOCKETS) -> None:
        del sockets  # all ports are network interfaces
        network = self._network
        network.fail("connect", SwitchError)
        for bridge in plan.bridges:
            network.on_bridges[bridge.name] = set(bridge.ports)
            network.bridges[bridge.name] = dict.fromkeys(plan.routes[bridge.name], 0)

    def live(self) -> LiveSwitch:
        network = self._network
        if not network.running:
            raise SwitchError("reading the switch in memory", "it does not run")
        bridges = {
            name: LiveBridge(frozenset(network.on_bridges[name]), frozenset(flows), network.foreign.get(name, ()))
            for name, flows in network.bridges.items()
        }
        ports = {port for each in network.on_bridges.values() for port in each}
        states = {port: network.states.get(port, PortState(up=True, mtu=1500)) for port in ports}
        return LiveSwitch(bridges, self._identity, states, self._composition)

    def counters(self) -> dict[str, PortCounters]:
        return dict(self._network.ports)

    def read(self) -> SwitchReading:
        network = self._network
        network.fail("read", SwitchError)
        processors = {1: ProcessorUsage(cpu=1, busy_s=network.moment_s / 2, softirq_s=0, stolen_s=0, idle_s=0)}
        return SwitchReading(
            live=self.live(),
            ports=dict(network.ports),
            bridges={
                name: BridgeCounters(
                    flows={"->".join(flow): packets for flow, packets in flows.items()},
                    forwarding={flow: "->".join(flow) for flow in flows},
                )
                for name, flows in network.bridges.items()
            },
            processors=(processors, processors),
            machine="memory",
            daemon=ProcessTimes(network.moment_s / 4, {"1": network.moment_s / 4}, {"1": 1}),
        )

    def tear_down(self) -> None:
        self._network.bridges, self._network.on_bridges, self._network.foreign = {}, {}, {}

    def describe(self) -> str:
        return "a switch in memory"


class MemoryMiddleboxes:
    """The middlebox driver; see :class:`middlebench.middleboxes.base.Middleboxes`."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self.watched = Watch(Event())

    def check(self, plan: Plan) -> None:
        del plan  # these only forward

    def create(self, plan: Plan) -> dict[str, str]:
        network = self._network
        network.fail("create", MiddleboxError)
        for each in plan.middleboxes:
            network.middleboxes[each.name] = (each.ingress_port, each.egress_port)
            network.identities[each.name] = f"middlebox {next(network.generation)}"
            network.ports |= dict.fromkeys(each.ports, NOTHING)
            network.states = {port: state for port, state in network.states.items() if port not in each.ports}
        return {}

    def wait_until_ready(self, plan: Plan) -> list[Start]:
        self._network.fail("wait_until_ready", MiddleboxError)
        return [Start(name=each.name, ready_s=0.1, resident_kib=4096, private_kib=1024) for each in plan.middleboxes]

    def live(self) -> dict[str, str]:
        return dict(self._network.identities)

    def read(self) -> dict[str, MiddleboxReading]:
        return {name: MiddleboxReading(identity) for name, identity in self._network.identities.items()}

    @contextmanager
    def watch(self) -> Iterator[Watch]:
        self.watched = Watch(Event())
        yield self.watched

    def destroy(self) -> None:
        for ports in self._network.middleboxes.values():
            for port in ports:
                self._network.ports.pop(port, None)
        self._network.middleboxes, self._network.identities = {}, {}

    def describe(self) -> str:
        return "middleboxes in memory"


class MemoryGenerator:
    """The generator driver; see :class:`middlebench.generators.base.Generator`."""

    def __init__(self, network: Network, pass_frames: Callable[[int], int] | None = None) -> None:
        self._network = network
        self._pass = pass_frames or network.pass_frames
        self.loads: list[Load] = []
        """Every load that was asked for."""
        self.cancelled: Event | None = None

    def probe(self, frame_bytes: int, count: int, flow: int = 0) -> Probe:
        del frame_bytes, flow
        return Probe(sent=count, returned=self._pass(count), unexpected=self._network.unexpected)

    def run(self, load: Load, cancel: Event | None = None) -> Traffic:
        network = self._network
        network.fail("run", GeneratorError)
        self.loads.append(load)
        warm_up = round(load.packets_per_second * load.warm_up_s)
        total = load.packets or round(load.packets_per_second * load.window_s)
        arrived_before = self._pass_at(warm_up, load)
        sent = received = 0
        samples = [Sample(t_s=0.0, sent_packets=0, received_packets=0)]
        for step in range(SAMPLES):
            network.in_traffic(step)
            if cancel is not None and cancel.is_set():
                raise GeneratorError("running traffic in memory", "it was cancelled")
            frames = total * (step + 1) // SAMPLES - sent
            sent += frames
            received += self._pass_at(frames, load)
            samples.append(
                Sample(t_s=load.window_s * (step + 1) / SAMPLES, sent_packets=sent, received_packets=received)
            )
        network.after_traffic()
        network.moment_s += load.warm_up_s + load.window_s
        return Traffic(
            window_s=load.window_s,
            offered_packets=sent,
            received_packets=received,
            offered_bytes=load.bytes_of(sent),
            received_bytes=load.bytes_of(received),
            trial_sent_packets=warm_up + sent,
            trial_received_packets=arrived_before + received - network.late,
            unexpected_packets=network.unexpected,
            traffic_s=load.warm_up_s + load.window_s,
            processors=(),
            machine="another",
            usage=None,
            samples=tuple(samples),
            raw="in memory\n",
        )

    def _pass_at(self, frames: int, load: Load) -> int:
        """Pass frames at the rate of a load: above its capacity the first bridge drops the rest."""
        network = self._network
        first = next(iter(network.bridges), "")
        before = network.loss.get(first, 0.0)
        over = max(0.0, 1 - network.capacity_pps / load.packets_per_second)
        network.loss = {**network.loss, first: max(before, over)}
        arrived = self._pass(frames)
        network.loss = {**network.loss, first: before}
        return arrived

    def describe(self) -> str:
        return "a generator in memory"
