"""What a domain boots, and how dom0 sees that it forwards: the protocol of all images, and Linux."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from middlebench.hosts.base import Host
from middlebench.middleboxes.xen.domain import DomainView
from middlebench.middleboxes.xen.xenstore import CONNECTED
from middlebench.middleboxes.xen.xl import Domain
from middlebench.model.options import Options as BaseOptions
from middlebench.model.plan import Middlebox

LINUX_FOLDER = "/usr/lib/mbench/linux"


class Image(ABC):
    """A kind of guest."""

    polls: ClassVar = False
    """Whether it polls its interfaces, and so takes a whole processor, work or not."""

    watches_keys: ClassVar = False
    """Whether its keys in xenstore show how far it has booted, where its console does not."""

    @abstractmethod
    def settings(self) -> dict[str, str]:
        """Return its entries in the domain's config file, such as ``kernel``."""

    @abstractmethod
    def files(self) -> tuple[str, ...]:
        """Return the files on the server that it boots from."""

    def booted(self, view: DomainView) -> bool:
        """Whether it is far enough for :meth:`start`."""
        del view
        return True

    def start(self, host: Host, middlebox: Middlebox, domain: Domain) -> None:  # noqa: B027 (most do nothing)
        """Start its forwarding, where it does not start by itself.

        Raises:
            MiddleboxError: the request failed.
        """

    @abstractmethod
    def ready(self, view: DomainView) -> bool:
        """Whether it forwards, as far as can be seen from outside."""

    @abstractmethod
    def failure(self, view: DomainView) -> str:
        """Return why it will never forward; empty where that is not known."""

    def stuck(self, view: DomainView) -> str:
        """Return the likely reason why it is not ready in time, and what to try: the states of its interfaces."""
        return f"its interfaces are at {', '.join(view.vifs) or 'no state'} ({CONNECTED} is connected)"

    def counts(self, host: Host, domains: Sequence[Domain]) -> dict[str, int]:
        """Return how many frames guests have received at their ingress, by name; none for those that do not count."""
        del host, domains
        return {}

    @abstractmethod
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


class LinuxImage(Image):
    """The Linux middlebox; see :class:`Image`. It forwards as soon as it has booted."""

    FAILED = "middlebox: failed: "
    PANIC = "Kernel panic"

    def __init__(self, options: LinuxOptions) -> None:
        self._options = options

    def settings(self) -> dict[str, str]:
        """Return kernel, ramdisk and the kernel's command line."""
        options = self._options
        return {"kernel": options.kernel, "ramdisk": options.ramdisk, "extra": options.command_line}

    def files(self) -> tuple[str, ...]:
        """Return kernel and ramdisk."""
        return self._options.kernel, self._options.ramdisk

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

    def describe(self) -> str:
        """Return what it is."""
        return "Linux"
