"""The HTTP server: Waggle's playback addresses, and streams that follow the clock.

    /NAME/live.mp4     an endless video, in fragments (video/mp4)
    /NAME/live.mjpg    an endless sequence of images at their rate (multipart/x-mixed-replace)
    /NAME/image.jpg    the current image; image.png for PNGs
    /NAME/audio.wav    the current recording, with its own suffix
    /ready             204 once playback is ready

A client that is too slow misses frames, as with a camera.
Sources: Waggle, wes-playback-server (README); RFC 9112, "HTTP/1.1".
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from pathlib import PurePosixPath

from profileapp.playback.connection import REQUEST_LIMIT_BYTES, Connection
from profileapp.playback.mp4 import fragment
from profileapp.playback.player import Player
from profileapp.playback.recordings import IMAGE_SUFFIXES, SOUND_SUFFIXES

_BOUNDARY = b"profileapp-frame"
_CUT = b"\r\n\r\n"


class Playback(Connection):
    """One connection."""

    def __init__(self, players: Mapping[str, Player], connections: set[Connection]) -> None:
        super().__init__(connections)
        self._players = players

    def data_received(self, data: bytes) -> None:
        if self._task:
            return
        self._received += data
        while self._transport and not self._task:
            head, cut, rest = self._received.partition(_CUT)
            if not cut:
                if len(self._received) > REQUEST_LIMIT_BYTES:
                    self._answer(431, keep=False)
                return
            self._received = rest
            self._expect()
            self._handle(head)

    def _handle(self, head: bytes) -> None:
        line, _, fields = head.partition(b"\r\n")
        words = line.split(b" ")
        if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
            self._answer(400, keep=False)
            return
        fields = fields.lower()
        keep = b"connection: close" not in fields and (words[2] != b"HTTP/1.0" or b"connection: keep-alive" in fields)
        if words[0] not in (b"GET", b"HEAD"):
            self._answer(405, keep=False)
            return
        target = words[1].partition(b"?")[0].decode("latin-1")
        if target == "/ready":
            self._answer(204, keep=keep)
            return
        self._serve(PurePosixPath(target), words[0] == b"HEAD", keep=keep)

    def _serve(self, path: PurePosixPath, is_head: bool, *, keep: bool) -> None:
        player = self._players.get(path.parts[1]) if len(path.parts) == 3 and path.parts[0] == "/" else None
        if player is None:
            self._answer(404, keep=keep)
            return
        kind = path.parts[2]
        recordings = player.recordings
        if kind == "live.mp4" and recordings.video:
            self._stream(player, b"video/mp4", self._play_video, is_head)
        elif kind == "live.mjpg" and recordings.files and not recordings.is_sound:
            self._stream(player, b"multipart/x-mixed-replace;boundary=" + _BOUNDARY, self._play_images, is_head)
        elif kind in ("image.jpg", "image.png", f"audio{path.suffix}") and recordings.files:
            self._one_file(player, kind, is_head, keep)
        else:
            self._answer(404, keep=keep)

    def _one_file(self, player: Player, kind: str, is_head: bool, keep: bool) -> None:
        number = player.position()
        suffix = player.recordings.files[number % player.count].suffix.lower()
        media = {**IMAGE_SUFFIXES, **SOUND_SUFFIXES}[suffix]
        wanted = {**IMAGE_SUFFIXES, **SOUND_SUFFIXES}.get(PurePosixPath(kind).suffix)
        if player.recordings.is_sound != kind.startswith("audio") or media != wanted:
            self._answer(404, keep=keep)
            return
        try:
            content = player.file(number)
        except OSError:
            self._answer(500, keep=keep)
            return
        self._answer(200, keep=keep, media=media, content=content, is_head=is_head)
        if not is_head:
            player.count_served(len(content))

    def _answer(
        self, status: int, *, keep: bool, media: str = "text/plain", content: bytes = b"", is_head: bool = False
    ) -> None:
        if self._transport is None:
            return
        head = (
            f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: {media}\r\nContent-Length: {len(content)}\r\n"
            f"Cache-Control: no-store\r\nConnection: {'keep-alive' if keep else 'close'}\r\n\r\n"
        ).encode()
        self._transport.write(head if is_head else head + content)
        if not keep:
            self._close()

    def _stream(
        self, player: Player, media: bytes, play: Callable[[Player], Coroutine[object, object, None]], is_head: bool
    ) -> None:
        if self._transport is None:
            return
        head = (
            b"HTTP/1.1 200 OK\r\nContent-Type: " + media + b"\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
        )
        self._transport.write(head)
        if is_head:
            self._close()
            return
        self._begin(play(player))

    async def _play_images(self, player: Player) -> None:
        number = player.position()
        while self._transport:
            content = player.file(number)
            self._transport.write(
                b"--%s\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n"
                % (_BOUNDARY, len(content), content)
            )
            player.count_served(len(content))
            number = await self._next(player, number)

    async def _play_video(self, player: Player) -> None:
        video = player.recordings.video
        if video is None or self._transport is None:
            return
        self._transport.write(video.header)
        # A new client first receives the frames since the last key frame, and its time begins with them.
        number = first = player.sync_before(player.position())
        sequence = 0
        began = self._time_of(player, first)
        while self._transport:
            frame = video.frames[number % player.count]
            content = player.frame(number)
            sequence += 1
            part = fragment(video, frame, content, sequence, self._time_of(player, number) - began)
            self._transport.write(part)
            player.count_served(len(content))
            number = await self._next(player, number)

    def _time_of(self, player: Player, number: int) -> int:
        video = player.recordings.video
        if video is None:
            return 0
        return number // player.count * video.duration + video.frames[number % player.count].time


_REASONS = {
    200: "OK",
    204: "No Content",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
}
