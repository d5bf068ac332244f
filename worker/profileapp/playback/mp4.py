"""Locates the frames of an MP4 file, and turns them into the fragments of an endless stream.

Source: ISO/IEC 14496-12, "ISO base media file format": 8 (boxes), 8.8 (movie fragments).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

MOOV_LIMIT_BYTES = 64 * 1024**2
FRAME_LIMIT = 2_000_000
FRAME_LIMIT_BYTES = 64 * 1024**2

_CONTAINERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl"}
_IS_SYNC, _IS_NO_SYNC = 0x02000000, 0x01010000
_TRUN_FLAGS = 0x000001 | 0x000100 | 0x000200 | 0x000400 | 0x000800


class Mp4Error(Exception):
    """The file is not a playable MP4; its text continues after the file's name."""


class Frame(NamedTuple):
    """One frame: its position in the file, and its decoding time and duration (in the track's time scale).

    `shift` is the presentation time minus the decoding time; `is_sync`: it can be decoded without earlier frames.
    """

    offset: int
    size: int
    time: int
    duration: int
    shift: int
    is_sync: bool


class Video(NamedTuple):
    """The video track of a file. `duration` and the frames' times are in 1/`scale` s; `header` begins every stream.

    `codec` is the name of its sample entry (`avc1`), `config` the boxes in that entry.
    """

    path: Path
    scale: int
    duration: int
    frames: list[Frame]
    header: bytes
    track_id: int
    codec: str = ""
    config: bytes = b""

    @property
    def duration_s(self) -> float:
        """The duration of one pass."""
        return self.duration / self.scale


def read_video(path: Path) -> Video:
    """The first video track. Raises Mp4Error, OSError."""
    with path.open("rb") as stream:
        size = stream.seek(0, 2)
        moov = _find_moov(stream, size)
    try:
        for box, start, end in _boxes(moov, 0, len(moov)):
            if box == b"trak":
                boxes = _flatten(moov, start, end)
                if boxes.get(b"hdlr", b"")[8:12] == b"vide":
                    return _read_track(path, boxes, size)
    except (struct.error, IndexError, ValueError, RecursionError) as error:
        raise Mp4Error(f"is not a complete MP4 file ({error})") from error
    raise Mp4Error("contains no video")


def fragment(video: Video, frame: Frame, content: bytes, number: int, time: int) -> bytes:
    """A frame as a separate fragment: the `number`th of a stream, decoded at `time` in the video's scale."""
    flags = _IS_SYNC if frame.is_sync else _IS_NO_SYNC
    tfhd = _full(b"tfhd", 0, 0x020000, struct.pack(">I", video.track_id))
    tfdt = _full(b"tfdt", 1, 0, struct.pack(">Q", time))
    # moof is mfhd (16) and traf (8 with its tfhd, tfdt and trun of 20 and 16); mdat's own header is 8.
    moof_bytes = 8 + 16 + 8 + len(tfhd) + len(tfdt) + 36
    run = struct.pack(">IiIIIi", 1, moof_bytes + 8, frame.duration, frame.size, flags, frame.shift)
    trun = _full(b"trun", 1, _TRUN_FLAGS, run)
    moof = _box(b"moof", _full(b"mfhd", 0, 0, struct.pack(">I", number)), _box(b"traf", tfhd, tfdt, trun))
    return moof + struct.pack(">I4s", 8 + len(content), b"mdat") + content


def _find_moov(stream: BinaryIO, size: int) -> bytes:
    at = 0
    while at + 8 <= size:
        stream.seek(at)
        head = stream.read(16)
        length, kind = struct.unpack(">I4s", head[:8])
        header = 8
        if length == 1 and len(head) == 16:
            (length,), header = struct.unpack(">Q", head[8:]), 16
        length = length or size - at
        if length < header or at + length > size:
            break
        if kind == b"moov":
            if length > MOOV_LIMIT_BYTES:
                raise Mp4Error("has implausibly large tables")
            stream.seek(at + header)
            return stream.read(length - header)
        at += length
    raise Mp4Error("is not a complete MP4 file (its moov box is missing)")


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, and start and end of the content, of the boxes between two offsets."""
    while start + 8 <= end:
        length, kind = struct.unpack_from(">I4s", data, start)
        if length < 8 or start + length > end:
            raise ValueError(f"a box of {length} bytes at {start}")
        yield kind, start + 8, start + length
        start += length


def _flatten(data: bytes, start: int, end: int) -> dict[bytes, bytes]:
    """The content of each nested box, by kind; the first one of several."""
    found: dict[bytes, bytes] = {}
    for kind, begin, stop in _boxes(data, start, end):
        if kind in _CONTAINERS:
            for inner, content in _flatten(data, begin, stop).items():
                found.setdefault(inner, content)
        else:
            found.setdefault(kind, data[begin:stop])
    return found


def _read_track(path: Path, boxes: dict[bytes, bytes], size: int) -> Video:
    missing = [kind.decode() for kind in (b"mdhd", b"tkhd", b"stsd", b"stts", b"stsc") if kind not in boxes]
    if missing:
        raise Mp4Error(f"has no {', '.join(missing)}")
    mdhd = boxes[b"mdhd"]
    (scale,) = struct.unpack_from(">I", mdhd, 20 if mdhd[0] == 1 else 12)
    sizes = _sizes(boxes)
    offsets = _offsets(boxes, sizes)
    times = list(_runs(boxes[b"stts"], ">II", len(sizes)))
    shifts = list(_runs(boxes[b"ctts"], ">Ii", len(sizes))) if b"ctts" in boxes else [0] * len(sizes)
    syncs = None
    if b"stss" in boxes:
        (count,) = struct.unpack_from(">I", boxes[b"stss"], 4)
        syncs = set(struct.unpack_from(f">{min(count, len(sizes))}I", boxes[b"stss"], 8))
    if not sizes or not scale or len(times) < len(sizes) or len(shifts) < len(sizes):
        raise Mp4Error("contains no frames, or no times of its frames")
    frames, time = [], 0
    for index, (offset, length) in enumerate(zip(offsets, sizes, strict=True)):
        if offset + length > size or length > FRAME_LIMIT_BYTES:
            raise Mp4Error("is truncated: it lists frames beyond its end")
        is_sync = syncs is None or index + 1 in syncs or index == 0
        frames.append(Frame(offset, length, time, times[index], shifts[index], is_sync))
        time += times[index]
    if time <= 0:
        raise Mp4Error("has a duration of 0")
    tkhd = boxes[b"tkhd"]
    (track_id,) = struct.unpack_from(">I", tkhd, 20 if tkhd[0] == 1 else 12)
    codec, config = _sample_entry(boxes[b"stsd"])
    return Video(path, scale, time, frames, _header(boxes, scale, track_id), track_id, codec, config)


def _sample_entry(stsd: bytes) -> tuple[str, bytes]:
    """The name of the first entry, and the boxes after its fixed part of 78 bytes."""
    (length,) = struct.unpack_from(">I", stsd, 8)
    return stsd[12:16].decode("latin-1"), stsd[16 + 78 : 8 + length]


def _sizes(boxes: dict[bytes, bytes]) -> list[int]:
    stsz = boxes.get(b"stsz")
    if stsz is None:
        raise Mp4Error("has no sizes of its frames")
    one, count = struct.unpack_from(">II", stsz, 4)
    if count > FRAME_LIMIT:
        raise Mp4Error(f"contains more than {FRAME_LIMIT} frames")
    return [one] * count if one else list(struct.unpack_from(f">{count}I", stsz, 12))


def _offsets(boxes: dict[bytes, bytes], sizes: list[int]) -> list[int]:
    """The offset of each frame: frames are stored in chunks, and `stsc` gives the number in each."""
    table, width = (boxes[b"co64"], "Q") if b"co64" in boxes else (boxes.get(b"stco", b"\0" * 8), "I")
    (count,) = struct.unpack_from(">I", table, 4)
    chunks = struct.unpack_from(f">{count}{width}", table, 8)
    (count,) = struct.unpack_from(">I", boxes[b"stsc"], 4)
    runs = [struct.unpack_from(">II", boxes[b"stsc"], 8 + 12 * index) for index in range(count)]
    offsets: list[int] = []
    for index, (first, each) in enumerate(runs):
        last = runs[index + 1][0] - 1 if index + 1 < len(runs) else len(chunks)
        if not 1 <= first <= last + 1 <= len(chunks) + 1:
            break
        for chunk in range(first - 1, last):
            offset = chunks[chunk]
            for _ in range(each):
                if len(offsets) == len(sizes):
                    return offsets
                offsets.append(offset)
                offset += sizes[len(offsets) - 1]
    if len(offsets) != len(sizes):
        raise Mp4Error("has no offsets of its frames")
    return offsets


def _runs(table: bytes, layout: str, limit: int) -> Iterator[int]:
    """Run-length decodes rows of count and value; at most `limit` values in total."""
    (count,) = struct.unpack_from(">I", table, 4)
    given = 0
    for index in range(count):
        times, value = struct.unpack_from(layout, table, 8 + 8 * index)
        for _ in range(min(times, limit - given)):
            yield value
        given = min(limit, given + times)
        if given == limit:
            return


def _header(boxes: dict[bytes, bytes], scale: int, track_id: int) -> bytes:
    """`ftyp` and a `moov` without frames: each fragment describes its own."""
    tkhd = bytearray(boxes[b"tkhd"])
    at, width = (28, 8) if tkhd[0] == 1 else (20, 4)
    tkhd[at : at + width] = bytes(width)
    matrix = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    mvhd = (
        struct.pack(">IIIIIH10x", 0, 0, 1000, 0, 0x10000, 0x100) + matrix + bytes(24) + struct.pack(">I", track_id + 1)
    )
    mdhd = struct.pack(">IIIIHH", 0, 0, scale, 0, 0x55C4, 0)
    dinf = _box(b"dinf", _full(b"dref", 0, 0, struct.pack(">I", 1) + _full(b"url ", 0, 1, b"")))
    empty = struct.pack(">I", 0)
    stbl = _box(
        b"stbl",
        _box(b"stsd", boxes[b"stsd"]),
        _full(b"stts", 0, 0, empty),
        _full(b"stsc", 0, 0, empty),
        _full(b"stsz", 0, 0, empty * 2),
        _full(b"stco", 0, 0, empty),
    )
    minf = _box(b"minf", _full(b"vmhd", 0, 1, bytes(8)), dinf, stbl)
    mdia = _box(b"mdia", _full(b"mdhd", 0, 0, mdhd), _box(b"hdlr", boxes[b"hdlr"]), minf)
    trak = _box(b"trak", _box(b"tkhd", bytes(tkhd)), mdia)
    mvex = _box(b"mvex", _full(b"trex", 0, 0, struct.pack(">IIIII", track_id, 1, 0, 0, 0)))
    ftyp = _box(b"ftyp", b"iso5", struct.pack(">I", 512), b"iso5iso6mp41")
    return ftyp + _box(b"moov", _full(b"mvhd", 0, 0, mvhd), trak, mvex)


def _box(kind: bytes, *contents: bytes) -> bytes:
    content = b"".join(contents)
    return struct.pack(">I4s", 8 + len(content), kind) + content


def _full(kind: bytes, version: int, flags: int, content: bytes) -> bytes:
    return _box(kind, struct.pack(">I", version << 24 | flags), content)
