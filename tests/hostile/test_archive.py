"""Archives made to exhaust memory, disk or time, to write outside their folder, or to break the unpacker."""

from __future__ import annotations

import io
import lzma
import os
import resource
import struct
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from profileapp.errors import DatasetError
from profileapp.model.target import Dataset
from profileapp.run.dataset.cache import DatasetCache
from profileapp.run.dataset.unpack import unpack
from profileapp.run.dataset.unpacker import DEPTH_LIMIT, unpack_within

LIMIT_BYTES = 10**10
MEBIBYTE = 1024**2


def xz_of(path: Path, parts: Iterator[bytes]) -> Path:
    """Compresses in parts, so that the attack itself needs no memory."""
    packer = lzma.LZMACompressor(preset=0)
    with path.open("wb") as stream:
        for part in parts:
            stream.write(packer.compress(part))
        stream.write(packer.flush())
    return path


def header(name: str, size: int, kind: bytes) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf(tarfile.USTAR_FORMAT)


def pax_header(size: int) -> Iterator[bytes]:
    """A PAX header with this number of bytes, and the file that it describes."""
    yield header("pax", size, tarfile.XHDTYPE)
    yield f"{size} comment=".encode()
    left = size - len(f"{size} comment=") - 1
    while left > 0:
        yield b"x" * min(left, MEBIBYTE)
        left -= MEBIBYTE
    yield b"\n" + b"\0" * (-size % 512)
    yield header("a", 0, tarfile.REGTYPE) + b"\0" * 1024


def long_name(size: int) -> Iterator[bytes]:
    yield header("././@LongLink", size, tarfile.GNUTYPE_LONGNAME)
    for _ in range(size // MEBIBYTE):
        yield b"x" * MEBIBYTE
    yield header("a", 0, tarfile.REGTYPE) + b"\0" * 1024


def sparse(count: int) -> Iterator[bytes]:
    """A GNU sparse file with a very long map."""
    info = bytearray(header("a", 0, tarfile.GNUTYPE_SPARSE))
    info[482] = 1
    info[148:156] = b"%06o\0 " % (sum(info[:148]) + 8 * 32 + sum(info[156:512]))
    yield bytes(info)
    for _ in range(count):
        yield (b"%011o\0" % 1 * 2) * 21 + b"\1" + b"\0" * 7


def refused(archive: Path, folder: Path, match: str) -> None:
    folder.mkdir(exist_ok=True)
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    with pytest.raises(DatasetError, match=match):
        unpack(archive, folder, LIMIT_BYTES)
    after = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert after < max(before, 1100 * 1024), f"{after} KiB"


@pytest.mark.parametrize(
    "made",
    [lambda: pax_header(800 * MEBIBYTE), lambda: long_name(300 * MEBIBYTE), lambda: sparse(200_000)],
    ids=["pax-header", "long-name", "sparse-map"],
)
def test_a_header_that_unpacks_to_much_is_refused(tmp_path: Path, made: Callable[[], Iterator[bytes]]) -> None:
    bomb = xz_of(tmp_path / "bomb.tar.xz", made())
    assert bomb.stat().st_size < 1_000_000
    began_s = time.monotonic()
    refused(bomb, tmp_path / "out", "has a header larger than 1 MiB")
    assert time.monotonic() - began_s < 30


def test_many_small_headers_that_unpack_to_much_are_refused(tmp_path: Path) -> None:
    def parts() -> Iterator[bytes]:
        for number in range(200):
            size = 900 * 1024
            yield header("pax", size, tarfile.XHDTYPE)
            yield f"{size} comment=".encode() + b"x" * (size - len(f"{size} comment=") - 1) + b"\n"
            yield header(f"a{number}", 0, tarfile.REGTYPE)
        yield b"\0" * 1024

    refused(xz_of(tmp_path / "bomb.tar.xz", parts()), tmp_path / "out", "far more than is plausible for its size")


def test_a_dictionary_larger_than_memory_is_refused(tmp_path: Path) -> None:
    """An xz stream may request 4 GiB before its first byte of output."""
    content = bytearray(lzma.compress(b"\0" * 100_000))
    # The block header has the size of the dictionary, followed by a separate checksum.
    block = 12
    size = (content[block] + 1) * 4
    content[block + 4] = 39
    content[block + size - 4 : block + size] = struct.pack("<I", zlib.crc32(bytes(content[block : block + size - 4])))
    (tmp_path / "a.tar.xz").write_bytes(bytes(content))
    refused(tmp_path / "a.tar.xz", tmp_path / "out", r"needs more than 1024 MiB of memory|is not a complete zip or tar")


def test_a_central_directory_larger_than_memory_is_refused(tmp_path: Path) -> None:
    """A zip file is read by its directory, whose length is declared at the end of the file."""
    path = tmp_path / "bomb.zip"
    with path.open("wb") as stream:
        stream.truncate(3 * 1024 * MEBIBYTE)
        stream.seek(0, os.SEEK_END)
        stream.write(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 3 * 1024 * MEBIBYTE, 0, 0))
    refused(path, tmp_path / "out", "needs more than 1024 MiB of memory|is not a complete zip or tar archive")


def test_overlapping_members_of_a_zip_are_refused(tmp_path: Path) -> None:
    """A thousand names for one bomb."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", b"\0" * 10_000_000)
        info = archive.infolist()[0]
        for number in range(1000):
            other = zipfile.ZipInfo(f"z{number:04}")
            for name in ("header_offset", "CRC", "compress_size", "file_size", "compress_type"):
                setattr(other, name, getattr(info, name))
            archive.filelist.append(other)
    refused(path, tmp_path / "out", "far more than|is not a complete zip")


@pytest.mark.parametrize("depth", [DEPTH_LIMIT + 1, 1500, 30_000])
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_folders_in_folders_are_refused_and_leave_nothing(tmp_path: Path, depth: int, kind: str) -> None:
    name = "d/" * depth + "f"
    path = tmp_path / f"deep.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("first", b"1")
            archive.writestr(name, b"2")
    else:
        with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
            tar.addfile(tarfile.TarInfo("first"))
            tar.addfile(tarfile.TarInfo(name))
    cache = DatasetCache(tmp_path / "cache")
    dataset = Dataset(path=path.name, unpack=True)
    with (
        pytest.raises(DatasetError, match=r"lies below more than 64 folders|is not a complete zip"),
        cache.locked(dataset, tmp_path, lambda *_: None),
    ):
        pass
    assert [each.suffix for each in (tmp_path / "cache").iterdir()] == [".lock"]


def test_more_folders_than_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of a few names creates 60 folders: they take few bytes but many inodes."""
    monkeypatch.setattr("profileapp.run.dataset.unpacker.MEMBER_LIMIT", 500)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for number in range(20):
            archive.writestr("/".join(f"{number}-{level}" for level in range(60)), b"")
    (tmp_path / "out").mkdir()
    assert "contains more than 500 files" in unpack_within(tmp_path / "a.zip", tmp_path / "out", LIMIT_BYTES).refused


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("", "has no name"),
        ("x" * 256, "a name that is too long"),
        ("../x", "points outside"),
        ("/x", "points outside"),
        ("a/../../x", "points outside"),
        ("..\\x", "points outside"),
        (".", "twice"),
    ],
)
def test_names_in_a_zip_are_refused(tmp_path: Path, name: str, match: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        info = zipfile.ZipInfo("placeholder")
        info.filename = name
        archive.writestr(info, b"1")
    (tmp_path / "out").mkdir()
    assert match in unpack_within(tmp_path / "a.zip", tmp_path / "out", LIMIT_BYTES).refused
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.zip", "out"]


@pytest.mark.parametrize("name", ["\u202egpj.exe", "a\nb", "\x1b[2J", "-rf", "$(id)", "a b", "aux", "\udcff"])
def test_odd_names_are_held_unchanged(tmp_path: Path, name: str) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        info = tarfile.TarInfo(name)
        info.size = 1
        archive.addfile(info, io.BytesIO(b"1"))
    (tmp_path / "out").mkdir()
    outcome = unpack_within(tmp_path / "a.tar", tmp_path / "out", LIMIT_BYTES)
    assert not outcome.disk_error
    if not outcome.refused:
        assert (tmp_path / "out" / name).read_bytes() == b"1"


def test_modes_and_owners_are_held_back(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        info = tarfile.TarInfo("suid")
        info.mode, info.uid, info.gid = 0o6777, 12345, 12345
        archive.addfile(info)
    (tmp_path / "out").mkdir()
    unpack(tmp_path / "a.tar", tmp_path / "out", LIMIT_BYTES)
    made = (tmp_path / "out/suid").stat()
    assert (made.st_mode & 0o7777, made.st_uid) == (0o644, os.getuid())


class GiveUp(Exception):
    """The exception that the worker raises when it must stop."""


def test_unpacking_is_held_to_a_stop_and_to_a_deadline(tmp_path: Path) -> None:
    """One member takes a minute to unpack; a stop and a deadline interrupt it."""
    slow = xz_of(tmp_path / "slow.tar.xz", iter([header("a", 0, tarfile.REGTYPE)]))
    with tarfile.open(slow, "w:bz2", compresslevel=9) as archive:
        info = tarfile.TarInfo("noise")
        info.size = 40 * MEBIBYTE
        archive.addfile(info, io.BytesIO(os.urandom(info.size)))
    (tmp_path / "out").mkdir()
    calls: list[int] = []

    def stop() -> None:
        calls.append(1)
        if len(calls) > 3:
            raise GiveUp

    began_s = time.monotonic()
    with pytest.raises(GiveUp):
        unpack(slow, tmp_path / "out", LIMIT_BYTES, stop)
    assert time.monotonic() - began_s < 5
    (tmp_path / "late").mkdir()
    with pytest.raises(DatasetError, match=r"was not unpacked within 0\.3 s"):
        unpack(slow, tmp_path / "late", LIMIT_BYTES, timeout_s=0.3)
