"""Keeps Python's garbage collector from interrupting sampling."""

from __future__ import annotations

import gc


def freeze_gc() -> None:
    """Excludes all objects that exist now (modules, the setup of a run) from later collections.

    Scanning these tens of thousands of objects takes over 10 ms, in which nothing is sampled, and a client that does
    not block finds the kernel's queue full. Source: "gc.freeze" in the Python documentation.
    """
    gc.collect()
    gc.freeze()
