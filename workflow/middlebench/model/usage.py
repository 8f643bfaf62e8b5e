"""What took part in a trial used of the processors, as a cell's record keeps it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from middlebench.model.options import Options


class ProcessorUsage(Options):
    """What one processor did, in seconds.

    In a reading it is what it did since the machine started. In a record it is what it did while traffic ran: in the
    window where one machine is both computers, and always of the test computer; else in all of the trial.
    """

    cpu: int
    busy_s: float
    """Did anything for anybody, or was stolen."""
    softirq_s: float
    """Of that: in the kernel, moving frames (and other deferred work) on nobody's account."""
    stolen_s: float
    """Of that: was given to somebody else by a hypervisor."""
    idle_s: float
    """Did nothing, or waited for disks."""
    user_s: float | None = None
    """Of the busy seconds: in programs, and not in the kernel. None in older records."""


class ProcessUsage(Options):
    """What one process, or one virtual machine, used between the readings before and after the trial."""

    name: str
    cpu_s: float
    """Processor seconds of all of its threads."""
    busiest_thread_s: float
    """Processor seconds of the thread that used most."""
    context_switches: int | None
    """How often its threads gave up or lost the processor; None where that is not known."""
    io_calls: int | None = None
    """System calls that read or wrote, of all threads (``syscr`` and ``syscw`` of proc_pid_io(5)). The kernel counts no
    others, such as those that wait. None where that is not known."""
    polls: bool = False
    """Whether it takes a processor all the time, work or not, so that being busy says nothing of it."""
    user_s: float | None = None
    """Processor seconds that it spent outside of the kernel; None where that is not known."""


class MachineUsage(Options):
    """The machine below the server's own system, where a hypervisor makes that one domain among others (Xen's dom0).

    In a reading it is what it did since it started, in a record what it did between two readings.
    """

    processors: Annotated[int, Field(ge=1)]
    """How many the machine has."""
    dom0_s: Annotated[float, Field(ge=0)]
    """Processor seconds of the server's own system, as the hypervisor counts them."""
    domains_s: Annotated[float, Field(ge=0)]
    """Processor seconds of all other domains; in a reading of those that there are then."""
    elapsed_s: Annotated[float, Field(gt=0)]
    """Seconds in which they were used."""


class Usage(Options):
    """Processor time, context switches and system calls of everybody who took part. Empty where a driver cannot say."""

    traffic_s: float
    """Seconds from the first frame to the last one. The readings lie somewhat further apart."""
    test_computer: tuple[ProcessorUsage, ...]
    middlebox_server: tuple[ProcessorUsage, ...]
    """As the server's own system sees them."""
    generator: tuple[ProcessUsage, ...]
    """With ``links``, where they are emulated: what played the network cards on the test computer's processors."""
    switch: tuple[ProcessUsage, ...]
    middleboxes: tuple[ProcessUsage, ...]
    machine: MachineUsage | None = None
    """None where the server's own system has the machine to itself; else its processors are virtual ones."""
    links: tuple[ProcessUsage, ...] = ()
    """What was used on the server's processors to play network cards, where the links are emulated."""
