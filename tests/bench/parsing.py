"""Parsing lines of tegrastats, compared with the decoder of jetson-stats (jtop) on the same lines."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from profileapp.collect.jetson.tegrastats_line import TegrastatsParser
from tests.bench.measure import Measure
from tests.helpers.paths import RECORDED

TEGRASTATS = RECORDED / "tegrastats"
ROUNDS = 7
LINES = 4000
LONG_RECORDING = 100
_OWN = (
    "RAM {0}/30536MB (lfb 4x4MB) SWAP 0/15268MB (cached 0MB) CPU [{1}%@729,{2}%@729,0%@729,off,off,off,off,off] "
    "EMC_FREQ 0%@2133 GR3D_FREQ {1}%@[305,305] NVENC off NVDEC off VIC_FREQ 729 APE 174 cpu@{3}C tboard@36.6C "
    "soc2@44.6C tdiode@38C soc0@44.8C gpu@-256C tj@{3}C soc1@43.8C VDD_GPU_SOC {0}mW/2846mW VDD_CPU_CV {2}mW/430mW "
    "VIN_SYS_5V0 4036mW/4036mW"
)


def decoder_of_jtop() -> Callable[[str], Any] | None:
    """The decoder of jtop; None if jetson-stats is not installed (the extra `bench`)."""
    try:
        from jtop.core.tegrastats import Tegrastats
    except ImportError:
        return None
    return Tegrastats.__new__(Tegrastats)._decode


def tegrastats() -> Iterator[Measure]:
    """Time per line: the minimum of several rounds, each recording read by a new parser, as in a run.

    Recordings with many lines resemble a run: our parser has seen most fields of a line before. In short recordings
    its cache is cold.
    """
    peer = decoder_of_jtop()
    if peer is None:
        raise SystemExit("jetson-stats is not installed, and is the peer of this measure: pip install -e '.[bench]'")
    usable = [[line for line in lines if _decodes(peer, line)] for lines in _recordings()]
    long = [lines for lines in usable if len(lines) >= LONG_RECORDING]
    yield _one("a run's line of tegrastats", long, peer, 1 / 5)
    yield _one("a line of tegrastats, short recordings too", usable, peer, 1 / 4)


def _one(name: str, recordings: Sequence[Sequence[str]], peer: Callable[[str], Any], limit: float) -> Measure:
    count = sum(map(len, recordings))
    ours_s = min(sum(_seconds(TegrastatsParser().parse, lines) for lines in recordings) for _ in range(ROUNDS)) / count
    peers_s = min(sum(_seconds(peer, lines) for lines in recordings) for _ in range(ROUNDS)) / count
    return Measure(
        f"time of {name} ({count} lines of {len(recordings)} recordings)",
        f"{ours_s * 1e6:.1f} µs",
        f"jetson-stats' decoder: {peers_s * 1e6:.1f} µs",
        ours_s / peers_s,
        limit,
    )


def _recordings() -> list[list[str]]:
    """Recorded lines if available, otherwise lines of our own."""
    found = [
        [line for line in path.read_text(errors="replace").splitlines() if "RAM" in line]
        for path in sorted(TEGRASTATS.rglob("*.txt"))
    ]
    return found or [
        [_OWN.format(2000 + each % 300, each % 100, each % 7, 40 + each % 40 / 8) for each in range(LINES)]
    ]


def _decodes(peer: Callable[[str], Any], line: str) -> bool:
    try:
        return bool(peer(line))
    except Exception:
        # Lines of boards that jtop does not support.
        return False


def _seconds(parse: Callable[[str], Any], lines: Sequence[str]) -> float:
    began_s = time.process_time()
    for line in lines:
        parse(line)
    return time.process_time() - began_s
