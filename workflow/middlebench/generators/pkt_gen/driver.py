"""pkt-gen (netmap) makes and counts the frames, as in the paper.

Two of it run on the test computer, the receiver from before the sender starts until after it has
ended. It has no duration: SIGINT ends it, unless it was given a number of frames to send. Each prints a
line per interval; both sides' lines are cut to the common window, and its totals are those of the whole
trial. While it runs the ports are in netmap mode: the kernel sees none of the frames, so probes are
sent before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from threading import Event
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from middlebench.diagnosis.usage import agent_text, parse_processors, processors_between, started_process
from middlebench.generators.base import OVERTIME, Generator, GeneratorOptions, Load, Probe, Sample, Traffic
from middlebench.generators.pkt_gen import agent
from middlebench.generators.pkt_gen.output import Moment, Report, complaint, cut, read_report
from middlebench.generators.shared import agents
from middlebench.hosts.base import CommandResult, Host
from middlebench.model.frames import FCS_BYTES, RECEIVER_IP, RECEIVER_MAC, SENDER_IP, SENDER_MAC
from middlebench.sites.base import Ports
from middlebench.system.deadline import Deadline
from middlebench.system.errors import GeneratorError

AGENT = agent_text(agent)
LONGEST_INTERVAL_MS = 500
SHORTEST_INTERVAL_MS = 20
"""pkt-gen passes over intervals below 10 ms."""
EXACT_PACKETS = 900_000
"""From a million packets an interval on pkt-gen writes thousands only."""
READY_SECONDS = 15.0
"""How long pkt-gen may take to start, beyond the wait for the link."""
LINK_SECONDS = 30.0
"""How long a link may be down after entering or leaving netmap mode."""
DRAIN_SECONDS = 1.0
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

    def programs(self) -> tuple[str, ...]:
        """Return what must be installed on the test computer."""
        return ("ip", "tc", "ethtool", self.program)

    def build(self, host: Host, ports: Ports) -> Generator:
        """Return the generator on ``host``."""
        return PktGen(self, host, ports)


class PktGen:
    """The generator driver; see :class:`middlebench.generators.base.Generator`.

    Raises:
        GeneratorError: a port has a name that netmap cannot take.
    """

    def __init__(self, options: Options, host: Host, ports: Ports) -> None:
        self._options = options
        self._host = host
        self._tx_port, self._rx_port = ports
        for port in ports:
            if "-" in port:
                raise self._error(
                    f"netmap takes no interface with `-` in its name, such as {port}",
                    "rename it: `ip link set dev OLD name NEW`, and `ports` in the testbed's file",
                )

    def probe(self, frame_bytes: int, count: int) -> Probe:
        """Send single frames by packet sockets, before the ports enter netmap mode, and see which come back."""
        return agents.probe(self._host, (self._tx_port, self._rx_port), frame_bytes, count)

    def run(self, load: Load, cancel: Event | None = None) -> Traffic:
        """Run one trial and cut what both sides printed to its window."""
        interval_s = interval_ms(load) / 1000
        ready_s = self._options.link_wait_s + READY_SECONDS
        drain_s = max(DRAIN_SECONDS, 3 * interval_s)
        answer = agents.ask(
            self._host,
            AGENT,
            {
                "sender": self._argv(load, "tx"),
                "receiver": self._argv(load, "rx"),
                "ports": [self._tx_port, self._rx_port],
                "ready_s": ready_s,
                "link_s": LINK_SECONDS,
                "warm_up_s": load.warm_up_s,
                "window_s": load.window_s * (1 if load.packets is None else OVERTIME),
                "bounded": load.packets is not None,
                "lines_s": 2.5 * interval_s,
                "drain_s": drain_s,
            },
            Deadline(load.warm_up_s + load.window_s + drain_s + 2 * ready_s + 2 * LINK_SECONDS + 30),
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

    def _argv(self, load: Load, role: Literal["tx", "rx"]) -> list[str]:
        """Return one side's command."""
        port = self._tx_port if role == "tx" else self._rx_port
        words = [self._options.program, "-i", f"netmap:{port}", "-f", role]
        words += ["-w", str(self._options.link_wait_s), "-T", str(interval_ms(load))]
        if role == "tx":
            words += ["-l", str(load.frame_bytes), "-n", str(load.packets or 0)]
            words += ["-s", SENDER_IP, "-d", RECEIVER_IP, "-S", SENDER_MAC, "-D", RECEIVER_MAC]
            if not load.saturating:
                words += ["-R", str(round(load.packets_per_second))]
        return words

    def _traffic(self, load: Load, answer: dict[str, Any]) -> Traffic:
        sender, receiver = (self._report(answer[side]) for side in ("sender", "receiver"))
        if sender.packets == 0:
            raise self._error(
                "the sender sent nothing",
                f"see whether {self._tx_port} has a link in netmap mode, and raise `link_wait_s`",
                said=answer["sender"],
            )
        begin = float(answer["begin"])
        moments = self._moments(load, sender, receiver, begin, float(answer["stopped"]))
        first, last = moments[0], moments[-1]
        self._check_line_rate(load, first, last)
        self._check_drained(receiver, float(answer["stopped"]), interval_ms(load) / 1000)
        early = sum(each.packets for each in receiver.intervals if each.end_s < answer["sending"])
        offered = last.sent_packets - first.sent_packets
        received = last.received_packets - first.received_packets
        return Traffic(
            window_s=last.at_s - first.at_s,
            offered_packets=offered,
            received_packets=received,
            offered_bytes=offered * load.frame_bytes,
            received_bytes=received * load.frame_bytes,
            trial_sent_packets=sender.packets,
            trial_received_packets=receiver.packets,
            stray_packets=early + _strange_sizes(load, sender, receiver),
            traffic_s=float(answer["stopped"]) - begin + load.warm_up_s,
            processors=processors_between(*map(parse_processors, answer["processors"])),
            machine=answer["machine"],
            usage=started_process("generator", answer["usage"]),
            samples=tuple(
                Sample(
                    t_s=each.at_s - first.at_s,
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
        )

    def _moments(self, load: Load, sender: Report, receiver: Report, begin: float, stopped: float) -> Sequence[Moment]:
        """Return both sides' counts at the moments of the window: of a given number of frames, at both ends of it."""
        if load.packets is not None:
            end = max(stopped, begin + load.window_s)
            return (Moment(begin, 0, 0), Moment(end, sender.packets, receiver.packets))
        steps = round(load.window_s / load.sample_s)
        return cut(sender, receiver, [begin + load.window_s * step / steps for step in range(steps + 1)])

    def _report(self, said: dict[str, Any]) -> Report:
        if said["status"] != 0:
            raise self._error(f"it ended with status {said['status']}", said=said)
        return read_report(said["stdout"], said["stderr"], said["started"])

    def _check_line_rate(self, load: Load, first: Moment, last: Moment) -> None:
        """Refuse a sender that claims more than it was allowed: at full load the line rate."""
        seconds = last.at_s - first.at_s
        sent = (last.sent_packets - first.sent_packets) / seconds
        if load.saturating and sent > load.packets_per_second * ABOVE_LINE_RATE:
            raise self._error(
                f"the sender claims {sent:.0f} packets/s; the link carries {load.packets_per_second:.0f}",
                "some netmap drivers count frames that never left (netmap issues 536 and 935): use another driver or "
                "card, or the generator `trafgen`; check `link.rate_mbps` in the testbed's file",
            )

    def _check_drained(self, receiver: Report, stopped: float, interval_s: float) -> None:
        """Demand that nothing arrived any more in the last whole interval."""
        rest = [each for each in receiver.intervals if each.end_s - each.seconds >= stopped]
        whole = [each for each in rest if each.seconds >= interval_s / 2]
        if not whole or whole[-1].packets:
            raise self._error("frames still arrived when the receiver was stopped" if whole else "nobody saw the drain")

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
        meaning, advice = complaint(said["stderr"] + said["stdout"])
        happened = {
            "ended": f"it ended by itself with status {said['status']}",
            "not ready": "it was not ready in time",
            "does not end": "it did not end on SIGINT",
        }[kind]
        return self._error(meaning or happened, advice, said=said)

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
    ) -> GeneratorError:
        if said is not None:
            result = CommandResult(
                host=self._host.name,
                argv=(self._options.program,),
                status=-1 if said["status"] is None else said["status"],
                stdout=said["stdout"],
                stderr=said["stderr"],
            )
        return GeneratorError(f"running pkt-gen on {self._host.name}", happened, advice, result)


def interval_ms(load: Load) -> int:
    """Return how long pkt-gen's intervals are to be, in ms: short enough that its counts are exact."""
    exact = EXACT_PACKETS / load.packets_per_second * 1000
    return max(SHORTEST_INTERVAL_MS, math.floor(min(LONGEST_INTERVAL_MS, load.sample_s * 1000, exact)))


def _strange_sizes(load: Load, sender: Report, receiver: Report) -> int:
    """Return on how many sides the bytes are not those of our frames; some cards receive the FCS along."""
    sent = sender.bytes not in (None, sender.packets * load.frame_bytes)
    sizes = (load.frame_bytes, load.frame_bytes + FCS_BYTES)
    received = receiver.bytes not in (None, *(receiver.packets * size for size in sizes))
    return sent + received
