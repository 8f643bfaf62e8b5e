"""The rules of a filter and the patterns of a search: always the same ones, as many as are asked for."""

from __future__ import annotations

import hashlib
import ipaddress

from middlebench.model.frames import IP_PROTOCOL_UDP
from middlebench.model.options import Options

IP_PROTOCOL_TCP = 6
ANY = "0.0.0.0/0"
LOAD = "198.18.0.0/15"
"""All addresses of the load, whatever functions have made of them: RFC 2544's block for benchmarks."""
PATTERN_BYTES = 8
"""They fit into the payload of the smallest frame, beside what tells one probe from another."""


class Rule(Options):
    """One rule of a filter. A packet matches where all of it does; the first match decides."""

    accepts: bool
    protocol: int = 0
    """Number of the IP protocol; 0: any."""
    source: str = ANY
    destination: str = ANY
    destination_ports: tuple[int, int] | None = None
    """First and last; None: any, also none at all."""

    def unikernel(self) -> str:
        """Return it as our unikernel reads it."""
        first, last = self.destination_ports or (0, 65535)
        verdict = "accept" if self.accepts else "deny"
        return f"{verdict}:{self.protocol}:{self.source}:0-65535:{self.destination}:{first}-{last}"

    def nftables(self) -> str:
        """Return what it matches as nftables reads it."""
        words = ["ether type ip"]
        words += [f"ip saddr {self.source}"] if self.source != ANY else []
        words += [f"ip daddr {self.destination}"] if self.destination != ANY else []
        words += [f"ip protocol {self.protocol}"] if self.protocol else []
        if self.destination_ports:  # Linux takes the first bytes of a later fragment for ports (6.18, tried)
            words += ["ip frag-off & 0x1fff == 0", "th dport {}-{}".format(*self.destination_ports)]
        return " ".join(words)

    def click(self) -> str:
        """Return what it matches as Click's IPFilter reads it."""
        words = [f"src net {self.source}"] if self.source != ANY else []
        words += [f"dst net {self.destination}"] if self.destination != ANY else []
        words += [f"ip proto {self.protocol}"] if self.protocol else []
        words += ["dst port >= {} && dst port <= {}".format(*self.destination_ports)] if self.destination_ports else []
        return " && ".join(words) or "all"


def filter_rules(count: int) -> list[Rule]:
    """Return the rules of a filter of this length: all but the last deny what the load never has, the last accepts it.

    So the load passes all of them. They deny, in turn: a UDP port, a TCP port, a source and a destination.

    Raises:
        ValueError: there are too few to have one of each kind, or more than our unikernel holds.
    """
    if not 5 <= count <= 1024:
        raise ValueError(f"a filter has 5 to 1024 rules, not {count}")
    rules = []
    for index in range(count - 1):
        port = 20000 + index
        kinds = (
            Rule(accepts=False, protocol=IP_PROTOCOL_UDP, destination_ports=(port, port)),
            Rule(accepts=False, protocol=IP_PROTOCOL_TCP, destination_ports=(port, port)),
            Rule(accepts=False, source=f"{address('198.18.64.0', index)}/32"),
            Rule(accepts=False, destination=f"{address('198.19.64.0', index)}/32"),
        )
        rules.append(kinds[index % len(kinds)])
    return [*rules, Rule(accepts=True, protocol=IP_PROTOCOL_UDP, source=LOAD, destination=LOAD)]


def search_patterns(count: int) -> list[str]:
    """Return the patterns that ``inspect`` searches for: small letters that look random, always the same ones.

    Raises:
        ValueError: there are fewer than one or more than our unikernel holds.
    """
    if not 1 <= count <= 256:
        raise ValueError(f"there are 1 to 256 patterns, not {count}")
    digests = (hashlib.sha256(f"pattern {index}".encode()).digest() for index in range(count))
    return ["".join(chr(ord("a") + byte % 26) for byte in digest[:PATTERN_BYTES]) for digest in digests]


def address(first: str, offset: int) -> str:
    """Return the address ``offset`` places behind ``first``."""
    return str(ipaddress.IPv4Address(first) + offset)
