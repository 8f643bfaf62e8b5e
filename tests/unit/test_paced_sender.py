"""The paced sender hands the kernel whole bursts, laid out as sendmmsg(2) takes them."""

import ctypes
import socket

import pytest
from middlebench.generators.shared import stamps_agent
from middlebench.generators.shared.stamps_agent import MARK, PAYLOAD, STAMP
from middlebench.generators.trafgen import paced_sender
from middlebench.generators.trafgen.paced_sender import Frames

FRAMES = [bytes([number]) * 60 for number in range(5)]


def received(frames: Frames, first: int, count: int) -> list[bytes]:
    """Send a burst by one call of the kernel, and return what came."""
    sender, receiver = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with sender, receiver:
        sender.setblocking(False)
        sent = ctypes.CDLL(None).sendmmsg(sender.fileno(), ctypes.c_void_p(frames.burst(first)), count, 0)
        return [receiver.recv(100) for _ in range(sent)]


def test_all_frames_of_a_burst_leave_by_one_call_from_any_of_them_on():
    frames = Frames(FRAMES)
    for first in range(7):
        assert received(frames, first, 8) == [FRAMES[number % 5] for number in range(first, first + 8)]


def test_one_frame_of_a_burst_is_stamped_and_the_next_burst_is_plain(monkeypatch: pytest.MonkeyPatch):
    for name in ("PAYLOAD", "STAMP_BYTES", "stamp"):  # there their text stands before the sender's
        monkeypatch.setattr(paced_sender, name, getattr(stamps_agent, name), raising=False)
    frames = Frames(FRAMES)
    frames.put_stamp(3, 4, 17)
    came = received(frames, 3, 8)
    frames.remove_stamp(3, 4)
    assert [place for place, frame in enumerate(came) if frame != FRAMES[(3 + place) % 5]] == [4]
    assert STAMP.unpack_from(came[4], PAYLOAD)[:2] == (MARK, 17)
    assert received(frames, 3, 8) == [FRAMES[(3 + place) % 5] for place in range(8)]
