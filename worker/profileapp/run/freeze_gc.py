"""Python's search for garbage, kept away from what is sampled."""

from __future__ import annotations

import gc


def freeze_gc() -> None:
    """From now on a full search passes over all that is in memory now: modules, and what was set up for a run.

    Their tens of thousands of objects take over 10 ms, in which nothing is sampled, and a client that does not wait
    finds the kernel's queue full. "gc.freeze" of the Python documentation.
    """
    gc.collect()
    gc.freeze()
