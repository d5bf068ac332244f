"""Writes small MP4 files with frames of any content and any chunking."""

from __future__ import annotations

import struct
from collections.abc import Sequence


def box(kind: bytes, *contents: bytes) -> bytes:
    content = b"".join(contents)
    return struct.pack(">I4s", 8 + len(content), kind) + content


def full(kind: bytes, content: bytes, version: int = 0) -> bytes:
    return box(kind, struct.pack(">I", version << 24), content)


def tiny_mp4(
    frames: Sequence[bytes],
    *,
    scale: int = 25,
    per_chunk: int = 3,
    syncs: Sequence[int] | None = None,
    shifts: Sequence[int] | None = None,
    handler: bytes = b"vide",
    moov_first: bool = True,
) -> bytes:
    """Each frame lasts one unit of `scale`; `syncs` counts from 1."""
    chunks = [frames[at : at + per_chunk] for at in range(0, len(frames), per_chunk)]

    def moov(data_at: int) -> bytes:
        offsets, at = [], data_at
        for chunk in chunks:
            offsets.append(at)
            at += sum(map(len, chunk))
        runs = [(index + 1, len(chunk), 1) for index, chunk in enumerate(chunks)]
        tables = [
            full(b"stsd", struct.pack(">I", 1) + box(b"mp4v", bytes(78))),
            full(b"stts", struct.pack(">III", 1, len(frames), 1)),
            full(b"stsc", struct.pack(">I", len(runs)) + b"".join(struct.pack(">III", *run) for run in runs)),
            full(b"stsz", struct.pack(f">II{len(frames)}I", 0, len(frames), *map(len, frames))),
            full(b"stco", struct.pack(f">I{len(offsets)}I", len(offsets), *offsets)),
        ]
        if syncs is not None:
            tables.append(full(b"stss", struct.pack(f">I{len(syncs)}I", len(syncs), *syncs)))
        if shifts is not None:
            rows = b"".join(struct.pack(">Ii", 1, shift) for shift in shifts)
            tables.append(full(b"ctts", struct.pack(">I", len(shifts)) + rows))
        minf = box(b"minf", box(b"stbl", *tables))
        mdhd = full(b"mdhd", struct.pack(">IIIIHH", 0, 0, scale, len(frames), 0, 0))
        hdlr = full(b"hdlr", struct.pack(">I4s12x", 0, handler) + b"\0")
        tkhd = full(b"tkhd", struct.pack(">IIIII", 0, 0, 1, 0, len(frames)) + bytes(60))
        return box(b"moov", full(b"mvhd", bytes(96)), box(b"trak", tkhd, box(b"mdia", mdhd, hdlr, minf)))

    ftyp = box(b"ftyp", b"isom", bytes(4))
    mdat = box(b"mdat", *frames)
    if moov_first:
        return ftyp + moov(len(ftyp) + len(moov(0)) + 8) + mdat
    return ftyp + mdat + moov(len(ftyp) + 8)
