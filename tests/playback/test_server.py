"""The server as a separate process, as a run starts it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.helpers.tiny_mp4 import tiny_mp4
from tests.helpers.worker_process import wait_until

FRAMES = [b"frame %d" % number for number in range(50)]


class Server:
    def __init__(self, port: int, process: subprocess.Popen[str]) -> None:
        self.port = port
        self.process = process

    def get(self, path: str, method: str = "GET") -> tuple[int, str, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request(method, path)
        answer = connection.getresponse()
        result = answer.status, answer.headers["Content-Type"], answer.read()
        connection.close()
        return result

    def raw(self, request: bytes, enough: Callable[[bytes], bool] = lambda _: False) -> bytes:
        """The answer to a request, until the connection ends or `enough` bytes have arrived."""
        content = b""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(request)
            while not enough(content):
                part = connection.recv(65536)
                if not part:
                    break
                content += part
        return content


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "cam").mkdir()
    for number in range(20):
        (tmp_path / f"cam/{number}.jpg").write_bytes(b"image %d" % number)
    (tmp_path / "sound.wav").write_bytes(b"RIFF")
    (tmp_path / "v.mp4").write_bytes(tiny_mp4(FRAMES, scale=25, syncs=[1, 26]))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    streams = [
        {"name": "left", "path": str(tmp_path / "v.mp4"), "rate": 1},
        {"name": "right", "path": str(tmp_path / "cam"), "rate": 20},
        {"name": "ear", "path": str(tmp_path / "sound.wav"), "rate": 1},
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "profileapp.playback", "127.0.0.1", str(port), "0", json.dumps(streams)],
        stdout=subprocess.PIPE,
        text=True,
    )
    one = Server(port, process)

    def answers() -> bool:
        try:
            return one.get("/ready")[0] == 204
        except OSError:
            return False

    wait_until(answers)
    yield one
    process.terminate()
    assert process.wait(10) == 0
    (process.stdout or sys.stdout).close()


def test_addresses_that_waggle_uses(server: Server) -> None:
    assert server.get("/right/image.jpg") == (200, "image/jpeg", b"image 0")
    time.sleep(0.2)
    assert server.get("/right/image.jpg")[2] == b"image 0", "the app has not been started yet"
    server.process.send_signal(signal.SIGUSR1)
    wait_until(lambda: server.get("/right/image.jpg")[2] != b"image 0")
    assert server.get("/ear/audio.wav") == (200, "audio/wav", b"RIFF")
    assert server.get("/right/image.jpg", "HEAD")[0::2] == (200, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/left",
        "/left/",
        "/left/image.jpg",
        "/right/live.mp4",
        "/right/image.png",
        "/ear/live.mjpg",
        "/ear/audio.mp3",
        "/nobody/image.jpg",
        "/right/../../etc/passwd",
        "/%2e%2e/etc/passwd",
        "/right/images/0.jpg",
        "/right/image.jpg/x",
    ],
)
def test_other_paths_are_not_found(server: Server, path: str) -> None:
    assert server.get(path)[0] == 404


def test_invalid_requests_are_refused_and_affect_no_other(server: Server) -> None:
    for request, status in (
        (b"\x16\x03\x01 nonsense\r\n\r\n", b"400"),
        (b"POST /right/image.jpg HTTP/1.1\r\n\r\n", b"405"),
        (b"GET /right/image.jpg HTTP/1.1\r\nX: " + b"x" * 20_000, b"431"),
        (b"GET /right/image.jpg HTTP/1.0\r\n\r\n", b"200"),
    ):
        assert server.raw(request).split(b" ")[1] == status
    two = b"GET /right/image.jpg HTTP/1.1\r\n\r\nGET /left/x HTTP/1.1\r\nConnection: close\r\n\r\n"
    assert server.raw(two).count(b"HTTP/1.1 ") == 2
    assert server.get("/right/image.jpg")[0] == 200


def test_an_image_stream_has_its_rate(server: Server) -> None:
    server.process.send_signal(signal.SIGUSR1)
    began = time.monotonic()
    content = server.raw(b"GET /right/live.mjpg HTTP/1.1\r\n\r\n", lambda got: got.count(b"image ") >= 11)
    took_s = time.monotonic() - began
    numbers = [int(part.split(b"\r")[0]) for part in content.split(b"\r\n\r\nimage ")[1:12]]
    assert numbers == list(range(numbers[0], numbers[0] + 11))
    assert 0.4 < took_s < 5, "ten images at 20 a second"
    assert b"multipart/x-mixed-replace;boundary=profileapp-frame" in content


def test_a_video_stream_begins_with_a_key_frame_and_does_not_end(server: Server) -> None:
    server.process.send_signal(signal.SIGUSR1)
    time.sleep(1.3)
    content = server.raw(b"GET /left/live.mp4 HTTP/1.1\r\n\r\n", lambda got: got.count(b"moof") >= 40)
    numbers = [int(part[: part.find(b"\0")] if b"\0" in part else part) for part in content.split(b"mdatframe ")[1:40]]
    assert numbers[0] == 25, "the key frame before that of now"
    assert numbers == [*range(25, 50), *range(39 - 25)]
    assert content.index(b"moov") < content.index(b"moof")


def test_a_client_that_does_not_read_delays_no_other(server: Server) -> None:
    server.process.send_signal(signal.SIGUSR1)
    with socket.create_connection(("127.0.0.1", server.port)) as idle:
        idle.sendall(b"GET /right/live.mjpg HTTP/1.1\r\n\r\n")
        assert server.get("/right/image.jpg")[0] == 200
    os.kill(server.process.pid, 0)


def test_a_port_in_use_is_reported(server: Server, tmp_path: Path) -> None:
    streams = json.dumps([{"name": "ear", "path": str(tmp_path / "sound.wav"), "rate": 1}])
    argv = [sys.executable, "-m", "profileapp.playback", "127.0.0.1", str(server.port), "0", streams]
    second = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30)
    assert second.returncode == 2
    assert second.stderr == f"port {server.port} of 127.0.0.1 is unavailable: Address already in use\n", second.stderr
