"""A SLURM cluster of this machine alone: munge, a controller and two nodes, in a folder of their own."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from helpers import eventually

NODES = ("one", "two")
START_SECONDS = 60.0
STOP_SECONDS = 20.0

CONFIGURATION = """
ClusterName=middlebench
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
TaskProlog={folder}/task-prolog
SelectType=select/linear
ReturnToService=2
MinJobAge=600
SchedulerParameters=batch_sched_delay=0,sched_interval=2
PartitionName=all Nodes=ALL Default=YES State=UP OverSubscribe=EXCLUSIVE MaxTime=INFINITE
"""
NODE = "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={cpus} RealMemory=1000 Feature={name}\n"
PROLOG = """#!/bin/sh
echo "export MIDDLEBENCH_RUNTIME={folder}/runtime-$SLURMD_NODENAME"
"""
"""What is live belongs to a node: the nodes share this machine, and would meet in one folder."""
SRUN = """#!/bin/sh
SLURM_CONF={folder}/slurm.conf exec {srun} "$@"
"""
"""The executor takes the variable out of a job's environment: elsewhere the file is in /etc."""


@dataclass
class Cluster:
    """The cluster, and how to use it."""

    folder: Path
    daemons: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def environment(self) -> Mapping[str, str]:
        """What SLURM's programs, and Snakemake, are to find in their environment."""
        return {"SLURM_CONF": f"{self.folder}/slurm.conf", "PATH": f"{self.folder}/bin:{os.environ['PATH']}"}

    def runtime(self, node: str) -> Path:
        """Return the runtime folder of a node."""
        return self.folder / f"runtime-{node}"

    def run(self, *argv: str) -> str:
        """Run one of SLURM's programs, which must succeed; return what it printed."""
        return subprocess.run(
            argv, env=os.environ | self.environment, check=True, capture_output=True, text=True
        ).stdout.strip()

    def start(self) -> None:
        """Start all daemons, and wait until both nodes are idle."""
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o400)
        (self.folder / "state").mkdir()
        self._script("task-prolog", PROLOG)
        self._script("bin/srun", SRUN)
        host, cpus = socket.gethostname().partition(".")[0], os.cpu_count()
        controller_port, *node_ports = free_ports(1 + len(NODES))
        configuration = "".join(
            NODE.format(name=name, host=host, port=port, cpus=cpus)
            for name, port in zip(NODES, node_ports, strict=True)
        ) + CONFIGURATION.format(folder=self.folder, host=host, controller_port=controller_port)
        (self.folder / "slurm.conf").write_text(configuration)
        files = {"socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
        options = [f"--{name}={self.folder}/munge.{ending}" for name, ending in files.items()]
        self._daemon("munged", "--foreground", "--force", f"--key-file={key}", *options)
        eventually((self.folder / "munge.socket").exists, "munge listens", START_SECONDS)
        self._daemon("slurmctld", "-D")
        for name in NODES:
            self._daemon("slurmd", "-D", "-N", name)
        eventually(self._is_idle, "both nodes are idle", START_SECONDS)

    def stop(self) -> None:
        """End all jobs and all daemons, whatever state they are in."""
        with contextlib.suppress(subprocess.SubprocessError, OSError):
            self.run("scancel", "--signal=KILL", "--full", f"--user={os.getuid()}")
            self.run("scancel", f"--user={os.getuid()}")
            eventually(lambda: not self.run("squeue", "--noheader"), "no job is left", STOP_SECONDS)
        for daemon in reversed(self.daemons):
            daemon.send_signal(signal.SIGTERM)
        for daemon in reversed(self.daemons):
            try:
                daemon.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()

    def _script(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text.format(folder=self.folder, srun=shutil.which("srun")))
        path.chmod(0o755)

    def _daemon(self, name: str, *argv: str) -> None:
        with (self.folder / f"{name}.out").open("ab") as out:
            self.daemons.append(
                subprocess.Popen([name, *argv], env=os.environ | self.environment, stdout=out, stderr=out)
            )

    def _is_idle(self) -> bool:
        for daemon in self.daemons:
            assert daemon.poll() is None, f"{daemon.args} ended: {self._said()}"
        try:
            return self.run("sinfo", "--noheader", "--format=%t %D", "--states=idle") == f"idle {len(NODES)}"
        except subprocess.CalledProcessError:
            return False

    def _said(self) -> str:
        files = sorted([*self.folder.glob("*.out"), *self.folder.glob("*.log")])
        return "\n".join(f"{path.name}: {path.read_text(errors='replace')[-2000:]}" for path in files)


@contextlib.contextmanager
def cluster() -> Iterator[Cluster]:
    """Start a cluster and stop it in the end; its folder must be open to munge's clients, unlike those of pytest."""
    folder = Path(tempfile.mkdtemp(prefix="middlebench-slurm-"))
    folder.chmod(0o755)
    started = Cluster(folder)
    try:
        started.start()
        yield started
    finally:
        started.stop()
        shutil.rmtree(folder, ignore_errors=True)


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
