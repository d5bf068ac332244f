"""RTSP with a real client, PyAV (FFmpeg), and with invalid requests."""

from __future__ import annotations

import io
import itertools
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from profileapp.playback.jpeg import Jpeg, JpegError, jpeg_payloads, parse_jpeg
from profileapp.playback.mp4 import Video
from profileapp.playback.recordings import Recordings
from profileapp.playback.rtp import PAYLOAD_BYTES, RtpError, format_of
from tests.helpers.tiny_mp4 import tiny_mp4
from tests.helpers.worker_process import wait_until

FRAMES, RATE = 50, 25


def grey(number: int, size: tuple[int, int] = (160, 120)) -> Any:
    """An image with a pattern, so that it needs more than one packet; its mean grows by 4 with each frame."""
    noise = numpy.random.default_rng(1).integers(-20, 20, (size[1], size[0], 3))
    return numpy.clip(noise + 25 + number * 4, 0, 255).astype(numpy.uint8)


def video(path: Path, codec: str) -> None:
    with av.open(str(path), "w") as sink:
        stream = sink.add_stream(codec, rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        stream.bit_rate = 4_000_000
        stream.codec_context.gop_size = 10
        stream.codec_context.max_b_frames = 0
        for number in range(FRAMES):
            sink.mux(stream.encode(av.VideoFrame.from_ndarray(grey(number), format="rgb24")))
        sink.mux(stream.encode(None))


def jpeg(number: int = 0, **how: Any) -> bytes:
    content = io.BytesIO()
    Image.fromarray(grey(number)).save(content, "JPEG", **how)
    return content.getvalue()


class Server:
    def __init__(self, port: int, process: subprocess.Popen[bytes]) -> None:
        self.port = port
        self.process = process

    def frames(self, name: str, count: int, **options: str) -> list[Any]:
        """The first images that a client gets, and their times in the stream (s)."""
        found = []
        with av.open(f"rtsp://127.0.0.1:{self.port}/{name}", options=options, timeout=20) as source:
            for frame in source.decode(video=0):
                found.append((frame.to_ndarray(format="rgb24").astype(float), frame.time))
                if len(found) == count:
                    return found
        raise AssertionError(f"only {len(found)} frames came")

    def exchange(self, *requests: bytes) -> bytes:
        """The answer, until the connection ends or no more data arrives."""
        content = b""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            for request in requests:
                connection.sendall(request)
            connection.settimeout(1)
            try:
                while part := connection.recv(65536):
                    content += part
            except (TimeoutError, ConnectionResetError):
                return content
        return content


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("rtsp")
    video(folder / "h264.mp4", "libx264")
    video(folder / "mpeg4.mp4", "mpeg4")
    (folder / "odd.mp4").write_bytes(tiny_mp4([b"frame"] * 5))
    for name, suffix in (("cam", "jpg"), ("progressive", "jpg"), ("png", "png")):
        (folder / name).mkdir()
        for number in range(20):
            content = jpeg(number, progressive=name == "progressive")
            (folder / name / f"{number}.{suffix}").write_bytes(content)
    ports = []
    for _ in range(2):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            ports.append(free.getsockname()[1])
    names = {"h264": "h264.mp4", "mpeg4": "mpeg4.mp4", "odd": "odd.mp4", "cam": "cam", "progressive": "progressive",
             "png": "png"}  # fmt: skip
    streams = [{"name": name, "path": str(folder / path), "rate": 10} for name, path in names.items()]
    process = subprocess.Popen(
        [sys.executable, "-m", "profileapp.playback", "127.0.0.1", *map(str, ports), json.dumps(streams)]
    )
    one = Server(ports[1], process)

    def answers() -> bool:
        try:
            return b"200 OK" in one.exchange(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n", bye())
        except OSError:
            return False

    wait_until(answers)
    process.send_signal(signal.SIGUSR1)
    yield one
    process.terminate()
    assert process.wait(10) == 0


def bye() -> bytes:
    return b"TEARDOWN * RTSP/1.0\r\nCSeq: 99\r\n\r\n"


@pytest.mark.parametrize("name", ["h264", "mpeg4", "cam"])
def test_a_client_decodes_the_stream(name: str, server: Server) -> None:
    found = server.frames(name, 15, rtsp_transport="tcp")
    means = [picture.mean() for picture, _ in found]
    steps = [later - earlier for earlier, later in itertools.pairwise(means)]
    # Except where the stream restarts, each frame is brighter by 4.
    assert sum(2.5 < step < 5.5 for step in steps) >= len(steps) - 1, means
    times = [time for _, time in found if time is not None]
    apart_s = 0.1 if name == "cam" else 1 / RATE
    assert sum(abs(b - a - apart_s) < 0.01 for a, b in itertools.pairwise(times)) >= len(times) - 3, times
    assert found[0][0].shape == (120, 160, 3)


def test_an_image_arrives_unchanged(server: Server) -> None:
    (picture, _), *_ = server.frames("cam", 1)
    best = min(
        abs(picture - numpy.asarray(Image.open(io.BytesIO(jpeg(number)))).astype(float)).mean() for number in range(20)
    )
    assert best < 3


def test_a_client_that_requests_udp_falls_back_to_tcp(server: Server) -> None:
    assert len(server.frames("h264", 2)) == 2
    setup = b"SETUP rtsp://h/cam/track RTSP/1.0\r\nCSeq: 3\r\nTransport: RTP/AVP;unicast;client_port=5000-5001\r\n\r\n"
    assert b"RTSP/1.0 461 Unsupported Transport\r\nCSeq: 3\r\n" in server.exchange(setup, bye())


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (b"DESCRIBE rtsp://h/nobody RTSP/1.0\r\nCSeq: 1\r\n\r\n", b"404 Not Found"),
        (b"DESCRIBE rtsp://h/../etc RTSP/1.0\r\nCSeq: 1\r\n\r\n", b"404 Not Found"),
        (b"DESCRIBE rtsp://[h/cam RTSP/1.0\r\nCSeq: 1\r\n\r\n", b"404 Not Found"),
        (b"DESCRIBE rtsp://h/png RTSP/1.0\r\nCSeq: 1\r\n\r\n", b"415 Unsupported Media Type"),
        (b"DESCRIBE rtsp://h/progressive RTSP/1.0\r\nCSeq: 1\r\n\r\n", b"415 Unsupported Media Type"),
        (b"DESCRIBE rtsp://h/odd RTSP/1.0\r\nCSeq: 1\r\n\r\n", b"415 Unsupported Media Type"),
        (b"PLAY rtsp://h/cam RTSP/1.0\r\nCSeq: 1\r\n\r\n", b"455 Method Not Valid"),
        (b"RECORD rtsp://h/cam RTSP/1.0\r\nCSeq: 1\r\n\r\n", b"405 Method Not Allowed"),
        (b"GET_PARAMETER rtsp://h/cam RTSP/1.0\r\nCSeq: 7\r\nContent-Length: 4\r\n\r\nabcd", b"200 OK\r\nCSeq: 7"),
        (b"$\x01\x00\x04abcdOPTIONS * RTSP/1.0\r\nCSeq: 5\r\n\r\n", b"200 OK\r\nCSeq: 5"),
        (b"GET / HTTP/1.1\r\n\r\n", b"400 Bad Request"),
        (b"OPTIONS * RTSP/1.0\r\n\r\n", b"400 Bad Request"),
        (b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 99999999\r\n\r\n", b""),
        (b"x" * 20_000, b""),
    ],
)
def test_invalid_requests_get_an_answer_and_affect_no_other(request_: bytes, answer: bytes, server: Server) -> None:
    assert answer in server.exchange(request_, bye())
    assert server.process.poll() is None


def parsed(**how: Any) -> Jpeg:
    return parse_jpeg(jpeg(**how))


def test_parsing_of_a_jpeg_for_rtp() -> None:
    image = parsed(quality=90)
    assert (image.kind, image.width, image.height, image.restart_interval) == (1, 160, 120, 0)
    assert len(image.tables) == 128
    assert parsed(subsampling="4:2:2").kind == 0
    assert parsed(restart_marker_blocks=5).restart_interval == 5
    payloads = list(jpeg_payloads(image, 1000))
    assert b"".join(payload[8:] for payload in payloads[1:]) == image.scan[1000:]
    assert payloads[0][8:12] == b"\0\0\0\x80"
    assert all(int.from_bytes(payload[1:4], "big") == 1000 * number for number, payload in enumerate(payloads))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"progressive": True}, "not a baseline"),
        ({"subsampling": "4:4:4"}, "chroma subsampling other"),
        ({"optimize": True}, "custom Huffman tables"),
    ],
)
def test_unsupported_rtp_payloads_are_reported(how: dict[str, Any], message: str) -> None:
    with pytest.raises(JpegError, match=message):
        parsed(**how)


@given(st.binary(max_size=300) | st.tuples(st.integers(0, 3000), st.binary(max_size=4)).map(
    lambda cut: jpeg()[: cut[0]] + cut[1] + jpeg()[cut[0] + 1 :]
))  # fmt: skip
def test_garbage_raises_only_the_documented_error(content: bytes) -> None:
    try:
        image = parse_jpeg(content)
    except JpegError:
        return
    assert all(len(payload) <= PAYLOAD_BYTES + 8 + 4 + 132 for payload in jpeg_payloads(image, PAYLOAD_BYTES))


@given(st.binary(max_size=200))
def test_a_video_with_an_invalid_configuration_is_refused(config: bytes) -> None:
    video_ = Video(Path("a.mp4"), 1, 1, [], b"", 1)
    for codec, box in (("avc1", b"avcC"), ("mp4v", b"esds"), ("hev1", b"hvcC")):
        whole = (len(config) + 8).to_bytes(4, "big") + box + config
        try:
            form = format_of(Recordings("a", 1, video=video_._replace(codec=codec, config=whole)))
        except RtpError:
            continue
        assert form.fmtp.isprintable()
        assert all(len(payload) <= PAYLOAD_BYTES + 2 for payload in form.cut(config))
