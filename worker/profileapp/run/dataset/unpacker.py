"""The program that unpacks an archive: `python -m profileapp.run.dataset.unpacker ARCHIVE FOLDER LIMIT_BYTES PARENT`.

It creates regular files and folders only, below one folder, within limits. It writes one line of JSON, an Outcome.

Sources: PKWARE, "APPNOTE.TXT - .ZIP File Format Specification" (4.4.15, Unix modes); Python documentation, "tarfile";
POSIX.1-2017, "pax Interchange Format"; prctl(2), setrlimit(2).
"""

from __future__ import annotations

import bz2
import ctypes
import errno
import gzip
import lzma
import os
import resource
import signal
import stat
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, TypeVar, cast

import msgspec

from profileapp.errors import DatasetError
from profileapp.model.text import printable

MEMBER_LIMIT = 500_000
"""Limit of files and folders, including folders that only appear in the path of a file."""
DEPTH_LIMIT = 64
NAME_LIMIT_BYTES = 255
"""Limit of a file's name on Linux."""
RATIO_LIMIT = 200
"""Recordings hardly compress: an archive that grows by more than this factor is made to fill the disk."""
RATIO_FREE_BYTES = 64 * 1024**2
HEADER_LIMIT_BYTES = 1024**2
"""Limit of the headers before one member of a tar archive: its name and other metadata."""
MEMORY_LIMIT_BYTES = 1024**3
_COPY_BYTES = 1024**2
_TAR_BLOCKS_BYTES = 20 * 512
"""The bytes that tarfile reads at a time."""
_PR_SET_PDEATHSIG = 1
_Member = TypeVar("_Member")
_BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    ValueError,
    ArithmeticError,
    LookupError,
    AttributeError,
    TypeError,
)
_DISK_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.EMFILE})


class Outcome(msgspec.Struct, frozen=True):
    """The result: unpacked, `refused` (with the reason), or a `disk_error` (its errno)."""

    refused: str = ""
    disk_error: int = 0


class _Room:
    """Counts down the bytes that an archive may still unpack to."""

    def __init__(self, archive_bytes: int, limit_bytes: int) -> None:
        self._left = min(limit_bytes, max(RATIO_FREE_BYTES, archive_bytes * RATIO_LIMIT))

    def take(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise DatasetError(
                "unpacks to far more than is plausible for its size, or than the agent's limit for datasets; "
                "the unpacked files were removed"
            )


class _Folders:
    """Creates files and folders below a root, and counts them."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known = {PurePosixPath()}
        self._made = 0

    def path_of(self, name: str) -> PurePosixPath:
        """A member's path relative to the root. Raises DatasetError if it is not allowed."""
        path = PurePosixPath(name.replace("\\", "/"))
        if not name or path.is_absolute() or ".." in path.parts or "\0" in name:
            raise _refused(name, "points outside its folder" if name else "has no name")
        if len(path.parts) > DEPTH_LIMIT:
            raise _refused(name, f"lies below more than {DEPTH_LIMIT} folders")
        if any(len(part.encode(errors="surrogatepass")) > NAME_LIMIT_BYTES for part in path.parts):
            raise _refused(name, "has a name that is too long")
        return path

    def make(self, path: PurePosixPath) -> None:
        """Creates a folder and its parents."""
        missing = []
        while path not in self._known:
            missing.append(path)
            path = path.parent
        for each in reversed(missing):
            self._count()
            try:
                (self._root / each).mkdir(mode=0o755)
            except FileExistsError as error:
                raise _refused(str(each), "is in it twice") from error
            self._known.add(each)

    def create(self, path: PurePosixPath) -> IO[bytes]:
        """Creates a file and opens it for writing."""
        self.make(path.parent)
        self._count()
        try:
            return (self._root / path).open("xb")
        except FileExistsError as error:
            raise _refused(str(path), "is in it twice") from error

    def _count(self) -> None:
        self._made += 1
        if self._made > MEMBER_LIMIT:
            raise _too_many()


def unpack_within(archive: Path, folder: Path, limit_bytes: int) -> Outcome:
    """Unpacks an archive into an empty folder, in this process. Never raises."""
    try:
        _unpack(archive, folder, limit_bytes)
    except DatasetError as error:
        return Outcome(refused=str(error))
    except MemoryError:
        return Outcome(refused=f"needs more than {MEMORY_LIMIT_BYTES // 1024**2} MiB of memory to be unpacked")
    except RecursionError:
        return Outcome(refused="is nested too deeply")
    except OSError as error:
        # Distinguishes a corrupt archive from a full disk: gzip and bz2 raise OSError without an errno.
        if error.errno in _DISK_ERRORS:
            return Outcome(disk_error=error.errno or errno.EIO)
        return Outcome(refused=f"cannot be unpacked ({printable(str(error.strerror or error), 200)})")
    except RuntimeError as error:
        return Outcome(refused=f"cannot be unpacked ({printable(str(error), 200)})")
    except _BROKEN as error:
        return Outcome(refused=f"is not a complete zip or tar archive ({printable(str(error), 200)})")
    return Outcome()


def _unpack(archive: Path, folder: Path, limit_bytes: int) -> None:
    archive_bytes = archive.stat().st_size
    room, folders = _Room(archive_bytes, limit_bytes), _Folders(folder)
    if zipfile.is_zipfile(archive):
        _unpack_zip(archive, folders, room)
    else:
        _unpack_tar(archive, folders, room, _Room(archive_bytes, 2 * limit_bytes + RATIO_FREE_BYTES))


def _unpack_zip(archive: Path, folders: _Folders, room: _Room) -> None:
    with zipfile.ZipFile(archive) as source:
        for member in _bounded(iter(source.infolist())):
            mode = member.external_attr >> 16
            if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _refused(member.filename, "is a link or a device")
            path = folders.path_of(member.filename)
            if member.is_dir():
                folders.make(path)
                continue
            with source.open(member) as content:
                _write(folders, path, content, room)


def _unpack_tar(archive: Path, folders: _Folders, room: _Room, packed_room: _Room) -> None:
    with archive.open("rb") as raw, _unpacked(raw) as stream:
        counted = _Counted(stream, packed_room)
        # As a stream: a hostile member's header cannot cause seeks.
        with tarfile.open(fileobj=cast("IO[bytes]", counted), mode="r|") as source:
            for member in _bounded(_members(source, counted)):
                path = folders.path_of(member.name)
                if member.isdir():
                    folders.make(path)
                elif member.isreg():
                    content = source.extractfile(member)
                    if content is not None:
                        counted.allow(None)
                        _write(folders, path, content, room)
                else:
                    raise _refused(member.name, "is a link or a device")


def _members(source: tarfile.TarFile, counted: _Counted) -> Iterator[tarfile.TarInfo]:
    while True:
        counted.allow(HEADER_LIMIT_BYTES)
        member = source.next()
        if member is None:
            return
        # tarfile keeps every member it has read.
        source.members.clear()  # type: ignore[attr-defined]
        yield member


def _unpacked(raw: IO[bytes]) -> IO[bytes]:
    """The decompressed tar archive; the format is recognised from its first bytes."""
    start = raw.read(6)
    raw.seek(0)
    if start.startswith(b"\x1f\x8b"):
        return cast("IO[bytes]", gzip.GzipFile(fileobj=raw, mode="rb"))
    if start.startswith(b"BZh"):
        return cast("IO[bytes]", bz2.BZ2File(raw))
    if start.startswith((b"\xfd7zXZ", b"\x5d\x00\x00")):
        return cast("IO[bytes]", lzma.LZMAFile(raw))
    return raw


class _Counted:
    """A stream that counts what is read from it: tarfile trusts a header's size."""

    def __init__(self, stream: IO[bytes], room: _Room) -> None:
        self._stream = stream
        self._room = room
        # Opening the archive reads the first header.
        self._left: int | None = HEADER_LIMIT_BYTES + _TAR_BLOCKS_BYTES

    def allow(self, size: int | None) -> None:
        """Limits what may be read until the next call; None: what the budget allows."""
        self._left = None if size is None else size + _TAR_BLOCKS_BYTES

    def read(self, size: int) -> bytes:
        if self._left is not None:
            self._left -= size
            if self._left < 0:
                raise DatasetError(f"has a header larger than {HEADER_LIMIT_BYTES // 1024**2} MiB")
        content = self._stream.read(size)
        self._room.take(len(content))
        return content


def _bounded(members: Iterator[_Member]) -> Iterator[_Member]:
    for number, member in enumerate(members):
        if number >= MEMBER_LIMIT:
            raise _too_many()
        yield member


def _write(folders: _Folders, path: PurePosixPath, content: IO[bytes], room: _Room) -> None:
    with folders.create(path) as stream:
        while chunk := content.read(_COPY_BYTES):
            room.take(len(chunk))
            stream.write(chunk)
        os.fchmod(stream.fileno(), 0o644)


def _refused(name: str, problem: str) -> DatasetError:
    return DatasetError(f"contains {printable(name, 100)!r}, which {problem}; only files and folders are allowed")


def _too_many() -> DatasetError:
    return DatasetError(f"contains more than {MEMBER_LIMIT} files and folders")


def _bound_this_process(limit_bytes: int, parent: int) -> None:
    """Limits this process's memory and files, and makes it die with its parent."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes + 1, limit_bytes + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)


def main() -> None:
    """Unpacks the archive that the command line names."""
    archive, folder, limit_bytes, parent = sys.argv[1:]
    _bound_this_process(int(limit_bytes), int(parent))
    outcome = unpack_within(Path(archive), Path(folder), int(limit_bytes))
    sys.stdout.buffer.write(msgspec.json.encode(outcome))


if __name__ == "__main__":
    main()
