"""(g) Receiving app-reported metrics, compared with statsd_exporter and a plain receiver of JSON lines; lost
messages.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from profileapp.record.reader import read_series
from tests.bench.measure import Measure
from tests.bench.process import on_cpu_s

MESSAGES = 1_600_000
"""Sent as fast as they are taken."""
MILLION = 1_000_000
MEMORY_LIMIT_BYTES = 150_000_000
RATES_PER_S = (10_000, 50_000, 100_000)
PACED_S = 3.0
NAMES = 20
_DIFFERENT = 64_000
_WRITE_LINES = 32
_PACKED_LINES = 32
"""In a datagram: Datadog's client, which gathers by default, sends as many as 8 KiB hold."""
_NEEDED_RATIO = 1 / 3


@dataclass(frozen=True)
class Receiver:
    """A receiver process; `counts` is its output when it exits."""

    name: str
    process: subprocess.Popen[str]
    stream_path: str
    datagram_path: str


def ingest() -> Iterator[Measure]:
    """CPU time per message of one receiver on one core; the sender has the other core."""
    ours_json_s, _ = _flood("ours")
    plain_json_s, _ = _flood("plain")
    yield Measure(
        "CPU time of one JSON line over a stream socket, file included",
        f"{ours_json_s * 1e6:.2f} µs: {1 / ours_json_s:,.0f}/s of one core",
        f"asyncio and json, kept in memory: {plain_json_s * 1e6:.2f} µs",
        ours_json_s / plain_json_s,
        _NEEDED_RATIO,
    )
    if shutil.which("statsd_exporter"):
        for lines, what in ((_PACKED_LINES, f"of {_PACKED_LINES} in a datagram"), (1, "alone in a datagram")):
            ours_statsd_s, _ = _flood("ours", datagram_lines=lines)
            exporter_s, _ = _flood("statsd_exporter", datagram_lines=lines)
            yield Measure(
                f"CPU time of one line of statsd {what}, file included",
                f"{ours_statsd_s * 1e6:.2f} µs: {1 / ours_statsd_s:,.0f}/s of one core",
                f"statsd_exporter: {exporter_s * 1e6:.2f} µs",
                ours_statsd_s / exporter_s,
                _NEEDED_RATIO,
            )
    else:
        print("statsd_exporter is not on PATH: not compared with it", file=sys.stderr)
    for datagrams in (False, True):
        for rate_per_s in RATES_PER_S:
            yield _paced_beside(rate_per_s, datagrams=datagrams)


def million() -> list[Measure]:
    """A million values at once: the receiver's memory, and the result of each value."""
    with _receiver("ours") as receiver, tempfile.TemporaryDirectory():
        _send_stream(receiver, MILLION)
        peak_bytes = _peak_bytes(receiver.process.pid)
        counts = _end(receiver)
        folder = Path(receiver.stream_path).parents[1] / "profile/bench"
        found = sum(len(data) for data in read_series(folder, []).values())
    whole = counts["kept"] + counts["aggregated"] + counts["refused"]
    lost = MILLION - whole + counts["dropped"] + counts["written"] - found
    return [
        Measure(
            "memory of the worker with a million values in one go",
            f"{peak_bytes / 1e6:.0f} MB",
            f"{counts['kept']:,} kept, {counts['aggregated']:,} aggregated, {counts['refused']:,} refused",
            peak_bytes / 1e6,
            MEMORY_LIMIT_BYTES / 1e6,
            " MB",
        ),
        Measure("values of that million that are not accounted for", str(lost), "", abs(lost), 0),
    ]


@dataclass(frozen=True)
class Paced:
    """Results of messages sent at a fixed rate by a client that never waits for buffer space."""

    reached_per_s: float
    lost_percent: float
    cpu_percent: float
    """Of one core."""

    def __str__(self) -> str:
        return f"{self.lost_percent:.2f} % lost, {self.cpu_percent:.0f} % of a core"


def _paced_beside(rate_per_s: int, *, datagrams: bool) -> Measure:
    """Loss and CPU time at a rate, compared with the peer that uses the same protocol."""
    peer = "statsd_exporter" if datagrams else "plain"
    ours = _paced("ours", rate_per_s, datagrams=datagrams)
    has_peer = peer == "plain" or shutil.which(peer)
    beside = f"{peer}: {_paced(peer, rate_per_s, datagrams=datagrams)}" if has_peer else ""
    what = "datagrams" if datagrams else "lines of JSON"
    return Measure(
        f"{what} lost at {rate_per_s:,} a second ({ours.reached_per_s:,.0f} reached)",
        str(ours),
        beside,
        ours.lost_percent,
        0.0 if rate_per_s <= RATES_PER_S[1] else 100.0,
        " %",
    )


def _paced(name: str, rate_per_s: int, *, datagrams: bool) -> Paced:
    with _receiver(name) as receiver:
        began_cpu_s, began_s = on_cpu_s([receiver.process.pid]), time.perf_counter()
        sent = round(rate_per_s * PACED_S)
        if datagrams:
            _send_paced(receiver.datagram_path, socket.SOCK_DGRAM, b"series.%d:%d.25|g|#camera:left", sent, rate_per_s)
        else:
            line = b'{"name": "series.%d", "value": %d.25}\n'
            _send_paced(receiver.stream_path, socket.SOCK_STREAM, line, sent, rate_per_s)
        took_s = time.perf_counter() - began_s
        time.sleep(0.3)
        cpu = (on_cpu_s([receiver.process.pid]) - began_cpu_s) / took_s
        counts = _end(receiver)
    came = counts["kept"] + counts.get("aggregated", 0)
    return Paced(sent / took_s, (sent - came) / sent * 100, cpu * 100)


def _flood(name: str, *, datagram_lines: int = 0) -> tuple[float, dict[str, int]]:
    """CPU time per message and the number received; sent as fast as they are received, none is lost. By stream or
    datagrams.
    """
    with _receiver(name) as receiver:
        began_s = on_cpu_s([receiver.process.pid])
        if datagram_lines:
            _send_datagrams(receiver, datagram_lines)
        else:
            _send_stream(receiver, MESSAGES)
        counts = _end(receiver, began_s)
    came = counts["kept"] + counts.get("aggregated", 0)
    assert came == MESSAGES, (name, counts)
    return counts["cpu_ns"] / 1e9 / MESSAGES, counts


def _send_stream(receiver: Receiver, messages: int) -> None:
    """The messages are built once and repeated, so that the sender is not the bottleneck."""
    now_ns = time.time_ns()
    lines = [
        b'{"name": "series.%d", "meta": {"kind": "gauge", "unit": "ms"}, "value": %d.25,"timestamp":%d}\n'
        % (number % NAMES, number, now_ns + number)
        for number in range(_DIFFERENT)
    ]
    writes = [b"".join(lines[start : start + _WRITE_LINES]) for start in range(0, _DIFFERENT, _WRITE_LINES)]
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(receiver.stream_path)
        for number in range(messages // _WRITE_LINES):
            client.sendall(writes[number % len(writes)])


def _send_datagrams(receiver: Receiver, lines_each: int) -> None:
    lines = [b"series.%d:%d.25|g|#camera:left" % (number % NAMES, number) for number in range(_DIFFERENT)]
    writes = [b"\n".join(lines[start : start + lines_each]) for start in range(0, _DIFFERENT, lines_each)]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        client.connect(receiver.datagram_path)
        for number in range(MESSAGES // lines_each):
            client.send(writes[number % len(writes)])


def _send_paced(path: str, kind: socket.SocketKind, form: bytes, messages: int, rate_per_s: int) -> None:
    """Each message at its time; messages without buffer space are lost, as with most clients, but a stream has no
    partial lines.
    """
    with socket.socket(socket.AF_UNIX, kind) as client:
        client.connect(path)
        client.setblocking(kind == socket.SOCK_STREAM)
        began_s = time.perf_counter()
        for number in range(messages):
            while time.perf_counter() - began_s < number / rate_per_s:
                pass
            with suppress(BlockingIOError):
                client.send(form % (number % NAMES, number))


@contextmanager
def _receiver(name: str) -> Iterator[Receiver]:
    """A receiver on the last core; this process, the sender, is on the first."""
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        os.sched_setaffinity(0, {cores[-1]})
        if name == "statsd_exporter":
            process, paths = _exporter(folder)
        else:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.bench.receivers", name, folder],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            paths = process.stdout.readline().split() if process.stdout else []
        os.sched_setaffinity(0, {cores[0]})
        try:
            yield Receiver(name, process, *paths)
        finally:
            process.kill()
            process.wait()
            os.sched_setaffinity(0, set(cores))


def _exporter(folder: str) -> tuple[subprocess.Popen[str], list[str]]:
    path = Path(folder, "exporter.sock")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [
            "statsd_exporter",
            "--statsd.listen-udp=",
            "--statsd.listen-tcp=",
            f"--statsd.listen-unixgram={path}",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"GOMAXPROCS": "1"},
        text=True,
    )
    deadline_s = time.monotonic() + 10
    while not path.exists() and time.monotonic() < deadline_s:
        time.sleep(0.05)
    return process, [f"http://127.0.0.1:{port}/metrics", str(path)]


def _end(receiver: Receiver, cpu_from_s: float = 0.0) -> dict[str, int]:
    """The receiver's counts, and its CPU time (ns) until it had received all."""
    process = receiver.process
    if receiver.name == "statsd_exporter":
        came, before = 0, -1
        while came > before:
            time.sleep(0.7)
            before = came
            cpu_s = on_cpu_s([process.pid])
            with urllib.request.urlopen(receiver.stream_path) as page:  # noqa: S310 (our own)
                lines = page.read().decode().splitlines()
            counts = [line.split()[1] for line in lines if line.startswith("statsd_exporter_samples_total")]
            came = sum(int(float(count)) for count in counts)
        return {"kept": came, "cpu_ns": round((cpu_s - cpu_from_s) * 1e9)}
    assert process.stdin and process.stdout
    # The receiver reads pending data before it exits; schedstat must be read before that exit.
    before_s = -1.0
    while (now_s := on_cpu_s([process.pid])) - before_s > 0.002:
        before_s = now_s
        time.sleep(0.7)
    process.stdin.close()
    counts: dict[str, int] = msgspec.json.decode(process.stdout.readline(), type=dict[str, int])
    return counts | {"cpu_ns": round((now_s - cpu_from_s) * 1e9)}


def _peak_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


if __name__ == "__main__":
    print(json.dumps([one.ours for one in ingest()]))
