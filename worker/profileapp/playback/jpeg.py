"""JPEG images for RTP: without their headers, which the receiver regenerates.

Sources: ITU-T T.81, annexes B (markers) and K.3 (the Huffman tables used by default); RFC 2435,
"RTP Payload Format for JPEG-compressed Video".
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from typing import NamedTuple

_DIMENSION_LIMIT = 2040
_SOF0, _DHT, _EOI, _SOS, _DQT, _DRI = 0xC0, 0xC4, 0xD9, 0xDA, 0xDB, 0xDD
_OTHER_FRAMES = {0xC1, 0xC2, 0xC3, *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0)}
_OWN_TABLES = 255
# SHA-256 of the four tables of T.81, K.3: class and number, lengths, values.
_USUAL_HUFFMAN = frozenset(
    {
        "9fb04cb1a8076318f33f273ffef967a9ea7291ecf3adeca79f643dfd300de425",
        "f27ce9b718f91cd426885e6ce4a37d0ba4900db219f719eef29ecc1f7f4fd5f0",
        "af48d4f608dfb682fd19ee479c66dad5342dfbed5b1d1807b95393162a8715d1",
        "8cf60aa835f8474bb590e73332bee9c246bec9ce1e368aa725674c096f3efd2c",
    }
)


class JpegError(Exception):
    """RTP cannot carry this image; its text continues "an image that"."""


class Jpeg(NamedTuple):
    """The parts of an image that RTP carries. `kind` is RFC 2435's type; `tables` are for luminance and chrominance."""

    kind: int
    width: int
    height: int
    restart_interval: int
    tables: bytes
    scan: bytes


def parse_jpeg(content: bytes) -> Jpeg:
    """Raises JpegError if it is not a JPEG, or of a kind that RFC 2435 does not support."""
    tables: dict[int, bytes] = {}
    frame = b""
    restart_interval = 0
    try:
        for marker, segment, end in _segments(content):
            if marker in _OTHER_FRAMES:
                raise JpegError("is not a baseline JPEG")
            if marker == _SOF0:
                frame = segment
            elif marker == _DQT:
                tables |= _quantisation(segment)
            elif marker == _DHT:
                _check_huffman(segment)
            elif marker == _DRI:
                (restart_interval,) = struct.unpack(">H", segment[:2])
            elif marker == _SOS:
                kind, width, height, luminance, chrominance = _frame(frame)
                stop = content.rfind(b"\xff\xd9")
                scan = content[end : stop if stop > end else len(content)]
                both = tables[luminance] + tables[chrominance]
                return Jpeg(kind, width, height, restart_interval, both, scan)
    except (struct.error, IndexError, KeyError) as error:
        raise JpegError("is not a complete JPEG") from error
    raise JpegError("is not a complete JPEG")


def jpeg_payloads(image: Jpeg, limit: int) -> Iterator[bytes]:
    """The payloads of its packets, each of at most `limit` bytes plus headers."""
    kind = image.kind + 64 if image.restart_interval else image.kind
    restart = struct.pack(">HH", image.restart_interval, 0xFFFF) if image.restart_interval else b""
    tables = struct.pack(">BBH", 0, 0, len(image.tables)) + image.tables
    size = (-(-image.width // 8), -(-image.height // 8))
    for offset in range(0, len(image.scan), limit):
        head = struct.pack(">IBBBB", offset, kind, _OWN_TABLES, *size)
        yield head + restart + (b"" if offset else tables) + image.scan[offset : offset + limit]


def _segments(content: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Marker, content and end of each segment, up to the first scan."""
    if not content.startswith(b"\xff\xd8"):
        raise JpegError("is not a JPEG")
    at = 2
    while at + 4 <= len(content):
        if content[at] != 0xFF:
            raise JpegError("is not a complete JPEG")
        marker = content[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        (length,) = struct.unpack_from(">H", content, at + 2)
        yield marker, content[at + 4 : at + 2 + length], at + 2 + length
        at += 2 + length


def _frame(segment: bytes) -> tuple[int, int, int, int, int]:
    """Kind, width, height, and the numbers of the tables of luminance and of chrominance."""
    precision, height, width, components = struct.unpack_from(">BHHB", segment)
    if precision != 8 or components != 3:
        raise JpegError("does not have 8 bits per colour")
    if not 0 < width <= _DIMENSION_LIMIT or not 0 < height <= _DIMENSION_LIMIT:
        raise JpegError(f"is larger than {_DIMENSION_LIMIT} × {_DIMENSION_LIMIT}")
    (_, luminance, first), (_, blue, second), (_, red, third) = struct.iter_unpack(">BBB", segment[6:15])
    kind = {0x21: 0, 0x22: 1}.get(luminance)
    if kind is None or (blue, red) != (0x11, 0x11) or second != third:
        raise JpegError("has a chroma subsampling other than 4:2:0 or 4:2:2")
    return kind, width, height, first, second


def _quantisation(segment: bytes) -> dict[int, bytes]:
    found = {}
    while segment:
        if segment[0] >> 4:
            raise JpegError("has 16-bit quantisation tables")
        if len(segment) < 65:
            raise JpegError("is not a complete JPEG")
        found[segment[0] & 15], segment = segment[1:65], segment[65:]
    return found


def _check_huffman(segment: bytes) -> None:
    while segment:
        length = 17 + sum(segment[1:17])
        if hashlib.sha256(segment[:length]).hexdigest() not in _USUAL_HUFFMAN:
            raise JpegError("has custom Huffman tables")
        segment = segment[length:]
