"""Frame sizes of a load: all frames of one size, or a mix of sizes (IMIX) as RFC 6985 writes it. Pure.

The RFC calls a mix by its *genome*: a letter for each frame of a sequence that repeats. Its sizes are those of Ethernet
frames with their FCS; frame sizes here are without it, so that its 64 B are 60 B here, and its 1518 B the largest frame
of an MTU of 1500.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from middlebench.model.frames import FCS_BYTES
from middlebench.model.options import Options

if TYPE_CHECKING:
    from typing_extensions import TypeIs

FrameSize = int | str
"""A value of the axis of frame sizes: bytes without FCS, or the name of a mix."""

IMIX = "imix"
"""The mix that is called so: seven small frames, four of 576 B of IP, one of 1500 B of IP."""
SIMPLE_GENOME, SIMPLE_SIZES = "AAAAAAABBBBC", {"A": 64, "B": 594, "C": 1518}
"""Its genome. Capital letters are sizes of one's own, in bytes with FCS."""
STANDARD_SIZES = {"a": 64, "b": 128, "c": 256, "d": 512, "e": 1024, "f": 1280, "g": 1518}
"""Bytes with FCS (RFC 6985, section 4); the letters of larger frames are left out, which few links carry."""
LONGEST_GENOME = 32
PATTERN = rf"{IMIX}(?:-[a-g]{{2,{LONGEST_GENOME}}})?"
"""Regular expression of a mix's name: `imix`, or one with a genome, such as `imix-aaafg`."""


class Mix(Options):
    """A mix, as a record keeps it."""

    genome: str
    """A letter for each frame of the sequence."""
    letters_bytes: dict[str, int]
    """Size that each letter of it stands for, in bytes with FCS."""
    frame_bytes: tuple[int, ...]
    """Size of each frame of the sequence, in bytes without FCS."""


def is_mix(frame_size: FrameSize) -> TypeIs[str]:
    """Whether a frame size is that of a mix."""
    return isinstance(frame_size, str)


def mix_of(name: str) -> Mix:
    """Return the mix of a name that :data:`PATTERN` matches."""
    genome = name.removeprefix(IMIX).removeprefix("-") or SIMPLE_GENOME
    letters = {letter: size for letter, size in (STANDARD_SIZES | SIMPLE_SIZES).items() if letter in genome}
    return Mix(
        genome=genome, letters_bytes=letters, frame_bytes=tuple(letters[letter] - FCS_BYTES for letter in genome)
    )


def sizes_of(frame_size: FrameSize) -> tuple[int, ...]:
    """Return the sizes of the frames that leave one after the other, until that repeats, in bytes without FCS."""
    return mix_of(frame_size).frame_bytes if is_mix(frame_size) else (frame_size,)


def size_shown(frame_size: FrameSize) -> FrameSize:
    """Return a frame size as it stands in a column of bytes: 800, `IMIX`, or `IMIX aaafg`."""
    return frame_size.replace(IMIX, "IMIX", 1).replace("-", " ") if is_mix(frame_size) else frame_size


def size_label(frame_size: FrameSize) -> str:
    """Return a frame size in words: `800 B`, `IMIX`, or `IMIX aaafg`."""
    return f"{size_shown(frame_size)}" if is_mix(frame_size) else f"{frame_size} B"


def bytes_of(sizes: Sequence[int], frames: int) -> int:
    """Return how many bytes the first so many frames of a sequence that repeats have."""
    rounds, rest = divmod(frames, len(sizes))
    return rounds * sum(sizes) + sum(sizes[:rest])


def in_order(frame_sizes: Iterable[FrameSize]) -> list[FrameSize]:
    """Return distinct frame sizes as a reader expects them: ascending, mixes last."""
    return sorted(set(frame_sizes), key=lambda size: (is_mix(size), size))
