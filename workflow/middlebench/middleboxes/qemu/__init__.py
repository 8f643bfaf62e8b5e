"""The driver ``qemu``: middleboxes as virtual machines under QEMU."""

from middlebench.middleboxes.qemu.driver import Options

__all__ = ["Options"]
