"""Default limits of an app, which the agent's operator can change."""

from __future__ import annotations

import os

RESERVE_BYTES = 512 * 1024**2


def default_memory_bytes() -> int:
    """The agent's memory minus a tenth, at least minus 512 MiB: the app runs out of memory before the agent does."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(total // 2, total - max(RESERVE_BYTES, total // 10))
