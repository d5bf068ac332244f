"""Plays streams by one clock, and counts the offered and served frames."""

from __future__ import annotations

import time
from bisect import bisect_right
from pathlib import Path
from typing import BinaryIO

from profileapp.client import counter
from profileapp.playback.recordings import Recordings

CACHE_LIMIT_BYTES = 64 * 1024**2
"""Limit of images and audio cached in memory."""


class Clock:
    """Seconds since the app's start; 0 until then, so that every app sees the same frames at the same time."""

    def __init__(self) -> None:
        self._began_s: float | None = None

    def begin(self) -> None:
        """Starts the clock; only the first call has an effect."""
        if self._began_s is None:
            self._began_s = time.monotonic()

    def now_s(self) -> float:
        """The current time."""
        return 0.0 if self._began_s is None else time.monotonic() - self._began_s


class FileCache:
    """The content of files: the first ones that fit are cached, the others are read each time."""

    def __init__(self, limit_bytes: int = CACHE_LIMIT_BYTES) -> None:
        self._left_bytes = limit_bytes
        self._kept: dict[Path, bytes] = {}

    def read(self, path: Path) -> bytes:
        """The content of a file. Raises OSError."""
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
        """The number of the current frame."""
        return self.position_at(self._clock.now_s())

    def position_at(self, now_s: float) -> int:
        """The number of the frame that is current `now_s` after the app's start."""
        video = self.recordings.video
        if video is None:
            # A product that is an integer in decimal must not be rounded down in binary.
            return int(now_s * self.recordings.rate + 1e-9)
        rounds, time_ = divmod(round(now_s * video.scale), video.duration)
        return rounds * self.count + bisect_right(self._times, time_) - 1

    def due_s(self, number: int) -> float:
        """The time until a frame is shown, in seconds; negative if it is past."""
        return self.shown_s(number) - self._clock.now_s()

    def shown_s(self, number: int) -> float:
        """The time at which a frame is shown, in seconds since the app's start."""
        video = self.recordings.video
        if video is None:
            return number / self.recordings.rate
        rounds, index = divmod(number, self.count)
        return (rounds * video.duration + self._times[index]) / video.scale

    def sync_before(self, number: int) -> int:
        """The last key frame up to and including this one."""
        video = self.recordings.video
        if video is None:
            return number
        rounds, index = divmod(number, self.count)
        while not video.frames[index].is_sync:
            index -= 1
        return rounds * self.count + index

    def file(self, number: int) -> bytes:
        """An image or an audio recording. Raises OSError."""
        return self._cache.read(self.recordings.files[number % self.count])

    def frame(self, number: int) -> bytes:
        """A frame of the video, unchanged. Raises OSError."""
        if self.recordings.video is None or self._stream is None:
            raise FileNotFoundError
        frame = self.recordings.video.frames[number % self.count]
        self._stream.seek(frame.offset)
        return self._stream.read(frame.size)

    def count_served(self, size_bytes: int, frames: int = 1) -> None:
        """Counts what was sent."""
        self.served += frames
        self.served_bytes += size_bytes

    def report(self) -> None:
        """Reports the offered and served frames since the last call to the profiler."""
        began = self._clock.now_s() > 0
        now = [self.position() + 1 if began else 0, self.served, self.served_bytes]
        offered, served, sent = (total - reported for total, reported in zip(now, self._reported, strict=True))
        self._reported = now
        counter("playback.offered", offered, "frames", stream=self.name)
        counter("playback.served", served, "frames", stream=self.name)
        counter("playback.sent", sent, "bytes", stream=self.name)
