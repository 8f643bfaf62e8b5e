"""What must come back of a probe that was sent through some functions, and which probes must not come back."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from middlebench.model.functions.function import Function
from middlebench.model.packets import checksum_faults, packet_of


@dataclass(frozen=True)
class NegativeProbe:
    """A frame that must not pass a chain."""

    frame: bytes
    hop: int
    """Number of the middlebox that must stop it."""
    why: str
    """In what it differs from a frame that passes."""


def negative_probes(functions: Sequence[Function], probe: bytes) -> list[NegativeProbe]:
    """Return the frames like ``probe`` that must not pass the chain of ``functions``, each with where it must end.

    Each is sent once, for the first middlebox that must stop it. Where an earlier middlebox rewrites what a later one
    looks at, a frame would prove nothing of the later one: there is none.
    """
    packet = packet_of(probe)
    if packet is None:
        return []
    found: list[NegativeProbe] = []
    rewritten: set[str] = set()
    for function in functions:
        for fields in function.refuses:
            why = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in fields.items())
            frame = packet.changed(**fields).frame()
            if not rewritten & fields.keys() and frame not in [each.frame for each in found]:
                found.append(NegativeProbe(frame, function.hop, why))
        rewritten |= function.changes.keys()
    return found


@dataclass
class Judge:
    """Says of each frame that came through some functions whether it is what they must have made of it.

    It remembers flows: the same one must be changed in the same way each time.
    """

    functions: Sequence[Function]
    _seen: dict[Any, Any] = field(default_factory=dict)
    _taken: dict[Any, Any] = field(default_factory=dict)

    def problem(self, sent: bytes, came: bytes) -> str:
        """Return what is wrong with ``came``, which is what came of ``sent``; empty where all is right."""
        changes = {name: values for function in self.functions for name, values in function.changes.items()}
        before, after = packet_of(sent), packet_of(came)
        if not changes or before is None or after is None:
            return "" if came == sent else _difference(sent, came)
        for name, (first, last) in changes.items():
            if not first <= (value := getattr(after, name)) <= last:
                words = name.replace("_", " ")
                return f"its {words} is {_text(name, value)}, not {_text(name, first)} to {_text(name, last)}"
        expected = before.changed(**{name: getattr(after, name) for name in changes})
        if came != expected.frame():
            faults = checksum_faults(came)
            return "; ".join(faults) if faults else _difference(expected.frame(), came)
        if self._seen.setdefault(before.flow, after.flow) != after.flow:
            return "its flow was changed in another way before: the flow is split"
        apart = all(function.keeps_flows_apart for function in self.functions)
        if apart and self._taken.setdefault(after.flow, before.flow) != before.flow:
            return "another flow was changed into the same one: two flows are mixed"
        return ""


def _difference(expected: bytes, came: bytes) -> str:
    if len(expected) != len(came):
        return f"it has {len(came)} B, not {len(expected)}"
    place = next(index for index, (a, b) in enumerate(zip(expected, came, strict=True)) if a != b)
    return f"byte {place} is 0x{came[place]:02x}, not 0x{expected[place]:02x}"


def _text(name: str, value: int) -> str:
    return str(ipaddress.IPv4Address(value)) if name.endswith("address") else str(value)
