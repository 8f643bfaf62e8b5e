"""The lab: a real Xen host from Debian's packages, emulated by QEMU. Slow, and every figure of it says so."""
