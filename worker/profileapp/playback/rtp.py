"""Frames as RTP packets: JPEG, H.264 and MPEG-4 video.

Sources: RFC 3550 (RTP), 2435 (JPEG), 6184 (H.264), 6416 (MPEG-4 Visual); ISO/IEC 14496-15 (`avcC`), 14496-1 (`esds`).
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

from profileapp.playback.jpeg import JpegError, jpeg_payloads, parse_jpeg
from profileapp.playback.mp4 import Video
from profileapp.playback.recordings import IMAGE_SUFFIXES, Recordings

CLOCK_HZ = 90_000
PAYLOAD_BYTES = 1400
_JPEG_TYPE, _DYNAMIC_TYPE = 26, 96
_FU_A = 28


class RtpError(Exception):
    """RTP cannot carry the stream; its text is the reason."""


class Format(NamedTuple):
    """A payload format: its SDP description, and the function that splits a frame into payloads.

    `cut` raises RtpError for a frame that cannot be carried.
    """

    payload_type: int
    rtpmap: str
    fmtp: str
    cut: Callable[[bytes], Iterator[bytes]]


class Packetiser:
    """Creates the numbered packets of one client's stream."""

    def __init__(self, form: Format, ssrc: int) -> None:
        self._form = form
        self._ssrc = ssrc
        self._sequence = 0

    def packets(self, frame: bytes, time_s: float) -> Iterator[bytes]:
        """The packets of a frame that is shown at `time_s` of the stream; the last one is marked. Raises RtpError."""
        payloads = list(self._form.cut(frame))
        time = round(time_s * CLOCK_HZ) & 0xFFFFFFFF
        for number, payload in enumerate(payloads, start=1):
            run_processes = 0x80 if number == len(payloads) else 0
            kind = self._form.payload_type | run_processes
            yield struct.pack(">BBHII", 0x80, kind, self._sequence, time, self._ssrc) + payload
            self._sequence = (self._sequence + 1) & 0xFFFF


def format_of(recordings: Recordings) -> Format:
    """The payload format of a stream. Raises RtpError if RTP cannot carry it."""
    if recordings.video:
        return _video_format(recordings.video)
    if recordings.is_sound or IMAGE_SUFFIXES[recordings.files[0].suffix.lower()] != "image/jpeg":
        raise RtpError("is neither a video nor JPEG images")
    return Format(_JPEG_TYPE, f"JPEG/{CLOCK_HZ}", "", _cut_jpeg)


def _video_format(video: Video) -> Format:
    try:
        boxes = dict(_boxes(video.config))
        if video.codec in ("avc1", "avc3"):
            return _h264(boxes[b"avcC"])
        if video.codec == "mp4v":
            return _mpeg4(boxes[b"esds"])
    except (struct.error, IndexError, KeyError) as error:
        raise RtpError(f"has no decoder configuration for {video.codec!a}") from error
    raise RtpError(f"is a video of {video.codec!a}, which is neither H.264 nor MPEG-4")


def _h264(config: bytes) -> Format:
    length_bytes = (config[4] & 3) + 1
    sequence_sets, at = _parameter_sets(config, 6, config[5] & 31)
    picture_sets, _ = _parameter_sets(config, at + 1, config[at])
    texts = ",".join(base64.b64encode(each).decode() for each in (*sequence_sets, *picture_sets))
    fmtp = f"packetization-mode=1;profile-level-id={config[1:4].hex()};sprop-parameter-sets={texts}"

    def cut(frame: bytes) -> Iterator[bytes]:
        at = 0
        while at + length_bytes <= len(frame):
            end = at + length_bytes + int.from_bytes(frame[at : at + length_bytes], "big")
            yield from _cut_nal(frame[at + length_bytes : end])
            at = end

    return Format(_DYNAMIC_TYPE, f"H264/{CLOCK_HZ}", fmtp, cut)


def _parameter_sets(config: bytes, at: int, count: int) -> tuple[list[bytes], int]:
    """`count` length-prefixed sets at an offset, and the offset after them."""
    found = []
    for _ in range(count):
        (length,) = struct.unpack_from(">H", config, at)
        found.append(config[at + 2 : at + 2 + length])
        at += 2 + length
    return found, at


def _cut_nal(nal: bytes) -> Iterator[bytes]:
    """One unit unchanged, or in fragments (FU-A)."""
    if not nal:
        return
    if len(nal) <= PAYLOAD_BYTES:
        yield nal
        return
    indicator, kind = (nal[0] & 0xE0) | _FU_A, nal[0] & 0x1F
    for at in range(1, len(nal), PAYLOAD_BYTES):
        begins, ends = at == 1, at + PAYLOAD_BYTES >= len(nal)
        yield bytes([indicator, begins << 7 | ends << 6 | kind]) + nal[at : at + PAYLOAD_BYTES]


def _mpeg4(esds: bytes) -> Format:
    config = _decoder_config(esds[4:])
    level = config[config.index(b"\0\0\1\xb0") + 4] if b"\0\0\1\xb0" in config else 1

    def cut(frame: bytes) -> Iterator[bytes]:
        for at in range(0, len(frame), PAYLOAD_BYTES):
            yield frame[at : at + PAYLOAD_BYTES]

    return Format(_DYNAMIC_TYPE, f"MP4V-ES/{CLOCK_HZ}", f"profile-level-id={level};config={config.hex()}", cut)


def _decoder_config(content: bytes) -> bytes:
    """DecoderSpecificInfo, in DecoderConfigDescriptor, in ES_Descriptor. Raises KeyError if it is missing."""
    elementary = _descriptor(content, 3)
    flags = elementary[2]
    at = 3 + (2 if flags & 0x80 else 0)
    at += 1 + elementary[at] if flags & 0x40 else 0
    at += 2 if flags & 0x20 else 0
    return _descriptor(_descriptor(elementary[at:], 4)[13:], 5)


def _descriptor(content: bytes, wanted: int) -> bytes:
    at = 0
    while at < len(content):
        tag, length = content[at], 0
        at += 1
        while True:
            byte = content[at]
            at += 1
            length = length << 7 | byte & 0x7F
            if not byte & 0x80:
                break
        if tag == wanted:
            return content[at : at + length]
        at += length
    raise KeyError(wanted)


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, at)
        if length < 8:
            return
        yield kind, content[at + 8 : at + length]
        at += length


def _cut_jpeg(frame: bytes) -> Iterator[bytes]:
    try:
        image = parse_jpeg(frame)
    except JpegError as error:
        raise RtpError(f"contains an image that {error}") from error
    return jpeg_payloads(image, PAYLOAD_BYTES)
