"""What a domain boots, and how dom0 sees that it forwards: the protocol of all images, and Linux."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, Protocol

from pydantic import Field

from middlebench.hosts.base import Host
from middlebench.middleboxes.xen.domain import DomainView
from middlebench.middleboxes.xen.xl import Domain
from middlebench.model.options import Options as BaseOptions
from middlebench.model.plan import Middlebox

LINUX_FOLDER = "/usr/lib/mbench/linux"


class Image(Protocol):
    """A kind of guest."""

    polls: ClassVar[bool]
    """Whether it polls its interfaces, and so takes a whole processor, work or not."""

    @property
    def watches_keys(self) -> bool:
        """Whether its keys in xenstore show how far it has booted, where its console does not."""

    def settings(self) -> dict[str, str]:
        """Return its entries in the domain's config file, such as ``kernel``."""

    def files(self) -> tuple[str, ...]:
        """Return the files on the server that it boots from."""

    def booted(self, view: DomainView) -> bool:
        """Whether it is far enough for :meth:`start`."""

    def start(self, host: Host, middlebox: Middlebox, domain: Domain) -> None:
        """Start its forwarding, where it does not start by itself.

        Raises:
            MiddleboxError: the request failed.
        """

    def ready(self, view: DomainView) -> bool:
        """Whether it forwards, as far as can be seen from outside."""

    def failure(self, view: DomainView) -> str:
        """Return why it will never forward; empty where that is not known."""

    def stuck(self, view: DomainView) -> str:
        """Return the likely reason why it is not ready in time, and what to try."""

    def counts(self, host: Host, domains: Sequence[Domain]) -> dict[str, int]:
        """Return how many frames guests have received at their ingress, by name; none for those that do not count."""

    def describe(self) -> str:
        """Return what it is, in a few words."""


class LinuxOptions(BaseOptions):
    """Debian's kernel with a small initramfs of ours that forwards between its two interfaces."""

    kind: Literal["linux"]
    """A Linux kernel as a paravirtual guest; `middlebench lab image FOLDER` makes the one that we mean."""
    kernel: Annotated[str, Field(pattern="^/")] = f"{LINUX_FOLDER}/vmlinux"
    """The kernel's file on the middlebox server; uncompressed ones start sooner."""
    ramdisk: Annotated[str, Field(pattern="^/")] = f"{LINUX_FOLDER}/initramfs.gz"
    """The initramfs' file on the middlebox server."""
    command_line: str = "console=hvc0 ipv6.disable=1 mitigations=off tsc=unstable panic=-1 quiet"
    """The kernel's command line."""
    ready: Annotated[str, Field(min_length=1)] = "middlebox: ready"
    """Text that it prints on its console once it forwards."""


class LinuxImage:
    """The Linux middlebox; see :class:`Image`. It forwards as soon as it has booted."""

    polls: ClassVar = False
    FAILED = "middlebox: failed: "
    PANIC = "Kernel panic"

    def __init__(self, options: LinuxOptions) -> None:
        self._options = options

    @property
    def watches_keys(self) -> bool:
        """They do not: its console shows it."""
        return False

    def settings(self) -> dict[str, str]:
        """Return kernel, ramdisk and the kernel's command line."""
        return {
            "kernel": self._options.kernel,
            "ramdisk": self._options.ramdisk,
            "extra": self._options.command_line,
        }

    def files(self) -> tuple[str, ...]:
        """Return kernel and ramdisk."""
        return self._options.kernel, self._options.ramdisk

    def booted(self, view: DomainView) -> bool:
        """There is nothing to wait for: :meth:`start` does nothing."""
        del view
        return True

    def start(self, host: Host, middlebox: Middlebox, domain: Domain) -> None:
        """Do nothing: it starts by itself."""

    def ready(self, view: DomainView) -> bool:
        """Whether its console says so; where no console is logged, whether both interfaces are connected."""
        return view.connected if view.console is None else self._options.ready in view.console

    def failure(self, view: DomainView) -> str:
        """Return the failure that it prints on its console."""
        for line in (view.console or "").splitlines():
            if self.FAILED in line:
                return f"its start-up program says: {line.partition(self.FAILED)[2].strip()}"
            if self.PANIC in line:
                return line.strip()
        return ""

    def stuck(self, view: DomainView) -> str:
        """Return the states of its interfaces."""
        return f"its interfaces are at {', '.join(map(str, view.vifs)) or 'no state'} (4/4 is connected)"

    def counts(self, host: Host, domains: Sequence[Domain]) -> dict[str, int]:
        """Return nothing: the bridges count what their ports see."""
        del host, domains
        return {}

    def describe(self) -> str:
        """Return what it is."""
        return "Linux"
