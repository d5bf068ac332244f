"""(h) What one call costs the app: `gauge()` compared with the clients of Datadog and statsd on a stream socket."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from statistics import median

from tests.bench.measure import Measure

CALLS = 20_000
ROUNDS = 9
_LISTENING_NEEDED = 1.0
_ALONE_LIMIT_NS = 1000.0
# Each call is timed separately; the cost of the clock is equal in all. The list of times is allocated first: touching
# new memory takes longer than a call, and would distort one call in a hundred.
_APP = """
import json, os, sys, time
from array import array
path, who, count = sys.argv[1:]
if who == "profileapp":
    if path:
        os.environ["PROFILEAPP_SOCKET"] = path
    from profileapp.client import gauge as call
elif who == "statsd":
    from statsd.client.stream import UnixSocketStatsClient
    call = UnixSocketStatsClient(path).gauge
else:
    from datadog.dogstatsd import DogStatsd
    buffering = who == "datadog, buffering"
    call = DogStatsd(socket_path="unixstream://" + path, disable_buffering=not buffering, socket_timeout=5).gauge
clock = time.perf_counter_ns
took = array("q", [1]) * int(count)
for number in range(int(count)):
    before = clock()
    call("fps", 12.5)
    took[number] = clock() - before
took = sorted(took)
print(json.dumps([took[len(took) // 2], took[len(took) * 99 // 100]]))
"""
_PEERS = ("statsd", "datadog", "datadog, buffering")


def calls() -> list[Measure]:
    """Median and 99th percentile of a call, each the median of several rounds; the listener only reads."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "s"))
        drain = _Drain(path)
        # Interleaved, so that other load on the machine affects all equally.
        rounds = [{who: _took_ns(path, who) for who in ("profileapp", *_PEERS)} for _ in range(ROUNDS)]
        drain.close()
    best = {who: [median(one[who][place] for one in rounds) for place in (0, 1)] for who in rounds[0]}
    alone_ns = median(_took_ns("", "profileapp")[0] for _ in range(ROUNDS))
    peers = "; ".join(f"{who}: {best[who][0] / 1000:.2f} µs, p99 {best[who][1] / 1000:.1f} µs" for who in _PEERS)
    ours = best["profileapp"]
    return [
        Measure(
            f"a call of gauge(), {word}, beside the cheapest client of others",
            f"{ours[place] / 1000:.2f} µs",
            peers,
            ours[place] / min(best[who][place] for who in _PEERS),
            _LISTENING_NEEDED,
        )
        for place, word in enumerate(("median", "p99"))
    ] + [Measure("a call of gauge() where nobody listens", f"{alone_ns} ns", "", alone_ns, _ALONE_LIMIT_NS, " ns")]


def _took_ns(path: str, who: str) -> tuple[int, int]:
    output = subprocess.run(
        [sys.executable, "-c", _APP, path, who, str(CALLS)],
        check=True,
        capture_output=True,
        text=True,
        env={key: value for key, value in os.environ.items() if not key.startswith(("DD_", "PROFILEAPP_"))},
    ).stdout
    median_ns, p99_ns = json.loads(output.splitlines()[-1])
    return median_ns, p99_ns


class _Drain:
    """Accepts connections and discards their data."""

    def __init__(self, path: str) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            while client.recv(1 << 20):
                pass
            client.close()

    def close(self) -> None:
        self._listener.close()
