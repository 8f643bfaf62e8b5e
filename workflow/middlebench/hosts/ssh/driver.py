"""A computer reached over SSH: one connection kept, every command under a guard, nothing left behind.

What is sent and how it ends is told in :mod:`middlebench.hosts.ssh.guard`, who is let in and by which
keys in :mod:`middlebench.hosts.ssh.connection`.
"""

from __future__ import annotations

import contextlib
import select
import shlex
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import paramiko

from middlebench import LABEL
from middlebench.hosts.base import Host, Output
from middlebench.hosts.ssh.connection import Connection, connect
from middlebench.hosts.ssh.destination import Destination, find_destination
from middlebench.hosts.ssh.guard import CLEAN_UP_SECONDS, LONGEST_COMMAND, NO_PROGRAM, guarded
from middlebench.system.command_result import CommandResult
from middlebench.system.deadline import Deadline
from middlebench.system.errors import HostError

CONNECT_SECONDS = 30.0
ENDING_SECONDS = 2.0
"""How long a command that was told to end may take until we leave it to its guard."""
PIECE = 32 * 1024
"""Bytes read or written at a time: one SSH packet."""
POLL_SECONDS = 0.03
"""Longest wait for news of a channel. paramiko's news can get lost when both streams fill at the same moment."""
FIRST_SIGNAL, LAST_SIGNAL = 1, 64

ENDED_FROM_OUTSIDE = "it was ended from outside, all of its process group at once"
LOST = "the connection was lost; the command's guard on the host ends its process group"
LOST_ADVICE = "see whether the host is still on, then run the same command again"


class SshHost(Host):
    """Runs commands on another computer, as root there.

    A shell reports a command that a signal ended as status 128 + signal; statuses 129 to 192 are read that way.
    ``where`` is the host as the user's SSH configuration or the name service knows it (``[user@]host[:port]``), or all
    that the configuration would say of it.
    """

    def __init__(
        self, name: str, where: str | Destination, cpus: Sequence[int] = (), timeout_factor: float = 1.0
    ) -> None:
        super().__init__(name, cpus, timeout_factor)
        self._where = where
        self._alias = where.alias if isinstance(where, Destination) else where
        self._connection: Connection | None = None
        self._sudo = False
        self._connecting = threading.Lock()

    @property
    def python(self) -> str:
        """The host's own interpreter."""
        return "python3"

    @property
    def connected(self) -> bool:
        """Whether there is a connection, and it was not lost."""
        return self._connection is not None and self._connection.transport is not None

    def connect(self) -> None:
        """Connect, and see that we may become root there; with a live connection nothing happens.

        A connection that was lost is made anew by this call only, never behind the caller's back.

        Raises:
            HostError: the host cannot be reached, is not the one that we know, or does not make us root.
        """
        with self._connecting:
            if self.connected:
                return
            self.close()
            where = self._where if isinstance(self._where, Destination) else find_destination(self._where)
            connection = connect(where, Deadline(CONNECT_SECONDS * self.timeout_factor))
            self._connection = connection
            try:
                self._become_root(connection)
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        """Close the connection; commands that still run end by it. A second call changes nothing."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextmanager
    def running(self, argv: Sequence[str], *, deadline: Deadline, limit_s: float) -> Iterator[str]:
        """Run a command for as long as the context lasts, and return the first line that it prints.

        Its standard input stays open until then; its guard ends it if it does not end upon that. ``deadline`` is for
        its first line, ``limit_s`` for all of it.

        Raises:
            HostError: it ended, or printed nothing, before the deadline.
        """
        channel = self._open(argv, limit_s, 0, keep_stdin_open=True)
        try:
            output = Output(bytearray(), bytearray())
            while b"\n" not in output.stdout:
                if _ended(channel) or deadline.expired:
                    channel.status_event.wait(min(deadline.remaining, ENDING_SECONDS))
                    self._demand_program(argv, _status(channel), output)
                    happened = "it printed nothing in time" if deadline.expired else "it ended at once"
                    raise self._error(argv, happened, self._result(argv, _status(channel), output))
                _receive(channel, output, deadline.remaining)
            yield output.stdout.partition(b"\n")[0].decode(errors="replace")
        finally:
            _close_stdin(channel)

    def _become_root(self, connection: Connection) -> None:
        """Find out whether we are root there, or become it by sudo."""
        asked = Deadline(CONNECT_SECONDS * self.timeout_factor)
        self._sudo = False
        try:
            status, output = self._execute(["id", "-u"], b"", asked)
        except HostError as error:
            if not asked.expired:
                raise
            raise HostError(
                f"logging in to {self._alias} ({connection.destination})",
                f"`id -u` there did not end within {asked.seconds:g} s",
                "a start-up file of the login shell (~/.bashrc) may take long, or wait for something: "
                f"see how long `ssh {self._alias} id -u` takes",
                error.result,
            ) from error
        printed = output.stdout.decode(errors="replace")
        if status != 0 or not printed.strip().isdigit():
            raise HostError(
                f"logging in to {self._alias} ({connection.destination})",
                f"`id -u` there did not print a number only, but {printed[-200:]!r}",
                "a start-up file of the login shell (~/.bashrc) may print something: let it do so in interactive "
                "shells only; the login shell must be a POSIX one, and coreutils must be installed",
                self._result(["id", "-u"], status, output),
            )
        if printed.strip() == "0":
            return
        self._sudo = True
        status, output = self._execute(["id", "-u"], b"", asked)
        if status != 0 or output.stdout.strip() != b"0":
            user = connection.destination.user
            raise HostError(
                f"becoming root on {self._alias} ({connection.destination})",
                f"`sudo -n` is refused to {user}",
                f"allow it without a password: `echo '{user} ALL=(root) NOPASSWD: ALL' > /etc/sudoers.d/{LABEL}` as "
                "root there, or log in as root (User in your SSH configuration)",
                self._result(["sudo", "-n", "id", "-u"], status, output),
            )

    def _execute(
        self,
        argv: Sequence[str],
        data: bytes,
        deadline: Deadline,
        *,
        keep_stdin_open: bool = False,
        cancel: threading.Event | None = None,
    ) -> tuple[int, Output]:
        channel = self._open(argv, deadline.remaining, len(data), keep_stdin_open=keep_stdin_open)
        output = Output(bytearray(), bytearray())
        try:
            ended = _exchange(channel, data, output, deadline, cancel)
            cancelled = not ended and not deadline.expired
            if not ended:
                _close_stdin(channel)
                limit_s = ENDING_SECONDS + (CLEAN_UP_SECONDS if keep_stdin_open else 0)
                ended_now = _exchange(channel, b"", output, Deadline(limit_s * self.timeout_factor))
                ended = cancelled and keep_stdin_open and ended_now
            status = _status(channel)
        finally:
            channel.close()
        self._demand_program(argv, status, output)
        result = self._result(argv, status, output)
        if not ended:
            overran = f"it did not end within {deadline.seconds:g} s"
            raise self._error(argv, "it was cancelled" if cancelled else overran, result)
        if channel.exit_status < 0:
            if self.connected:
                raise self._error(argv, ENDED_FROM_OUTSIDE, result)
            raise self._error(argv, LOST, result, LOST_ADVICE)
        return status, output

    def _open(self, argv: Sequence[str], seconds: float, stdin_bytes: int, keep_stdin_open: bool) -> paramiko.Channel:
        """Start a command under its guard and return its channel."""
        if self._connection is None:
            self.connect()
        transport = self._connection.transport if self._connection else None
        if transport is None:
            raise self._error(argv, "the connection was lost before", advice="run the same command again")
        line = guarded(
            argv,
            seconds=seconds,
            stdin_bytes=stdin_bytes,
            keep_stdin_open=keep_stdin_open,
            prefix=self._affinity,
            sudo=self._sudo,
        )
        if len(line.encode()) > LONGEST_COMMAND:
            too_long = f"its arguments are too long ({len(line)} characters)"
            raise self._error(argv, too_long, advice="use standard input")
        try:
            channel = transport.open_session(timeout=CONNECT_SECONDS * self.timeout_factor)
            channel.settimeout(CONNECT_SECONDS * self.timeout_factor)
            channel.exec_command(line)
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise self._error(argv, f"it could not be started: {str(error) or 'the connection was lost'}") from error
        return channel

    def _demand_program(self, argv: Sequence[str], status: int, output: Output) -> None:
        """Return unless the guard said that the host has no such program."""
        if status == NO_PROGRAM and output.stderr.decode(errors="replace") == f"there is no program {argv[0]}\n":
            raise self._error(
                argv, f"there is no program {argv[0]!r}", advice="install it there; envs/ lists what each role needs"
            )

    def _error(
        self, argv: Sequence[str], happened: str, result: CommandResult | None = None, advice: str = ""
    ) -> HostError:
        return HostError(f"running {shlex.quote(argv[0])} on {self.name} ({self._alias})", happened, advice, result)


def _exchange(
    channel: paramiko.Channel, data: bytes, output: Output, deadline: Deadline, cancel: threading.Event | None = None
) -> bool:
    """Send ``data`` and receive until the command has ended; return whether it has, before deadline and cancel."""
    pending = memoryview(data)
    while not _ended(channel):
        if deadline.expired or (cancel is not None and cancel.is_set()):
            return False
        if pending and channel.send_ready():
            with contextlib.suppress(OSError):  # it ended and reads no more: its status says the rest
                pending = pending[channel.send(bytes(pending[:PIECE])) :]
                _receive(channel, output, 0.0)
                continue
        _receive(channel, output, deadline.remaining)
    return bool(channel.status_event.wait(deadline.remaining))


def _ended(channel: paramiko.Channel) -> bool:
    """Whether nothing more will come."""
    over = bool(channel.eof_received or channel.closed)
    return over and not channel.recv_ready() and not channel.recv_stderr_ready()


def _receive(channel: paramiko.Channel, output: Output, seconds: float) -> None:
    """Take in what arrives, waiting a moment, and at most ``seconds``, for the first of it."""
    select.select([channel], [], [], min(seconds, POLL_SECONDS))
    while channel.recv_ready():
        output.stdout += channel.recv(PIECE)
    while channel.recv_stderr_ready():
        output.stderr += channel.recv_stderr(PIECE)


def _close_stdin(channel: paramiko.Channel) -> None:
    """End the command's standard input, which tells its guard to end it."""
    with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
        channel.shutdown_write()


def _status(channel: paramiko.Channel) -> int:
    """Return the exit status as Python writes it: negative for a signal."""
    status = channel.exit_status
    return 128 - status if FIRST_SIGNAL <= status - 128 <= LAST_SIGNAL else status
