"""The driver ``lab``: a real Xen host from Debian's packages, emulated by QEMU. Slow: every figure of it says so."""

from middlebench.sites.lab.driver import Options

__all__ = ["Options"]
