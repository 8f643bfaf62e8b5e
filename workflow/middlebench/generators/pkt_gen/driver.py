"""pkt-gen (netmap) makes and counts the frames, as in the paper.

Two of it run on the test computer, the receiver from before the sender starts until after it has
ended. It has no duration: SIGINT ends it, unless it was given a number of frames to send. Each prints a
line per interval; both sides' lines are cut to the common window, and its totals are those of the whole
trial. While it runs the ports are in netmap mode: the kernel sees none of the frames, so probes are
sent before.

At a given rate it sends nothing before the next whole second but one after it says that it is ready, so
a trial begins with the first interval in which it counted something. It would send bursts of up to a
300th of a second; ours are shorter. Where its version can, it opens each port exclusively.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from threading import Event
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from middlebench.diagnosis.usage import parse_processors, processors_between, started_process
from middlebench.generators.base import OVERTIME, Generator, GeneratorOptions
from middlebench.generators.pkt_gen import agent
from middlebench.generators.pkt_gen.output import Report, complaint, cut, read_report, without_usage
from middlebench.generators.shared import agents
from middlebench.hosts.base import Host, Ports
from middlebench.hosts.shared import devices_agent
from middlebench.hosts.shared.agents import agent_text
from middlebench.model.frames import FCS_BYTES, RECEIVER_IP, RECEIVER_MAC, SENDER_IP, SENDER_MAC, UDP_PORT
from middlebench.model.record import Sample
from middlebench.model.traffic import Load, Traffic
from middlebench.system.command_result import CommandResult
from middlebench.system.deadline import Deadline
from middlebench.system.errors import GeneratorError

AGENT = agent_text(devices_agent, agent)
LONGEST_INTERVAL_MS = 500
SHORTEST_INTERVAL_MS = 20
"""pkt-gen passes over intervals below 10 ms."""
EXACT_PACKETS = 900_000
"""From a million packets an interval on pkt-gen writes thousands only."""
READY_SECONDS = 15.0
"""How long pkt-gen may take to start, beyond the wait for the link."""
LINK_SECONDS = 30.0
"""How long a link may be down after entering or leaving netmap mode."""
START_SECONDS = 5.0
"""How long after `Ready...` it may take until a first frame has left: two seconds by design, the rest for slow ones."""
BURST_SECONDS, BURST_PACKETS = 0.001, 32
"""How much leaves at once at a given rate: so many seconds' share of it, and no more than so many frames (an eighth of
one ring of virtio or Xen). Left alone, pkt-gen sends up to 512 frames at once."""
BOUNDED_INTERVAL_MS = 100
"""Of a given number of frames no samples are taken, but it must be known when they began to leave."""
QUIET_SECONDS = 0.5
"""The chain is drained when the receiver has counted nothing for this long, and in two whole intervals."""
DRAIN_SECONDS = 10.0
"""How long that may take to come."""
END_SECONDS = 10.0
"""How long pkt-gen may take from SIGINT to its end; then it is killed."""
DEVICE = "/dev/netmap"
PORT_SUFFIXES = ("/x", "")
"""What is put behind a port's name: first to have it exclusively, then for the versions that do not know that."""
ABOVE_LINE_RATE = 1.01
"""pkt-gen may claim to have sent more than a link carries (netmap issues 536 and 935)."""


class Options(GeneratorOptions):
    """The netmap generator."""

    driver: Literal["pkt-gen"]
    """pkt-gen of netmap, as in the paper; the test computer needs netmap's module and the card's netmap driver."""
    program: Annotated[str, Field(pattern=r"^[^\s-][^\s]*$")] = "pkt-gen"
    """The program's name, or its path, on the test computer."""
    link_wait_s: Annotated[int, Field(ge=0, le=120)] = 4
    """Seconds that pkt-gen waits for the link, which entering netmap mode resets."""

    modules: ClassVar = ("netmap",)
    times: ClassVar = False
    mixes: ClassVar = False

    def programs(self) -> tuple[str, ...]:
        """Return what must be installed on the test computer."""
        return ("ip", "tc", "ethtool", self.program)

    def images(self) -> dict[str, str]:
        """Return pkt-gen itself, which does not tell its version."""
        return {"pkt-gen": self.program}

    def build(self, host: Host, ports: Ports) -> Generator:
        """Return the generator on ``host``."""
        return PktGen(self, host, ports)


class PktGen(agents.SingleFrames):
    """The generator driver; see :class:`middlebench.generators.base.Generator`.

    Single frames go by packet sockets, before the ports enter netmap mode.

    Raises:
        GeneratorError: a port has a name that netmap cannot take.
    """

    def __init__(self, options: Options, host: Host, ports: Ports) -> None:
        super().__init__(host, ports)
        self._options = options
        for port in ports:
            if "-" in port:
                raise self._error(
                    f"netmap takes no interface with `-` in its name, such as {port}",
                    "rename it: `ip link set dev OLD name NEW`, and `ports` in the testbed's file",
                )

    def run(self, load: Load, cancel: Event | None = None) -> Traffic:
        """Run one trial and cut what both sides printed to its window."""
        if load.latency:
            raise self._error("it cannot tell how long frames take", "use the generator `trafgen` for `latency: true`")
        if len(load.sizes) > 1:
            raise self._error("it cannot send a mix of frame sizes", f"use the generator `trafgen` for {load.label}")
        interval_s = interval_ms(load) / 1000
        ready_s = self._options.link_wait_s + READY_SECONDS
        silent_s = START_SECONDS + 2 / load.packets_per_second + 5 * interval_s
        answer = agents.ask(
            self._host,
            AGENT,
            {
                "senders": [self._argv(load, "tx", suffix) for suffix in PORT_SUFFIXES],
                "receivers": [self._argv(load, "rx", suffix) for suffix in PORT_SUFFIXES],
                "device": DEVICE,
                "ports": [self._tx_port, self._rx_port],
                "ready_s": ready_s,
                "link_s": LINK_SECONDS,
                "warm_up_s": load.warm_up_s,
                "window_s": load.window_s * (1 if load.packets is None else OVERTIME),
                "bounded": load.packets is not None,
                "lines_s": 2.5 * interval_s,
                "silent_s": silent_s,
                "quiet_intervals": max(2, math.ceil(QUIET_SECONDS / interval_s)),
                "drain_s": DRAIN_SECONDS,
                "interrupt_s": END_SECONDS,
            },
            Deadline(
                load.warm_up_s
                + load.window_s
                + silent_s
                + DRAIN_SECONDS
                + 2 * (ready_s + LINK_SECONDS + END_SECONDS + agents.ANSWER_SECONDS)
            ),
            cancel,
        )
        if "error" in answer:
            raise self._explained(answer)
        return self._traffic(load, answer)

    def describe(self) -> str:
        """Return the name of the program, and netmap's version where the module tells it."""
        script = 'command -v "$1" > /dev/null || exit 1; cat /sys/module/netmap/version 2> /dev/null || true'
        result = self._host.run(["sh", "-c", script, "sh", self._options.program], check=False)
        if result.status != 0:
            raise self._no_program()
        version = result.stdout.strip()
        return f"pkt-gen (netmap {version})" if version else "pkt-gen (netmap)"

    def _argv(self, load: Load, role: Literal["tx", "rx"], suffix: str) -> list[str]:
        """Return one side's command."""
        port = self._tx_port if role == "tx" else self._rx_port
        words = [self._options.program, "-i", f"netmap:{port}{suffix}", "-f", role]
        words += ["-w", str(self._options.link_wait_s), "-T", str(interval_ms(load))]
        if role == "tx":
            words += ["-l", str(load.sizes[0]), "-n", str(load.packets or 0)]
            words += [*addresses(load.flows), "-S", SENDER_MAC, "-D", RECEIVER_MAC]
            if not load.saturating:
                words += ["-R", str(max(1, round(load.packets_per_second))), "-b", str(burst_packets(load))]
        return words

    def _traffic(self, load: Load, answer: dict[str, Any]) -> Traffic:
        sender, receiver = (self._report(answer[side]) for side in ("sender", "receiver"))
        if not answer["drained"]:
            raise self._error(f"frames still arrive {DRAIN_SECONDS:g} s after the sender was stopped")
        begin = float(answer["begin"])
        moments = self._moments(load, sender, receiver, begin, float(answer["stopped"]))
        first, last = moments[0], moments[-1]
        self._check_line_rate(load, first, last)
        early = sum(each.packets for each in receiver.intervals if each.end_s < answer["sending"])
        offered = last.sent_packets - first.sent_packets
        received = last.received_packets - first.received_packets
        return Traffic(
            window_s=last.t_s - first.t_s,
            offered_packets=offered,
            received_packets=received,
            offered_bytes=load.bytes_of(offered),
            received_bytes=load.bytes_of(received),
            trial_sent_packets=sender.packets,
            trial_received_packets=receiver.packets,
            unexpected_packets=early + _unexpected_sizes(load, sender, receiver),
            traffic_s=float(answer["stopped"]) - begin + load.warm_up_s,
            processors=processors_between(*map(parse_processors, answer["processors"])),
            machine=answer["machine"],
            usage=started_process("generator", answer["usage"]),
            samples=tuple(
                Sample(
                    t_s=each.t_s - first.t_s,
                    sent_packets=each.sent_packets - first.sent_packets,
                    received_packets=each.received_packets - first.received_packets,
                )
                for each in moments
            ),
            raw="".join(
                f"== {side}: {name}\n{answer[side][name]}"
                for side in ("sender", "receiver")
                for name in ("stdout", "stderr")
            ),
            claimed=True,
        )

    def _moments(self, load: Load, sender: Report, receiver: Report, begin: float, stopped: float) -> Sequence[Sample]:
        """Return both sides' counts at the moments of the window: of a given number of frames, at both ends of it."""
        if load.packets is not None:
            first = next((each.end_s - each.seconds for each in sender.intervals if each.packets), begin)
            end = max(stopped, first + load.window_s)
            counted = {"sent_packets": sender.packets, "received_packets": receiver.packets}
            return Sample(t_s=first, sent_packets=0, received_packets=0), Sample(t_s=end, **counted)
        steps = round(load.window_s / load.sample_interval_s)
        return cut(sender, receiver, [begin + load.window_s * step / steps for step in range(steps + 1)])

    def _report(self, said: dict[str, Any]) -> Report:
        if said["status"] != 0:
            raise self._error(f"it ended with status {said['status']}", said=said)
        return read_report(said["stdout"], said["stderr"], said["started"])

    def _check_line_rate(self, load: Load, first: Sample, last: Sample) -> None:
        """Refuse a sender that claims more than it was allowed: at full load the line rate."""
        seconds = last.t_s - first.t_s
        sent = (last.sent_packets - first.sent_packets) / seconds
        if load.saturating and sent > load.packets_per_second * ABOVE_LINE_RATE:
            raise self._error(
                f"the sender claims {sent:.0f} packets/s; the link carries {load.packets_per_second:.0f}",
                "some netmap drivers count frames that never left (netmap issues 536 and 935): use another driver or "
                "card, or the generator `trafgen`; check `link.rate_mbps` in the testbed's file",
            )

    def _explained(self, answer: dict[str, Any]) -> GeneratorError:
        """Return the error for what the agent met, in pkt-gen's own words and in ours."""
        kind, said = answer["error"], answer["said"]
        if kind == "no program":
            return self._no_program()
        if kind == "no link":
            return self._error(
                f"{' and '.join(said)} had no link for {LINK_SECONDS:g} s after the change to netmap mode",
                "check cable and driver; `dmesg` on that host",
            )
        if kind == "other users":
            return self._error(
                f"another program uses netmap on {self._tx_port} or {self._rx_port}: process {'; process '.join(said)}",
                "its frames would be counted as ours: end it",
            )
        if kind == "silent":
            read_report(said["stdout"], said["stderr"], said["started"])  # perhaps it told, in words that are unknown
        meaning, advice = complaint("\n".join((*answer["kernel"], said["stderr"], said["stdout"])))
        happened, what_to_try = {
            "ended": (meaning or f"it ended by itself with status {said['status']}", advice),
            "not ready": (meaning or "it was not ready in time", advice),
            "silent": (
                f"the sender sent nothing in the {START_SECONDS:g} s after it was ready",
                f"see whether {self._tx_port} has a link in netmap mode, and raise `link_wait_s`",
            ),
            "does not end": (
                f"it did not end within {END_SECONDS:g} s of SIGINT and was killed",
                "run the same command again; where it stays so, another version of netmap or the generator `trafgen`",
            ),
            "hangs": (
                f"it did not end within {END_SECONDS:g} s of SIGINT, nor by SIGKILL: it hangs in the kernel, in "
                "the port's netmap driver",
                "restart that computer; then another netmap driver (or emulation: admode 2), or the generator "
                "`trafgen`",
            ),
        }[kind]
        return self._error(happened, what_to_try, said=said, kernel=answer["kernel"])

    def _no_program(self) -> GeneratorError:
        return self._error(
            f"there is no program {self._options.program}",
            "build it from netmap's sources (apps/pkt-gen), name its path (`program` in the testbed's file), or use "
            "the generator `trafgen`",
        )

    def _error(
        self,
        happened: str,
        advice: str = "",
        *,
        result: CommandResult | None = None,
        said: dict[str, Any] | None = None,
        kernel: Sequence[str] = (),
    ) -> GeneratorError:
        if said is not None:
            result = CommandResult(
                host=self._host.name,
                argv=(self._options.program,),
                status=-1 if said["status"] is None else said["status"],
                stdout=said["stdout"],
                stderr="\n".join((without_usage(said["stderr"]), *kernel)),
            )
        return GeneratorError(f"running pkt-gen on {self._host.name}", happened, advice, result)


def interval_ms(load: Load) -> int:
    """Return how long pkt-gen's intervals are to be, in ms: short enough that its counts are exact."""
    exact = EXACT_PACKETS / load.packets_per_second * 1000
    wanted = load.sample_interval_s * 1000 if load.packets is None else BOUNDED_INTERVAL_MS
    return max(SHORTEST_INTERVAL_MS, math.floor(min(LONGEST_INTERVAL_MS, wanted, exact)))


def addresses(flows: int) -> list[str]:
    """Return how pkt-gen is told from where to where frames go; of several flows it takes one after the other."""
    if flows == 1:
        return ["-s", SENDER_IP, "-d", RECEIVER_IP]
    last = UDP_PORT + flows - 1
    return ["-s", f"{SENDER_IP}:{UDP_PORT}-{SENDER_IP}:{last}", "-d", f"{RECEIVER_IP}:{UDP_PORT}"]


def burst_packets(load: Load) -> int:
    """Return how many frames pkt-gen may send at once at a given rate."""
    return max(1, min(BURST_PACKETS, round(load.packets_per_second * BURST_SECONDS)))


def _unexpected_sizes(load: Load, sender: Report, receiver: Report) -> int:
    """Return on how many sides the bytes are not those of our frames; some cards receive the FCS along."""
    size = load.sizes[0]
    sent = sender.bytes not in (None, sender.packets * size)
    sizes = (size, size + FCS_BYTES)
    received = receiver.bytes not in (None, *(receiver.packets * size for size in sizes))
    return sent + received
