"""Runs a script next to the measured ports, and single frames from one of them to the other."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from threading import Event
from typing import Any

from middlebench.generators.base import nonce
from middlebench.generators.shared import ports_agent, probe_agent
from middlebench.hosts.base import Host, Ports
from middlebench.hosts.shared.agents import agent_text, answer_of
from middlebench.model.frames import udp_frame
from middlebench.model.traffic import Probe
from middlebench.system.deadline import Deadline
from middlebench.system.errors import GeneratorError

PROBE_AGENT = agent_text(ports_agent, probe_agent)
PROBE_SECONDS = 5.0
"""How long a probe may take to come back."""
ANSWER_SECONDS = 10.0
"""How long a script may take beside what it waits for."""


def ask(
    host: Host, agent: str, request: Mapping[str, Any], deadline: Deadline, cancel: Event | None = None
) -> dict[str, Any]:
    """Run a script on ``host`` and return its answer, one JSON object.

    ``request`` is its only argument; another thread ends it early by ``cancel``, as an error.

    Raises:
        GeneratorError: it ended without an answer.
        HostError: it overran the deadline or was cancelled, or the host is out of reach.
    """
    result = host.run(
        host.script(agent, json.dumps(request)), keep_stdin_open=True, deadline=deadline, cancel=cancel, check=False
    )
    return answer_of(result, GeneratorError, f"running the generator's script on {host.name}")


class SingleFrames:
    """What generators have in common: single frames, by packet sockets, from the sending to the receiving port."""

    def __init__(self, host: Host, ports: Ports) -> None:
        self._host = host
        self._tx_port, self._rx_port = ports
        self._excess: int | None = None
        """By how many bytes the receiving port counts a frame as longer than it is, as the last frames showed."""

    def probe(self, frame_bytes: int, count: int, flow: int = 0) -> Probe:
        """Send frames, each with a payload of its own; see :meth:`middlebench.generators.base.Generator.probe`.

        Raises:
            GeneratorError: they could not be sent or watched for.
        """
        nonces = [nonce() for _ in range(count)]
        frames = [udp_frame(frame_bytes, each, flow) for each in nonces]
        came = self.exchange(frames, nonces)
        returned = len(set(came) & set(frames))
        return Probe(sent=count, returned=returned, unexpected=len(came) - returned)

    def exchange(self, frames: Sequence[bytes], marks: Sequence[bytes]) -> list[bytes]:
        """Send frames in their order; see :meth:`middlebench.generators.base.Generator.exchange`.

        Raises:
            GeneratorError: they could not be sent or watched for.
        """
        request = {
            "tx_port": self._tx_port,
            "rx_port": self._rx_port,
            "frames": [frame.hex() for frame in frames],
            "marks": [mark.hex() for mark in marks],
            "limit_s": PROBE_SECONDS,
        }
        answer = ask(self._host, PROBE_AGENT, request, Deadline(PROBE_SECONDS + ANSWER_SECONDS))
        if "error" in answer:
            doing = f"probing from {self._tx_port} to {self._rx_port} on {self._host.name}"
            raise GeneratorError(doing, str(answer["error"]))
        if answer["excess"] is not None:
            self._excess = answer["excess"]
        return [bytes.fromhex(frame) for frame in answer["came"]]
