"""What is played at each moment, by one clock, and the count of what was offered and served."""

from __future__ import annotations

import time
from bisect import bisect_right
from pathlib import Path
from typing import BinaryIO

from profileapp.client import counter
from profileapp.playback.recordings import Recordings

CACHE_LIMIT_BYTES = 64 * 1024**2
"""The limit of images and sound cached in memory."""


class Clock:
    """Seconds since the app's start; 0 until then, so that every app meets the same frames at the same time."""

    def __init__(self) -> None:
        self._began_s: float | None = None

    def begin(self) -> None:
        """The app has been started; only the first call counts."""
        if self._began_s is None:
            self._began_s = time.monotonic()

    def now_s(self) -> float:
        """The position."""
        return 0.0 if self._began_s is None else time.monotonic() - self._began_s


class FileCache:
    """The content of files: those read first are cached while they fit; the rest is read each time."""

    def __init__(self, limit_bytes: int = CACHE_LIMIT_BYTES) -> None:
        self._left_bytes = limit_bytes
        self._kept: dict[Path, bytes] = {}

    def read(self, path: Path) -> bytes:
        """Raises OSError."""
        content = self._kept.get(path)
        if content is None:
            content = path.read_bytes()
            if len(content) <= self._left_bytes:
                self._left_bytes -= len(content)
                self._kept[path] = content
        return content


class Player:
    """One played stream. Frames are numbered from 0 at the app's start, and the count continues when it loops."""

    def __init__(self, recordings: Recordings, clock: Clock, cache: FileCache) -> None:
        self.recordings = recordings
        self.name = recordings.name
        self.served = 0
        self.served_bytes = 0
        self._clock = clock
        self._cache = cache
        self._reported = [0, 0, 0]
        video = recordings.video
        self._stream: BinaryIO | None = video.path.open("rb") if video else None
        self._times = [frame.time for frame in video.frames] if video else []
        self.count = len(video.frames) if video else len(recordings.files)

    def position(self) -> int:
        """The number of the frame that is shown now."""
        return self.position_at(self._clock.now_s())

    def position_at(self, now_s: float) -> int:
        """The number of the frame that is shown `now_s` after the app's start."""
        video = self.recordings.video
        if video is None:
            # What was meant to be exact in decimal must not fall short in binary.
            return int(now_s * self.recordings.rate + 1e-9)
        rounds, time_ = divmod(round(now_s * video.scale), video.duration)
        return rounds * self.count + bisect_right(self._times, time_) - 1

    def due_s(self, number: int) -> float:
        """When a frame is shown, in seconds from now; negative where that is past."""
        return self.shown_s(number) - self._clock.now_s()

    def shown_s(self, number: int) -> float:
        """When a frame is shown, in seconds from the app's start."""
        video = self.recordings.video
        if video is None:
            return number / self.recordings.rate
        rounds, index = divmod(number, self.count)
        return (rounds * video.duration + self._times[index]) / video.scale

    def sync_before(self, number: int) -> int:
        """The last key frame up to this one."""
        video = self.recordings.video
        if video is None:
            return number
        rounds, index = divmod(number, self.count)
        while not video.frames[index].is_sync:
            index -= 1
        return rounds * self.count + index

    def file(self, number: int) -> bytes:
        """An image or a recording of sound. Raises OSError."""
        return self._cache.read(self.recordings.files[number % self.count])

    def frame(self, number: int) -> bytes:
        """A frame of the video as it is in the file. Raises OSError."""
        if self.recordings.video is None or self._stream is None:
            raise FileNotFoundError
        frame = self.recordings.video.frames[number % self.count]
        self._stream.seek(frame.offset)
        return self._stream.read(frame.size)

    def count_served(self, size_bytes: int, frames: int = 1) -> None:
        """So much has been sent."""
        self.served += frames
        self.served_bytes += size_bytes

    def report(self) -> None:
        """Reports to the profiler what was offered and what was served since the last call."""
        began = self._clock.now_s() > 0
        now = [self.position() + 1 if began else 0, self.served, self.served_bytes]
        offered, served, sent = (total - reported for total, reported in zip(now, self._reported, strict=True))
        self._reported = now
        counter("playback.offered", offered, "frames", stream=self.name)
        counter("playback.served", served, "frames", stream=self.name)
        counter("playback.sent", sent, "bytes", stream=self.name)
