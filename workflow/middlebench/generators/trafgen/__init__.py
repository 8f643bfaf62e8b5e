"""The driver ``trafgen``: trafgen of netsniff-ng, and a paced sender of our own."""

from middlebench.generators.trafgen.driver import Options

__all__ = ["Options"]
