"""Unpacks an archive that nobody vouches for: ordinary files and folders only, below one folder, within bounds.

Sources: PKWARE, "APPNOTE.TXT - .ZIP File Format Specification" (4.4.15, Unix modes); Python documentation, "tarfile".
"""

from __future__ import annotations

import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import IO, TypeVar

from profileapp.errors import DatasetError
from profileapp.model.text import printable

MEMBER_LIMIT = 500_000
RATIO_LIMIT = 200
"""Recordings hardly shrink: an archive that grows by more than this is made to fill the disk."""
RATIO_FREE_BYTES = 64 * 1024**2
_COPY_BYTES = 1024**2
_Member = TypeVar("_Member")
_BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, LZMAError, EOFError, NotImplementedError, ValueError)


class _Room:
    """How many bytes may still be written."""

    def __init__(self, archive_bytes: int, limit_bytes: int) -> None:
        self._left = min(limit_bytes, max(RATIO_FREE_BYTES, archive_bytes * RATIO_LIMIT))

    def take(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise DatasetError(
                "holds far more than an archive of its size should, or than the agent keeps of datasets; "
                "what was unpacked of it is gone again"
            )


def unpack(archive: Path, folder: Path, limit_bytes: int) -> None:
    """Unpacks a zip or tar archive into `folder`, which must be empty.

    Raises DatasetError (without the archive's name) for what is no archive, is broken, leads out of the folder, holds
    links or devices, or unpacks to more than `limit_bytes` or RATIO_LIMIT times its size; OSError where the disk fails.
    """
    room = _Room(archive.stat().st_size, limit_bytes)
    try:
        if zipfile.is_zipfile(archive):
            _unpack_zip(archive, folder, room)
        else:
            _unpack_tar(archive, folder, room)
    except RuntimeError as error:
        raise DatasetError(f"cannot be unpacked ({printable(str(error), 200)})") from error
    except _BROKEN as error:
        raise DatasetError(f"is no whole zip or tar archive ({printable(str(error), 200)})") from error


def _unpack_zip(archive: Path, folder: Path, room: _Room) -> None:
    with zipfile.ZipFile(archive) as source:
        for member in _bounded(iter(source.infolist())):
            mode = member.external_attr >> 16
            if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _refused(member.filename, "is a link or a device")
            path = _path_of(member.filename, folder)
            if member.is_dir():
                _make_folder(path)
                continue
            with source.open(member) as content:
                _write(path, content, room)


def _unpack_tar(archive: Path, folder: Path, room: _Room) -> None:
    # As a stream: the header of a hostile member cannot send us back and forth.
    with tarfile.open(archive, "r|*") as source:
        for member in _bounded(iter(source)):
            path = _path_of(member.name, folder)
            if member.isdir():
                _make_folder(path)
            elif member.isreg():
                content = source.extractfile(member)
                if content is not None:
                    _write(path, content, room)
            else:
                raise _refused(member.name, "is a link or a device")


def _bounded(members: Iterator[_Member]) -> Iterator[_Member]:
    for number, member in enumerate(members):
        if number >= MEMBER_LIMIT:
            raise DatasetError(f"holds more than {MEMBER_LIMIT} files")
        yield member


def _path_of(name: str, folder: Path) -> Path:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise _refused(name, "leads out of its folder")
    return folder / path


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(mode=0o755, parents=True, exist_ok=True)
    except FileExistsError as error:
        raise _refused(path.name, "is in it twice") from error


def _write(path: Path, content: IO[bytes], room: _Room) -> None:
    try:
        _make_folder(path.parent)
        stream = path.open("xb")
    except (FileExistsError, NotADirectoryError) as error:
        raise _refused(path.name, "is in it twice") from error
    with stream:
        while chunk := content.read(_COPY_BYTES):
            room.take(len(chunk))
            stream.write(chunk)
    path.chmod(0o644)


def _refused(name: str, problem: str) -> DatasetError:
    return DatasetError(f"holds {printable(name, 100)!r}, which {problem}; plain files and folders are taken")
