"""Runs a script next to the measured ports, and single frames from one of them to the other."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from threading import Event
from typing import Any

from middlebench.generators.base import nonce
from middlebench.generators.shared import ports_agent, probe_agent
from middlebench.hosts.base import Host, Ports
from middlebench.hosts.shared.agents import agent_text
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
    try:
        return dict(json.loads(result.stdout))
    except ValueError:
        raise GeneratorError(
            f"running the generator's script on {host.name}",
            f"it ended with status {result.status} and without an answer",
            "see its last words; run the same command again",
            result,
        ) from None


def probe(host: Host, ports: Ports, frame_bytes: int, count: int, flow: int = 0) -> Probe:
    """Send single frames by packet sockets, each with a payload of its own, and see which come back whole.

    Raises:
        GeneratorError: they could not be sent or watched for.
    """
    nonces = [nonce() for _ in range(count)]
    frames = [udp_frame(frame_bytes, each, flow) for each in nonces]
    came = exchange(host, ports, frames, nonces)
    returned = len(set(came) & set(frames))
    return Probe(sent=count, returned=returned, unexpected=len(came) - returned)


def exchange(host: Host, ports: Ports, frames: Sequence[bytes], marks: Sequence[bytes]) -> list[bytes]:
    """Send single frames by packet sockets; see :meth:`middlebench.generators.base.Generator.exchange`.

    Raises:
        GeneratorError: they could not be sent or watched for.
    """
    request = {
        "tx_port": ports[0],
        "rx_port": ports[1],
        "frames": [frame.hex() for frame in frames],
        "marks": [mark.hex() for mark in marks],
        "limit_s": PROBE_SECONDS,
    }
    answer = ask(host, PROBE_AGENT, request, Deadline(PROBE_SECONDS + ANSWER_SECONDS))
    if "error" in answer:
        raise GeneratorError(f"probing from {ports[0]} to {ports[1]} on {host.name}", str(answer["error"]))
    return [bytes.fromhex(frame) for frame in answer["came"]]
