"""When a client gets its next frame: by the clock, as fast as it takes them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from profileapp.playback.player import Player

LATE_S = 1.0
"""A client that is further behind goes on with what is shown now."""


async def next_frame(player: Player, number: int, may_write: asyncio.Event, is_open: Callable[[], bool]) -> int:
    """The number of the frame that is sent next, when it is due and the client takes it."""
    await may_write.wait()
    wait_s = player.due_s(number + 1)
    if wait_s < -LATE_S:
        return max(number + 1, player.sync_before(player.position()))
    while wait_s > 0 and is_open():
        # Until the app's start the clock stands, so that no wait can be told in advance.
        await asyncio.sleep(min(wait_s, 0.1))
        wait_s = player.due_s(number + 1)
    return number + 1
