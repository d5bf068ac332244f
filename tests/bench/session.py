"""Takes measures one after the other, prints each at once, and prints the table at the end, even after a failure."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterable, Mapping
from types import FrameType

from tests.bench.measure import Measure, show

Take = Callable[[], Iterable[Measure]]
_INTERRUPTED = 128 + signal.SIGINT
_TERMINATED = 128 + signal.SIGTERM


def take_all(chosen: Mapping[str, Take]) -> int:
    """Prints the selected measures. Returns 0 if all hold, 1 if one is missed, 130 after Ctrl-C.

    After SIGTERM or a failed measure it also prints the table of the measures taken until then.
    """
    load_before = os.getloadavg()[0]
    signal.signal(signal.SIGTERM, _terminate)
    taken: list[Measure] = []
    try:
        for word, take in chosen.items():
            print(f"measuring: {word}", file=sys.stderr, flush=True)
            for measure in take():
                taken.append(measure)
                print(measure, flush=True)
    except KeyboardInterrupt:
        print("interrupted: what was measured until then", file=sys.stderr, flush=True)
        return _INTERRUPTED
    finally:
        if taken:
            show(taken, load_before)
    return 0 if all(measure.holds for measure in taken) else 1


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(_TERMINATED)
