"""What is live on a testbed now: its identity, how it differs from a plan, and what changed since. Plain values."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from middlebench.model.plan import Plan, Rule


@dataclass(frozen=True)
class LiveBridge:
    """A bridge of ours as the switch itself describes it now."""

    ports: frozenset[str]
    """Names of its ports that work."""
    flows: frozenset[Rule]
    """Which port feeds which, as :attr:`middlebench.model.plan.Plan.rules` has it."""
    foreign: tuple[str, ...] = ()
    """Whatever else steers frames here (flows that are not ours, broken ports), in the switch's words."""

    def without(self, middleboxes: Iterable[str]) -> LiveBridge:
        """Return this bridge without what belongs to the ports of some middleboxes.

        A port is named after its middlebox's label and number (:func:`middlebench.model.topologies.middlebox_hop`).
        """
        starts = tuple("-".join([*name.split("-")[:2], ""]) for name in middleboxes)
        return LiveBridge(
            ports=frozenset(port for port in self.ports if not port.startswith(starts)),
            flows=frozenset(flow for flow in self.flows if not any(port.startswith(starts) for port in flow[:2])),
            foreign=tuple(text for text in self.foreign if not any(start in text for start in starts)),
        )


STOPPED = ", stopped"
"""End of the identity of a middlebox that is there but does not run."""


@dataclass(frozen=True)
class PortState:
    """How a port is set."""

    up: bool
    """Whether it is set up by its administrator."""
    mtu: int
    """Largest IP packet that it takes, in bytes."""

    def __str__(self) -> str:
        """Return it for a sentence."""
        return f"{'up' if self.up else 'down'}, MTU {self.mtu}"


@dataclass(frozen=True)
class LiveSwitch:
    """All bridges of ours, and what identifies this very deployment of them."""

    bridges: dict[str, LiveBridge]
    identity: str
    """Changes whenever the switch was restarted or its bridges were created again."""
    port_states: Mapping[str, PortState] = field(default_factory=dict)
    """By port, as far as they are known."""
    composition: str = ""
    """Of the plan that it was deployed for; see :attr:`middlebench.model.plan.Plan.composition`."""


@dataclass(frozen=True)
class LiveChain:
    """What is there now: the switch's bridges and the middleboxes, each with its identity."""

    switch: LiveSwitch
    middleboxes: dict[str, str]

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all of it: two live chains are one and the same when theirs are equal."""
        text = json.dumps(
            {
                "bridges": {
                    name: [sorted(bridge.ports), sorted(bridge.flows), list(bridge.foreign)]
                    for name, bridge in self.switch.bridges.items()
                },
                "switch": self.switch.identity,
                "ports": {port: str(state) for port, state in self.switch.port_states.items()},
                "middleboxes": self.middleboxes,
            },
            sort_keys=True,
        )
        return hashlib.sha256(text.encode()).hexdigest()

    def differences(self, plan: Plan, mtu: int = 0) -> list[str]:
        """Return, a sentence each, in what this chain is not the one of ``plan``; none when it is.

        Every port must take packets of ``mtu`` bytes.
        """
        if self.switch.bridges and self.switch.composition != plan.composition:
            return ["it was deployed with other drivers, options or in another environment"]
        found = _missing_and_surplus("bridge", {bridge.name for bridge in plan.bridges}, set(self.switch.bridges))
        found += _missing_and_surplus("middlebox", {each.name for each in plan.middleboxes}, set(self.middleboxes))
        for bridge in plan.bridges:
            live = self.switch.bridges.get(bridge.name)
            if live is None:
                continue
            found += _missing_and_surplus(f"{bridge.name}: port", set(bridge.ports), set(live.ports))
            flows = set(plan.rules[bridge.name])
            found += [f"{bridge.name}: no flow {_in_words(flow)}" for flow in sorted(flows - live.flows)]
            found += [f"{bridge.name}: a flow {_in_words(flow)}, not ours" for flow in sorted(live.flows - flows)]
            found += [f"{bridge.name}: {text}" for text in live.foreign]
        found += [f"middlebox {name} is stopped" for name, each in self.middleboxes.items() if each.endswith(STOPPED)]
        for port, state in self.switch.port_states.items():
            if not state.up or state.mtu < mtu:
                found.append(f"port {port} is {state}" + (f" and not {mtu}" if state.up else ""))
        return found

    def changes_since(self, earlier: LiveChain) -> list[str]:
        """Return, a sentence each, what became different since ``earlier``.

        Of a middlebox that ended only that is told: its ports, their flows and the switch's complaints go with it.
        """
        ended = [name for name in earlier.middleboxes if name not in self.middleboxes]
        found = [
            f"middlebox {name} {_became(self.middleboxes.get(name), identity)} ({identity})"
            for name, identity in earlier.middleboxes.items()
            if self.middleboxes.get(name) != identity
        ]
        found += [f"middlebox {name} is new" for name in sorted(set(self.middleboxes) - set(earlier.middleboxes))]
        for name in sorted({*earlier.switch.bridges, *self.switch.bridges}):
            then, now = (chain.switch.bridges.get(name) for chain in (earlier, self))
            found += _bridge_changes(name, then and then.without(ended), now and now.without(ended))
        past, current = earlier.switch.port_states, self.switch.port_states
        found += [
            f"port {port} is {current[port]}; it was {past[port]}"
            for port in sorted(past.keys() & current.keys())
            if current[port] != past[port]
        ]
        if not found and self.switch.identity != earlier.switch.identity:
            found.append("the switch was restarted or its bridges were created again")
        return found


def _became(now: str | None, then: str) -> str:
    """Return what became of a middlebox of this identity."""
    if now is None:
        return "ended"
    return "is stopped" if now == then + STOPPED else "goes on" if now + STOPPED == then else "is another one"


def _in_words(flow: Rule) -> str:
    ingress, egress, *ports = flow
    return f"from {ingress} to {egress}" + "".join(f" ({each})" for each in ports)


def _bridge_changes(name: str, then: LiveBridge | None, now: LiveBridge | None) -> list[str]:
    if then is None or now is None:
        return [f"bridge {name} {'is gone' if then else 'is new'}"] if then != now else []
    found = [f"{name}: port {port} {'is gone' if port in then.ports else 'is new'}" for port in then.ports ^ now.ports]
    for flow in then.flows ^ now.flows:
        found.append(f"{name}: the flow {_in_words(flow)} {'is gone' if flow in then.flows else 'is new'}")
    for text in {*then.foreign} ^ {*now.foreign}:
        found.append(f"{name}: {text}{', no more' if text in then.foreign else ''}")
    return sorted(found)


def _missing_and_surplus(kind: str, wanted: set[str], live: set[str]) -> list[str]:
    return [f"{kind} {name} is missing" for name in sorted(wanted - live)] + [
        f"{kind} {name} is not in the plan" for name in sorted(live - wanted)
    ]
