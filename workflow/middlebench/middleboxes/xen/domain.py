"""One domain: the config file that makes it from the plan, and what can be seen of it from dom0."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from middlebench.middleboxes.xen.wires import bridges_of, script_of
from middlebench.middleboxes.xen.xenstore import CONNECTED, vif_states
from middlebench.middleboxes.xen.xl import Domain
from middlebench.model.plan import Middlebox, Plan

PORTS = 2
MAC = "00:16:3e:6d:{:02x}:{:02x}"
"""Xen's own range of addresses; then the middlebox and the port. Fixed, so that nothing differs between runs."""


@dataclass(frozen=True)
class DomainView:
    """What can be seen of one domain from dom0 at one moment."""

    domain: Domain | None
    """The domain in the list; None where it is not there."""
    keys: Mapping[str, str]
    """Its keys in xenstore, and those of its network interfaces' back ends."""
    console: str | None
    """All that it has printed on its console; None where the server logs no consoles."""

    @property
    def vifs(self) -> tuple[str, ...]:
        """The states of its network interfaces, as :func:`vif_states` returns them."""
        return vif_states(self.keys, self.domain.id) if self.domain else ()

    @property
    def connected(self) -> bool:
        """Whether frames can pass through both of its interfaces."""
        return self.vifs == (CONNECTED,) * PORTS

    def key(self, path: str) -> str | None:
        """Return one of its keys by its path below the domain's own; None where it is not there."""
        return self.keys.get(f"/local/domain/{self.domain.id}/{path}") if self.domain else None


def config_file(
    middlebox: Middlebox, plan: Plan, settings: Mapping[str, str], *, memory_mib: int, cpus: Sequence[int] = ()
) -> str:
    """Return the text of a domain's config file (xl.cfg(5)).

    Interface 0 is its ingress, 1 its egress; of ``cpus`` it gets the one whose turn it is, and any where there are
    none.
    """
    bridge_of = bridges_of(plan)
    vifs = [
        f"script={script_of(bridge_of[port])},mac={MAC.format(middlebox.index % 256, port_index)},"
        f"bridge={bridge_of[port]},vifname={port}"
        for port_index, port in enumerate(middlebox.ports)
    ]
    lines = {
        "name": _quoted(middlebox.name),
        **{key: _quoted(value) for key, value in settings.items()},
        "vcpus": "1",
        "memory": str(memory_mib),
        "on_crash": _quoted("preserve"),
        "on_poweroff": _quoted("destroy"),
        "on_reboot": _quoted("destroy"),
        "vif": "[" + ", ".join(map(_quoted, vifs)) + "]",
    }
    if cpus:
        lines["cpus"] = _quoted(str(cpus[(middlebox.index - 1) % len(cpus)]))
    return "".join(f"{key} = {value}\n" for key, value in lines.items())


def _quoted(text: str) -> str:
    return json.dumps(text)
