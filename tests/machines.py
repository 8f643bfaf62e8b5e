"""Virtual machines of the unikernel, emulated, as tests start them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from middlebench.hosts.base import Host
from middlebench.middleboxes.qemu import driver as qemu
from middlebench.middleboxes.qemu import machine
from middlebench.model.plan import Plan

EMULATED = {"driver": "qemu", "accelerator": "tcg"}
MTU = 1500


def machines(host: Host, **options: Any) -> qemu.QemuMiddleboxes:
    return qemu.QemuMiddleboxes(qemu.Options.model_validate(EMULATED | options), host, MTU)


def start(middleboxes: qemu.QemuMiddleboxes, plan: Plan) -> None:
    middleboxes.create(plan)
    middleboxes.wait_until_ready(plan)


def own_kernel(unikernel: Path) -> dict[str, Any]:
    """Return our image as if it were a user's: all that QEMU must be told is said in options."""
    return {
        "kernel": str(unikernel),
        "command_line": "function=forward",
        "ready": "ready ",
        "machine": machine.MACHINE,
        "device": "virtio-net-device",
        "arguments": ["-global", "virtio-mmio.force-legacy=false", "-device", "isa-debug-exit"],
    }
