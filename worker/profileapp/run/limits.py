"""What an app may use where the agent's operator says nothing."""

from __future__ import annotations

import os

RESERVE_BYTES = 512 * 1024**2


def default_memory_bytes() -> int:
    """All of the agent's memory but a tenth, or 512 MiB where that is more: an app runs out before the agent does."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(total // 2, total - max(RESERVE_BYTES, total // 10))
