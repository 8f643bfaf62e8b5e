"""trafgen (netsniff-ng) makes the frames; the ports themselves count them.

trafgen sends as fast as it can; the link's own shaper, which counts raw bits, holds it to the line
rate. It cannot hold a lower load, nor send a given number of frames at one: that a sender of our own
does (``paced_sender.py`` beside this file). What was offered is never taken from the word of either but from the
counters of the sending port.
"""

from __future__ import annotations

import json
from threading import Event
from typing import Any, ClassVar, Literal

from middlebench.diagnosis.usage import parse_processors, processors_between, started_process
from middlebench.generators.base import OVERTIME, Generator, GeneratorOptions
from middlebench.generators.shared import agents, listeners_agent, ports_agent, stamps_agent
from middlebench.generators.trafgen import agent, paced_sender
from middlebench.hosts.base import Host, Ports
from middlebench.hosts.shared import usage_agent
from middlebench.hosts.shared.agents import script_text
from middlebench.model import frames
from middlebench.model.frames import ETHERNET_HEADER_BYTES
from middlebench.model.record import Sample
from middlebench.model.traffic import Load, ReceiverBytes, Timing, Traffic
from middlebench.system.deadline import Deadline
from middlebench.system.errors import GeneratorError

AGENT = script_text(frames, usage_agent, ports_agent, stamps_agent, listeners_agent, agent)
PACED_SENDER = script_text(frames, stamps_agent, paced_sender)
PACED_SENDER_NAME = "paced sender of middlebench"
"""What a record says of it."""
SILENCE_SECONDS = 0.01
"""The ports must be silent this long before a trial: nothing but our frames is counted."""
START_SECONDS = 10.0
OVERRUN_SECONDS = 10.0
"""How long the sender may go on where nothing ended it in time."""
DRAIN_QUIET_SECONDS = 0.05
"""The chain is drained when no frame has arrived for this long."""
SEARCH_QUIET_SECONDS = 0.5
"""The same in a trial of a given number of frames, where some are missing: a late frame must not count as a lost one,
where a single one decides."""
DRAIN_SECONDS = 10.0
CANNOT_LOCK = "Cannot lock pages"
"""What trafgen says when it may not lock its memory."""
MEMLOCK_ADVICE = (
    "trafgen locks its memory, and this user may lock too little: `ulimit -H -l` says how many KiB, 8192 suffice; "
    "raise it (`USER - memlock 8192` in /etc/security/limits.conf, LimitMEMLOCK= of a systemd unit) and log in anew"
)
STAMPS_PER_SECOND = 1000
"""How many frames a second are timed, where the load has as many."""


class Options(GeneratorOptions):
    """The trafgen generator."""

    driver: Literal["trafgen"]
    """trafgen of the netsniff-ng package, on any Linux machine."""

    versions: ClassVar = (("trafgen", "--version"),)

    def programs(self) -> tuple[str, ...]:
        """Return what must be installed on the test computer."""
        return ("ip", "tc", "ethtool", "trafgen")

    def build(self, host: Host, ports: Ports) -> Generator:
        """Return the generator on ``host``."""
        return Trafgen(host, ports)


class Trafgen(agents.SingleFrames):
    """The generator driver; see :class:`middlebench.generators.base.Generator`."""

    def run(self, load: Load, cancel: Event | None = None) -> Traffic:
        """Run one trial and cut the counters of both ports to its window."""
        if len(load.sizes) > 1 and self._excess is None:
            self.probe(load.sizes[0], 1)  # behind a chain this has been seen by the probes that prove it
        end_limit_s = None if load.packets is None else load.window_s * OVERTIME + START_SECONDS
        answer = self._ask(
            {
                "argv": self._argv(load),
                "sizes": load.sizes,
                "flows": load.flows,
                "times": load.latency,
                "samples": load.sampled,
                "cpus": list(self._host.cpus),
                "moments_s": moments(load),
                "end_limit_s": end_limit_s,
                "limit_s": START_SECONDS + (end_limit_s or load.warm_up_s + load.window_s) + OVERRUN_SECONDS,
                "silence_s": SILENCE_SECONDS,
                "start_limit_s": START_SECONDS,
                "drain_quiet_s": DRAIN_QUIET_SECONDS * self._host.timeout_factor,
                "missing_quiet_s": (DRAIN_QUIET_SECONDS if load.packets is None else SEARCH_QUIET_SECONDS)
                * self._host.timeout_factor,
                "drain_limit_s": DRAIN_SECONDS,
            },
            Deadline(load.warm_up_s + load.window_s + START_SECONDS + DRAIN_SECONDS + 10),
            cancel,
        )
        if answer["ended_early"] or (load.packets is not None and answer["status"]):
            raise self._error(
                f"the sender ended before the window did (exit status {answer['status']}): {answer['said']}"
            )
        if not answer["drained"]:
            raise self._error(f"frames still arrive {DRAIN_SECONDS:g} s after the generator was stopped")
        return self._traffic(load, answer)

    def describe(self) -> str:
        """Return the version of trafgen that is installed; of a trial that it did not send, the traffic says that."""
        first = self._host.run(["trafgen", "--version"], check=False).stdout.partition(",")[0].strip()
        if not first.startswith("trafgen "):
            raise self._error("`trafgen --version` did not say its version", "run `make setup`")
        return first

    def _argv(self, load: Load) -> list[str]:
        """Return the sender's command; trafgen is given the frames in a file, by its agent."""
        if load.paced:
            request = {
                "port": self._tx_port,
                "sizes": load.sizes,
                "flows": load.flows,
                "stamps_per_second": STAMPS_PER_SECOND if load.latency else 0,
                "packets_per_second": load.packets_per_second,
                "packets": load.packets,
                "limit_s": None if load.packets is None else load.window_s * OVERTIME,
            }
            return self._host.script(PACED_SENDER, json.dumps(request))
        # --qdisc-path: the shaper is a queueing discipline, which trafgen goes around by default;
        # --no-sock-mem, --notouch-irq: by default trafgen changes settings of the whole machine.
        # --gap, even of 0, makes it use sendto, which waits where its ring to the kernel gives up with
        # "Flushing TX_RING failed" as soon as the link is slower than the sender.
        return [
            *("trafgen", "--cpus", "1", "--qdisc-path", "--no-sock-mem", "--notouch-irq", "--no-cpu-stats"),
            *("--gap", "0ns", "--dev", self._tx_port),
        ]

    def _traffic(self, load: Load, answer: dict[str, Any]) -> Traffic:
        tx, rx = self._tx_port, self._rx_port
        start, end = answer["samples"][0][0], answer["samples"][-1][0]
        # What overflows the ring at the other end of the cable left the sender all the same.
        sent = [counters[tx][3] + counters[tx][4] for _, counters in answer["samples"]]
        received = [counters[rx][1] for _, counters in answer["samples"]]
        before, after = answer["before"], answer["after"]
        taken = after[tx][3] - before[tx][3]
        overflowed = after[tx][4] - before[tx][4]
        trial_sent = taken + overflowed
        trial_received = after[rx][1] - before[rx][1]
        counted = after[rx][0] - before[rx][0]
        sides = ((taken, after[tx][2] - before[tx][2]), (trial_received, counted))
        other_sizes = sum(has_other_sizes(load, *side, trial_sent) for side in sides)
        first = before[tx][3] + before[tx][4]
        received_bytes, receiver_bytes = load.bytes_of(received[-1] - received[0]), None
        if len(load.sizes) > 1:  # which of them were lost, the packets do not tell
            excess = self._excess or 0
            own = [counters[rx][0] - excess * counters[rx][1] for _, counters in answer["samples"]]
            received_bytes = own[-1] - own[0]
            receiver_bytes = ReceiverBytes(counted - excess * trial_received, after[rx][0], excess)
        backwards = (after[tx][1] - before[tx][1]) + (after[rx][3] - before[rx][3])
        return Traffic(
            window_s=end - start,
            offered_packets=sent[-1] - sent[0],
            received_packets=received[-1] - received[0],
            offered_bytes=load.bytes_of(sent[-1] - first) - load.bytes_of(sent[0] - first),
            received_bytes=received_bytes,
            trial_sent_packets=trial_sent,
            overflowed_packets=overflowed,
            trial_received_packets=trial_received,
            receiver_counter=after[rx][1],
            receiver_bytes=receiver_bytes,
            unexpected_packets=backwards + other_sizes,
            traffic_s=answer["traffic_s"],
            processors=processors_between(*map(parse_processors, answer["processors"])),
            machine=answer["machine"],
            usage=started_process("generator", answer["usage"]),
            samples=tuple(
                Sample(t_s=moment - start, sent_packets=tx_now - sent[0], received_packets=rx_now - received[0])
                for (moment, _), tx_now, rx_now in zip(answer["samples"], sent, received, strict=True)
            ),
            raw=answer["said"],
            sender=PACED_SENDER_NAME if load.paced else "",
            timing=self._timing(answer) if load.latency else None,
            sample=tuple(
                (bytes.fromhex(text).ljust(length, b"\0"), count) for length, text, count in answer.get("sample", ())
            ),
        )

    def _timing(self, answer: dict[str, Any]) -> Timing:
        """Return what was timed."""
        unread, nanoseconds = answer["unread"], tuple(answer["nanoseconds"])
        if unread or answer["twice"]:
            raise self._error(
                f"of the frames to be timed {unread} arrived and were not read, and {answer['twice']} arrived twice",
                "run the same command again, with less other work on that computer",
            )
        if min(nanoseconds, default=0) < 0:
            raise self._error("frames arrived before they left: that computer's clock was set", "run it again")
        stamped = json.loads(answer["said"].splitlines()[-1])["stamped"]
        return Timing(sent=max(stamped, answer["arrived"]), received=answer["arrived"], nanoseconds=nanoseconds)

    def _ask(self, request: dict[str, Any], deadline: Deadline, cancel: Event | None = None) -> dict[str, Any]:
        """Run the agent on the test computer and return its answer."""
        request = {**request, "tx_port": self._tx_port, "rx_port": self._rx_port}
        answer = agents.ask(self._host, AGENT, request, deadline, cancel)
        if "error" in answer:
            raise self._error(answer["error"], MEMLOCK_ADVICE if CANNOT_LOCK in answer["error"] else "")
        return answer

    def _error(self, happened: str, advice: str = "") -> GeneratorError:
        return GeneratorError(f"running trafgen on {self._host.name}", happened, advice)


def has_other_sizes(load: Load, packets: int, counted: int, sent: int) -> bool:
    """Return whether so many packets of a load, of so many ``sent``, cannot have the bytes that a port has counted.

    A veth whose receiving end polls counts at both ends without the Ethernet header (drivers/net/veth.c).
    """
    least = most = load.bytes_of(packets)
    if packets != sent:  # any of them may be missing
        least, most = packets * min(load.sizes), packets * max(load.sizes)
    return not any(least <= counted + missing * packets <= most for missing in (0, ETHERNET_HEADER_BYTES))


def moments(load: Load) -> list[float]:
    """Return when to read the counters, in seconds since the first frame; the end of a bounded load comes by itself."""
    if load.packets is not None:
        return [0.0]
    steps = round(load.window_s / load.sample_interval_s)
    return [load.warm_up_s + load.window_s * step / steps for step in range(steps + 1)]
