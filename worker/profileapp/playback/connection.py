"""The base of all connections: limits, and a stream that waits for its client."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress

from profileapp.playback.player import Player

CONNECTION_LIMIT = 200
REQUEST_LIMIT_BYTES = 16 * 1024
IDLE_TIMEOUT_S = 60.0
LATE_S = 1.0
"""A client that is further behind skips to the current frame."""


class Connection(asyncio.Protocol):
    """One of `connections`, the set of all open ones. A request must arrive within IDLE_TIMEOUT_S."""

    def __init__(self, connections: set[Connection]) -> None:
        self._connections = connections
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._task: asyncio.Task[None] | None = None
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._timeout: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport) or len(self._connections) >= CONNECTION_LIMIT:
            transport.close()
            return
        self._transport = transport
        self._connections.add(self)
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        self._transport = None
        self._may_write.set()
        if self._timeout:
            self._timeout.cancel()
        if self._task:
            self._task.cancel()

    def pause_writing(self) -> None:
        self._may_write.clear()

    def resume_writing(self) -> None:
        self._may_write.set()

    def _expect(self) -> None:
        """Restarts the deadline of the next request."""
        if self._timeout:
            self._timeout.cancel()
        self._timeout = asyncio.get_running_loop().call_later(IDLE_TIMEOUT_S, self._close)

    def _begin(self, stream: Coroutine[object, object, None]) -> None:
        """Starts to stream, until either side ends the connection."""
        if self._timeout:
            self._timeout.cancel()
        self._task = asyncio.get_running_loop().create_task(self._to_the_end(stream))

    async def _to_the_end(self, stream: Coroutine[object, object, None]) -> None:
        with suppress(OSError):
            await stream
        self._close()

    async def _next(self, player: Player, number: int) -> int:
        """The number of the next frame, once it is due and the client is ready for it."""
        await self._may_write.wait()
        wait_s = player.due_s(number + 1)
        if wait_s < -LATE_S:
            return max(number + 1, player.sync_before(player.position()))
        while wait_s > 0 and self._transport:
            # The clock starts with the app, so until then the wait cannot be computed.
            await asyncio.sleep(min(wait_s, 0.1))
            wait_s = player.due_s(number + 1)
        return number + 1

    def _close(self) -> None:
        if self._transport:
            self._transport.close()
