"""The error of each known load, as `profileapp selftest` prints it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

from tests.bench.measure import Measure
from tests.bench.process import PROFILEAPP


def errors() -> Iterator[Measure]:
    """One measure for each number that could be compared, in both runtimes."""
    for runtime in ("docker", "process"):
        command = [PROFILEAPP, "selftest", "--runtime", runtime, "--json"]
        done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
        if not done.stdout:
            raise SystemExit(f"{' '.join(command)} ended with {done.returncode}")
        for one in json.loads(done.stdout)["results"]:
            if one["measured"] is not None and one["truth"]:
                yield Measure(
                    f"{runtime}: {one['load']}, {one['what']}",
                    f"measured {one['measured']:.6g} {one['unit']}",
                    f"truth {one['truth']:.6g} {one['unit']}",
                    abs(one["error"]) * 100,
                    one["allowed"] / abs(one["truth"]) * 100,
                    " %",
                )
