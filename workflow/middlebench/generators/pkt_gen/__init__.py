"""The driver ``pkt-gen``: pkt-gen of netmap, as in the paper."""

from middlebench.generators.pkt_gen.driver import Options

__all__ = ["Options"]
