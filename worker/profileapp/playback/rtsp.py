"""The RTSP server: the same recordings, by the same clock, as `rtsp://HOST:8554/NAME`, interleaved over TCP.

Sources: RFC 2326, "Real Time Streaming Protocol"; RFC 8866, "SDP: Session Description Protocol". A client that
requests UDP gets status 461, after which all known clients use TCP.
"""

from __future__ import annotations

import re
import secrets
import struct
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import unquote, urlsplit

from profileapp.playback.connection import REQUEST_LIMIT_BYTES, Connection
from profileapp.playback.player import Player
from profileapp.playback.rtp import Format, Packetiser, RtpError, format_of

_METHODS = "OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN"
_INTERLEAVED = re.compile(r"RTP/AVP/TCP;.*\binterleaved=(\d{1,3})-(\d{1,3})")
_CUT = b"\r\n\r\n"


class RtspConnection(Connection):
    """One connection, with at most one stream."""

    def __init__(self, players: Mapping[str, Player], connections: set[Connection]) -> None:
        super().__init__(connections)
        self._players = players
        self._session = secrets.token_hex(8)
        self._channel: int | None = None

    def data_received(self, data: bytes) -> None:
        self._received += data
        while self._transport and self._received:
            if self._received.startswith(b"$"):
                # A client's receiver report.
                if len(self._received) < 4:
                    return
                (length,) = struct.unpack_from(">H", self._received, 2)
                if len(self._received) < 4 + length:
                    return
                self._received = self._received[4 + length :]
                continue
            head, cut, rest = self._received.partition(_CUT)
            if not cut:
                if len(self._received) > REQUEST_LIMIT_BYTES:
                    self._close()
                return
            fields = _fields(head)
            length_text = fields.get("content-length", "0")
            length = int(length_text) if length_text.isdecimal() and len(length_text) < 6 else REQUEST_LIMIT_BYTES + 1
            if length > REQUEST_LIMIT_BYTES:
                self._close()
                return
            if len(rest) < length:
                return
            self._received = rest[length:]
            self._handle(head, fields)

    def _handle(self, head: bytes, fields: dict[str, str]) -> None:
        words = head.partition(b"\r\n")[0].decode("latin-1").split(" ")
        sequence = fields.get("cseq", "")
        if len(words) != 3 or words[2] != "RTSP/1.0" or not sequence.isdecimal():
            self._answer("400 Bad Request", "0")
            self._close()
            return
        method, url = words[:2]
        if method == "OPTIONS":
            self._answer("200 OK", sequence, Public=_METHODS)
        elif method == "GET_PARAMETER":
            self._answer("200 OK", sequence, Session=self._session)
        elif method == "TEARDOWN":
            self._answer("200 OK", sequence)
            self._close()
        elif method in ("DESCRIBE", "SETUP", "PLAY"):
            self._about_stream(method, url, sequence, fields)
        else:
            self._answer("405 Method Not Allowed", sequence, Allow=_METHODS)

    def _about_stream(self, method: str, url: str, sequence: str, fields: dict[str, str]) -> None:
        player = self._players.get(_name_in(url))
        if player is None:
            self._answer("404 Not Found", sequence)
            return
        try:
            form = format_of(player.recordings)
            # If RTP cannot carry one image, it usually cannot carry the others either.
            list(form.cut(_content(player, 0)))
        except (RtpError, OSError):
            self._answer("415 Unsupported Media Type", sequence)
            return
        if method == "DESCRIBE":
            self._answer("200 OK", sequence, _description(player.name, form), Content_Base=f"{url.rstrip('/')}/")
        elif method == "SETUP":
            wanted = _INTERLEAVED.search(fields.get("transport", ""))
            if not wanted or int(wanted[1]) > 255:
                self._answer("461 Unsupported Transport", sequence)
                return
            self._channel = int(wanted[1])
            transport = f"RTP/AVP/TCP;unicast;interleaved={wanted[1]}-{wanted[2]}"
            self._answer("200 OK", sequence, Session=f"{self._session};timeout=60", Transport=transport)
        elif self._channel is None:
            self._answer("455 Method Not Valid in This State", sequence)
        else:
            self._answer("200 OK", sequence, Session=self._session, Range="npt=now-")
            if self._task is None:
                self._begin(self._play(player, form, self._channel))

    async def _play(self, player: Player, form: Format, channel: int) -> None:
        packetiser = Packetiser(form, secrets.randbits(32))
        # A new client first receives the frames since the last key frame, and its time begins with them.
        number = first = player.sync_before(player.position())
        while self._transport:
            content = _content(player, number)
            # An image that cannot be carried is skipped.
            with suppress(RtpError):
                time_s = player.shown_s(number) - player.shown_s(first)
                for packet in packetiser.packets(content, time_s):
                    self._transport.write(struct.pack(">cBH", b"$", channel, len(packet)) + packet)
                player.count_served(len(content))
            number = await self._next(player, number)

    def _answer(self, status: str, sequence: str, content: bytes = b"", **fields: str) -> None:
        if self._transport is None:
            return
        lines = [f"RTSP/1.0 {status}", f"CSeq: {sequence}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
        if content:
            lines += ["Content-Type: application/sdp", f"Content-Length: {len(content)}"]
        self._transport.write("\r\n".join((*lines, "", "")).encode() + content)


def _content(player: Player, number: int) -> bytes:
    return player.frame(number) if player.recordings.video else player.file(number)


def _name_in(url: str) -> str:
    """The first part of the path: NAME of `rtsp://HOST:8554/NAME/track`."""
    try:
        return unquote(urlsplit(url).path.strip("/").partition("/")[0])
    except ValueError:
        return ""


def _fields(head: bytes) -> dict[str, str]:
    lines = [line.partition(":") for line in head.decode("latin-1").split("\r\n")[1:]]
    return {name.strip().lower(): value.strip() for name, _, value in lines}


def _description(name: str, form: Format) -> bytes:
    lines = [
        "v=0",
        "o=- 0 0 IN IP4 0.0.0.0",
        f"s={name}",
        "t=0 0",
        f"m=video 0 RTP/AVP {form.payload_type}",
        "c=IN IP4 0.0.0.0",
        f"a=rtpmap:{form.payload_type} {form.rtpmap}",
        *([f"a=fmtp:{form.payload_type} {form.fmtp}"] if form.fmtp else []),
        "a=control:track",
    ]
    return "".join(f"{line}\r\n" for line in lines).encode()
