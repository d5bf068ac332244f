"""A queue for more than ten datagrams, without changing the machine's settings."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from profileapp.collect.custom.socket_buffer import QUEUE_DATAGRAMS, socket_with_long_queue

QUEUE_FILE = Path("/proc/sys/net/unix/max_dgram_qlen")


def test_the_queue_has_the_stated_length_and_the_host_is_unchanged(tmp_path: Path) -> None:
    before = (QUEUE_FILE.read_text(), Path("/proc/self/ns/net").readlink())
    receiver, holds = socket_with_long_queue()
    path = str(tmp_path / "s")
    sent = 0
    with receiver, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        receiver.bind(path)
        sender.setblocking(False)
        sender.connect(path)
        with pytest.raises(BlockingIOError):
            while sent <= QUEUE_DATAGRAMS:
                sender.send(b"x")
                sent += 1
    # A sender's buffer has room for about two hundred.
    assert sent >= min(holds, 100)
    assert (QUEUE_FILE.read_text(), Path("/proc/self/ns/net").readlink()) == before


def test_without_privileges_the_default_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    receiver, holds = socket_with_long_queue()
    receiver.close()
    assert holds == int(QUEUE_FILE.read_text())
