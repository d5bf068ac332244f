"""Receives many datagrams with one call, on real sockets."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator

import pytest

from profileapp.collect.custom.datagram_batch import DatagramBatch

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    sender, receiver = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with sender, receiver:
        sender.setblocking(False)
        yield sender, receiver


def read(batch: DatagramBatch, receiver: socket.socket, *, wait: bool = False) -> list[bytes]:
    return [bytes(part) for part in batch.read(receiver.fileno(), wait=wait)]


def test_datagrams_of_any_size_stay_separate(pair: Pair) -> None:
    sender, receiver = pair
    batch = DatagramBatch(8, 5000)
    # Twice: no bytes of longer datagrams remain in later, shorter ones.
    for output in ([b"x" * 5000, b"", b"a:1|g\n", b"\0\xff"], [b"yy", b"z" * 4999, b"", b"w"]):
        for one in output:
            sender.send(one)
        assert read(batch, receiver) == output
    assert read(batch, receiver) == []


def test_datagrams_beyond_the_buffers_are_read_by_the_next_call(pair: Pair) -> None:
    sender, receiver = pair
    batch = DatagramBatch(3, 100)
    for number in range(7):
        sender.send(b"%d" % number)
    assert [read(batch, receiver) for _ in range(4)] == [[b"0", b"1", b"2"], [b"3", b"4", b"5"], [b"6"], []]


def test_an_overlong_datagram_is_recognised_by_one_extra_byte(pair: Pair) -> None:
    sender, receiver = pair
    sender.send(b"x" * 100_000)
    sender.send(b"y")
    assert read(DatagramBatch(4, 100), receiver) == [b"x" * 101, b"y"]


def test_it_waits_for_the_first_and_not_for_the_others(pair: Pair) -> None:
    sender, receiver = pair
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 200_000))
    batch = DatagramBatch(4, 100)
    began_s = time.monotonic()
    assert read(batch, receiver, wait=True) == []
    assert time.monotonic() - began_s > 0.1
    sender.send(b"one")
    assert read(batch, receiver, wait=True) == [b"one"]


def test_an_invalid_socket_is_an_error() -> None:
    with pytest.raises(OSError, match="Bad file descriptor"):
        DatagramBatch(1, 1).read(-1, wait=False)
