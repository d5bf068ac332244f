"""Finds the playable recordings in a dataset."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from profileapp.playback.mp4 import Mp4Error, Video, read_video

IMAGE_SUFFIXES = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png"}
VIDEO_SUFFIXES = {".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/mp4"}
SOUND_SUFFIXES = {".wav": "audio/wav", ".flac": "audio/flac", ".mp3": "audio/mpeg", ".ogg": "audio/ogg"}
FILE_LIMIT = 200_000
FILE_LIMIT_BYTES = 64 * 1024**2


class RecordingsError(Exception):
    """There is nothing to play; the text names the missing files and their place."""


class Recordings(NamedTuple):
    """One stream: a `video`, or `files` (images or audio) in sequence, `rate` per second."""

    name: str
    rate: float
    files: tuple[Path, ...] = ()
    video: Video | None = None

    @property
    def is_sound(self) -> bool:
        """Whether the files are audio."""
        return bool(self.files) and self.files[0].suffix.lower() in SOUND_SUFFIXES

    @property
    def address(self) -> str:
        """The path on the server."""
        if self.video:
            return f"/{self.name}/live.mp4"
        suffix = self.files[0].suffix.lower()
        if self.is_sound:
            return f"/{self.name}/audio{suffix}"
        return f"/{self.name}/live.mjpg" if IMAGE_SUFFIXES[suffix] == "image/jpeg" else f"/{self.name}/image{suffix}"


def find_recordings(name: str, path: Path, rate: float) -> Recordings:
    """The video, images or audio of a file, or of a folder (or its `images`), ordered by name.

    Links are not followed. Raises RecordingsError.
    """
    try:
        files = _files(path) or _files(path / "images")
        videos = [each for each in files if each.suffix.lower() in VIDEO_SUFFIXES]
        if videos:
            try:
                return Recordings(name, rate, video=read_video(videos[0]))
            except Mp4Error as error:
                raise RecordingsError(f"{name}: {videos[0].name} {error}") from error
        for suffixes in (IMAGE_SUFFIXES, SOUND_SUFFIXES):
            chosen = [each for each in files if each.suffix.lower() in suffixes]
            if chosen:
                return Recordings(name, rate, tuple(chosen))
    except OSError as error:
        raise RecordingsError(f"{name}: {path.name} cannot be read ({error.strerror})") from error
    raise RecordingsError(
        f"{name}: {path.name} contains no video (MP4), images (JPEG, PNG) or audio (WAV, FLAC, MP3, Ogg)"
    )


def _files(path: Path) -> list[Path]:
    known = {**IMAGE_SUFFIXES, **VIDEO_SUFFIXES, **SOUND_SUFFIXES}
    found = [path] if path.is_file() else list(path.iterdir()) if path.is_dir() else []
    found = [each for each in found if each.suffix.lower() in known and each.is_file() and not each.is_symlink()]
    if len(found) > FILE_LIMIT:
        raise RecordingsError(f"{path.name} contains more than {FILE_LIMIT} files")
    found = [
        each for each in found if 0 < each.stat().st_size <= FILE_LIMIT_BYTES or each.suffix.lower() in VIDEO_SUFFIXES
    ]
    return sorted(found, key=lambda each: _in_order(each.name))


def _in_order(name: str) -> list[tuple[int, str]]:
    """Sort key with numbers by value: 2.jpg before 10.jpg."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"([0-9]+)", name)]
