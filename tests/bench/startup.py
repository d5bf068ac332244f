"""(d) Start-up time of the command line, compared with a Python that imports the modules that every such program
needs.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.bench.measure import Measure, spread
from tests.bench.process import PROFILEAPP, run

PAIRS = 15
CONFIG = """
name: bench
profiling:
  targets:
    - {args: "-interval 1 --use-gpu", timeout: 120}
    - {args: "--use-cpu", timeout: 0}
  metrics: ['system','gpu-summary']
"""


def startups() -> Iterator[Measure]:
    """Wall time of `--help` and of `plan`, each in pairs with the bare interpreter."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "sage.yaml")
        config.write_text(CONFIG)
        yield _start("profileapp --help", [PROFILEAPP, "--help"])
        yield _start("profileapp plan", [PROFILEAPP, "plan", str(config), "--image", "app:1"])


def _start(name: str, command: list[str]) -> Measure:
    bare = [sys.executable, "-c", "import yaml, click"]
    # The first run of each reads from disk; the others read from the page cache.
    run(command), run(bare)
    pairs = [(run(command), run(bare)) for _ in range(PAIRS)]
    for ours, peer in pairs:
        if ours.exit_code or peer.exit_code:
            raise SystemExit(f"{name} ended with {ours.exit_code}:\n{ours.output}{peer.output}")
    ratios = [ours.wall_s / peer.wall_s for ours, peer in pairs]
    ours_s, peer_s = (statistics.median(each[index].wall_s for each in pairs) for index in (0, 1))
    return Measure(
        f"start of {name}",
        f"{ours_s * 1e3:.0f} ms; quartiles of the ratios: {spread(ratios)}",
        f'python -c "import yaml, click": {peer_s * 1e3:.0f} ms',
        statistics.median(ratios),
        3,
        "×",
    )
