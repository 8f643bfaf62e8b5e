"""What a law of the time per frame is made of. Pure arithmetic.

A chain of ``n`` middleboxes that is flooded with frames of ``s`` bytes delivers one frame every ``t(n, s)`` µs::

    t(n, s) = max(offered(s), flat(s), hops(n, s)) + extra(n)

``offered`` is measured: the generator sends no faster. ``flat`` is paid once a frame by something that works beside the
hops, such as a link or a port. ``hops`` share the processors, so their times add up. ``extra`` is what long chains pay
besides. A :class:`Shape` says which of each; all parameters are positive.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from middlebench.model.frames import WIRE_OVERHEAD_BYTES

Numbers = NDArray[np.float64]

Flat = Literal["none", "start", "link", "port", "port and link", "port by byte", "processors"]
Hops = Literal["none", "hop", "hop by byte"]
Extra = Literal["none", "waiting", "square"]

PARAMETERS: Mapping[str, tuple[str, str]] = {
    "a": ("µs", "once a frame, in addition to its hops: the same in a chain of any length"),
    "r": ("Mb/s", "rate of the link, frames counted with their 24 B on the wire"),
    "p0": ("µs", "per frame at a port (or the generator) that works beside the hops: it binds in short chains"),
    "p1": ("µs/B", "per byte at that port; 8/p1 is its rate in Mb/s"),
    "C": ("processors", "how many hops are worked on at the same time before they have to share"),
    "b": ("µs", "per frame and hop, whatever the frame's size: the hops share the processors, so that this adds up"),
    "c": ("µs/B", "per byte and hop: copying"),
    "w": ("µs", "waiting per frame for each middlebox beyond k: more middleboxes poll than there are processors"),
    "k": ("middleboxes", "chain length from which a middlebox waits for its turn on the processors"),
    "q": ("µs", "per frame, growing with the square of the chain length: a switch that polls all of its ports"),
}
"""Unit and meaning of every parameter."""

FLAT: Mapping[Flat, tuple[str, ...]] = {
    "none": (),
    "start": ("a",),
    "link": ("r",),
    "port": ("p0",),
    "port and link": ("p0", "r"),
    "port by byte": ("p0", "p1"),
    "processors": ("C",),
}
HOPS: Mapping[Hops, tuple[str, ...]] = {"none": (), "hop": ("b",), "hop by byte": ("b", "c")}
EXTRA: Mapping[Extra, tuple[str, ...]] = {"none": (), "waiting": ("w", "k"), "square": ("q",)}

LINK = f"8·(s + {WIRE_OVERHEAD_BYTES})/r"

BY_SIZE = frozenset(("r", "p1", "c"))
"""Parameters that only several frame sizes can tell from the others."""
BY_LENGTH = frozenset(("a", "C", "b", "w", "k", "q"))
"""Parameters that only several chain lengths can tell from the others."""


@dataclass(frozen=True)
class Shape:
    """One law: which terms it has."""

    flat: Flat
    hops: Hops
    extra: Extra

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of its parameters."""
        return FLAT[self.flat] + HOPS[self.hops] + EXTRA[self.extra]

    @property
    def terms(self) -> tuple[str, ...]:
        """The names of its terms."""
        return tuple(term for term in (self.flat, self.hops, self.extra) if term != "none")

    @property
    def formula(self) -> str:
        """The law as a reader writes it, without the offered load."""
        hop = {"none": "", "hop": "b", "hop by byte": "(b + c·s)"}[self.hops]
        once = {"link": LINK, "port": "p0", "port and link": f"p0, {LINK}", "port by byte": "p0 + p1·s"}.get(
            self.flat, ""
        )
        hops = f"{hop}·max(1, n/C)" if self.flat == "processors" else f"n·{hop}" if hop else ""
        if self.flat == "start":
            hops = f"a + {hops}" if hops else "a"
        several = bool(once and hops) or "," in once
        most = f"max({', '.join(filter(None, (once, hops)))})" if several else once or hops
        extra = {"none": "", "waiting": " + w·max(0, n − k)", "square": " + q·n²"}[self.extra]
        return f"t = {most}{extra}"

    def can_be_told(self, sizes: int, lengths: int) -> bool:
        """Return whether so many distinct sizes and lengths tell its parameters apart, with one length left out too."""
        names = set(self.parameters)
        return (sizes > 1 or not names & BY_SIZE) and len(names & BY_LENGTH) < lengths

    def parts(self, values: Mapping[str, float], n: Numbers, size: Numbers) -> dict[str, Numbers]:
        """Return what each term takes, in µs a frame.

        ``size`` is in bytes, one for each chain length in ``n``.
        """
        parts: dict[str, Numbers] = {}
        if "link" in self.flat:
            parts["link"] = 8 * (size + WIRE_OVERHEAD_BYTES) / values["r"]
        if "port" in self.flat:
            parts["port"] = values["p0"] + values.get("p1", 0.0) * size
        if self.hops != "none" or self.flat == "start":
            hop = values.get("b", 0.0) + values.get("c", 0.0) * size
            together = np.maximum(1.0, n / values["C"]) if self.flat == "processors" else n
            parts["hops"] = hop * together + values.get("a", 0.0)
        if self.extra == "waiting":
            parts["waiting"] = values["w"] * np.maximum(0.0, n - values["k"])
        elif self.extra == "square":
            parts["square"] = values["q"] * n**2
        return parts

    def time_us(self, values: Mapping[str, float], n: Numbers, size: Numbers, offered_us: Numbers) -> Numbers:
        """Return the time per delivered frame in µs.

        ``size`` is in bytes, one for each chain length in ``n``; ``offered_us`` is the time per offered frame, 0 where
        it is unknown.
        """
        parts = self.parts(values, n, size)
        most = offered_us
        for name in ("link", "port", "hops"):
            if name in parts:
                most = np.maximum(most, parts[name])
        extra: Numbers = sum((parts[name] for name in ("waiting", "square") if name in parts), np.zeros_like(n))
        return most + extra

    def binding(self, values: Mapping[str, float], n: Numbers, size: Numbers, offered_us: Numbers) -> list[str]:
        """Return the name of the term that takes most of each cell's time; ``offered`` for the offered load."""
        parts = {"offered": offered_us, **self.parts(values, n, size)}
        names = list(parts)
        return [names[place] for place in np.argmax([np.broadcast_to(parts[name], n.shape) for name in names], axis=0)]


def candidates(sizes: int, lengths: int) -> list[Shape]:
    """Return the laws that so many distinct frame sizes and chain lengths can tell apart.

    A chain length is left out to judge a law: one with k parameters that depend on the length needs k + 1 lengths.
    Where there are several sizes a hop may always depend on them; whether it has to is asked of the best law alone
    (:func:`simpler`), which halves the family.
    """
    hop: Hops = "hop by byte" if sizes > 1 else "hop"
    family = [Shape(flat, hop, extra) for flat in FLAT for extra in EXTRA]
    family += [Shape(flat, "none", "none") for flat in ("start", "link", "port and link", "port by byte")]
    return [shape for shape in family if shape.can_be_told(sizes, lengths)]


def simpler(shape: Shape, sizes: int, lengths: int) -> list[Shape]:
    """Return the laws that have one term of this one less, or in a simpler form."""
    hops: dict[Hops, Hops] = {"hop by byte": "hop"}
    flats: dict[Flat, Flat] = {"port by byte": "port"}
    found = []
    if shape.hops in hops:
        found.append(Shape(shape.flat, hops[shape.hops], shape.extra))
    if shape.flat in flats:
        found.append(Shape(flats[shape.flat], shape.hops, shape.extra))
    return [each for each in found if each.can_be_told(sizes, lengths)]
