"""The driver ``ssh``: two computers reached over SSH."""

from middlebench.sites.ssh.driver import Options

__all__ = ["Options"]
