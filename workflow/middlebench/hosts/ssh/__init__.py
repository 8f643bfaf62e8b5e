"""The driver ``ssh``: a computer reached over SSH."""

from middlebench.hosts.ssh.driver import SshHost

__all__ = ["SshHost"]
