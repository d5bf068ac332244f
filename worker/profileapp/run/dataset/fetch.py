"""Downloads a file, and resumes where an earlier attempt was interrupted.

Source: RFC 9110, "HTTP Semantics", 14 (range requests).
"""

from __future__ import annotations

import hashlib
import http.client
import re
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

import msgspec

from profileapp import retry
from profileapp.errors import AgentError, DatasetError
from profileapp.model.text import printable
from profileapp.run.net.connection import IDLE_TIMEOUT_S
from profileapp.run.net.deadline import Deadline, TooLate, call
from profileapp.run.net.http_get import Answer, InvalidResponse, http_get
from profileapp.run.net.reach import NotAllowed, Reach

PROGRESS_BYTES = 1024**2
"""After this much progress, the retry deadline starts anew."""
CHUNK_BYTES = 64 * 1024
LIBRARY_CHUNK_BYTES = 1024**2
TIMEOUT_S = 3600.0
TIMEOUT_VARIABLE = "PROFILEAPP_DATASET_TIMEOUT"
SLOWEST_BYTES_PER_S = 1024
SLOWEST_FOR_S = 60.0
"""A server that sends less than SLOWEST_BYTES_PER_S for this long fails the attempt: it would block the agent."""

OnProgress = Callable[[int, int], None]
"""Called with the bytes so far, and the bytes in total (0: unknown). May raise to cancel."""
_Result = TypeVar("_Result")


class Terms(msgspec.Struct, frozen=True):
    """Limits of a download: allowed hosts, size and time.

    `retry_timeout_s`: how long a failing server is tried again.
    """

    limit_bytes: int
    reach: Reach
    timeout_s: float = TIMEOUT_S
    retry_timeout_s: float = retry.TIMEOUT_S


class _Interrupted(Exception):
    """The server could not be reached, or the connection broke; a retry may succeed. The text is the system's."""


class _Opened:
    """A remote file, open at `offset` (0 if the server ignored the requested one). `total` 0: unknown.

    `read` returns the next bytes, b"" at the end. Raises _Interrupted.
    """

    def __init__(self, offset: int, total: int, read: Callable[[], bytes]) -> None:
        self.offset = offset
        self.total = total
        self.read = read


def fetch(url: str, path: Path, terms: Terms, on_progress: OnProgress) -> None:
    """Downloads `url` to `path`, which may already contain the beginning.

    Raises DatasetError if the host is not allowed, the server refuses it or it is too large; AgentError if the server
    cannot be reached or takes too long, and keeps the part for the next attempt; OSError if the disk fails.
    """
    progress = _Progress(path, on_progress)
    deadline = Deadline(terms.timeout_s, progress.tick)
    attempts = retry.Patience(terms.retry_timeout_s, pause=deadline.pause).begin(
        lambda _: None, lambda error: isinstance(error, _Interrupted)
    )
    was_done = progress.done
    while True:
        try:
            _fetch_rest(url, path, terms, progress, deadline)
        except (NotAllowed, InvalidResponse) as error:
            raise DatasetError(f"dataset {shown(url)} {error}") from error
        except TooLate as error:
            raise _too_late(url, terms) from error
        except _Interrupted as error:
            if progress.done - was_done >= PROGRESS_BYTES:
                was_done = progress.done
                attempts.progressed()
            try:
                attempts.failed(error)
            except TooLate as late:
                raise _too_late(url, terms) from late
            except _Interrupted:
                raise AgentError(f"dataset {shown(url)} cannot be reached ({error})") from error
        else:
            return


def _too_late(url: str, terms: Terms) -> AgentError:
    return AgentError(
        f"dataset {shown(url)} was not downloaded within {terms.timeout_s:g} s; the part is kept, and the next run "
        f"resumes it (or set {TIMEOUT_VARIABLE} on the agent)"
    )


def sha256_of(path: Path, tick: Callable[[], None] = lambda: None) -> str:
    """The checksum of a file, in hexadecimal; `tick` may raise to cancel. Raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(LIBRARY_CHUNK_BYTES):
            digest.update(chunk)
            tick()
    return digest.hexdigest()


def shown(url: str) -> str:
    """A URL without the parts that may contain a token."""
    return printable(url.partition("?")[0], 200)


class _Progress:
    """Progress of a download, and whether it is fast enough."""

    def __init__(self, path: Path, on_progress: OnProgress) -> None:
        self.done = path.stat().st_size if path.exists() else 0
        self.total = 0
        self._on_progress = on_progress
        self._began_s = time.monotonic()
        self._began_at = self.done

    def begin(self, done: int, total: int) -> None:
        self.done, self.total = done, total
        self._began_s, self._began_at = time.monotonic(), done

    def tick(self) -> None:
        self._on_progress(self.done, self.total)

    def add(self, size: int) -> None:
        """Counts received bytes. Raises _Interrupted if they arrive too slowly."""
        self.done += size
        took_s = time.monotonic() - self._began_s
        if took_s > SLOWEST_FOR_S:
            if self.done - self._began_at < SLOWEST_BYTES_PER_S * took_s:
                raise _Interrupted(f"it sends less than {SLOWEST_BYTES_PER_S} bytes a second")
            self._began_s, self._began_at = time.monotonic(), self.done


def _fetch_rest(url: str, path: Path, terms: Terms, progress: _Progress, deadline: Deadline) -> None:
    there = path.stat().st_size if path.exists() else 0
    with ExitStack() as closing:
        if urlsplit(url).scheme in ("http", "https"):
            opened = _open_http(url, there, terms.reach, deadline, closing)
        else:
            opened = _open_library(url, there, terms.reach, deadline, closing)
        stream = closing.enter_context(path.open("r+b" if there else "wb"))
        stream.seek(opened.offset)
        stream.truncate()
        progress.begin(opened.offset, opened.total)
        while chunk := opened.read():
            progress.add(len(chunk))
            if progress.done > terms.limit_bytes or opened.total > terms.limit_bytes:
                raise DatasetError(
                    f"dataset {shown(url)} is larger than the agent's limit for datasets "
                    f"({terms.limit_bytes / 1e9:g} GB); set PROFILEAPP_DATASETS_LIMIT there"
                )
            stream.write(chunk)
            progress.tick()
        if progress.done < opened.total:
            raise _Interrupted("the connection closed before the end of the file")


def _open_http(url: str, offset: int, reach: Reach, deadline: Deadline, closing: ExitStack) -> _Opened:
    headers = {"Range": f"bytes={offset}-"} if offset else {}
    answer = _network(lambda: closing.enter_context(http_get(url, headers, reach, deadline)), deadline)

    def read() -> bytes:
        return _network(lambda: answer.read(CHUNK_BYTES), deadline)

    length = _length(answer)
    if answer.status == 206:
        match = re.fullmatch(r"bytes (\d{1,15})-\d{1,15}/(\d{1,15}|\*)", answer.headers.get("Content-Range", ""))
        if match and int(match[1]) == offset:
            return _Opened(offset, int(match[2]) if match[2].isdigit() else offset + length, read)
    if offset and answer.status in (206, 416):
        # The file is complete already, or the part is not from this file: the checksum decides.
        return _Opened(offset, offset, lambda: b"")
    if answer.status in (408, 429) or answer.status >= 500:
        raise _Interrupted("the server failed or is busy")
    if answer.status != 200:
        # The exact status would reveal to an app what exists on a host that it may not reach.
        raise InvalidResponse("is refused by the server; fix its url, or allow it to be read without a login")
    return _Opened(0, length, read)


def _length(answer: Answer) -> int:
    text = answer.headers.get("Content-Length", "")
    return int(text) if re.fullmatch(r"\d{1,15}", text) else 0


def _open_library(url: str, offset: int, reach: Reach, deadline: Deadline, closing: ExitStack) -> _Opened:
    """Opens it by the filesystem of the URL's scheme, at the agent's configured endpoint. It is read anonymously,
    except from buckets that the administrator names: an app could otherwise read what only the agent's credentials may.

    Sources: fsspec documentation, "Usage"; s3fs, "Credentials" (anon); gcsfs, "Credentials" (token).
    """
    parts = urlsplit(url)
    options: dict[str, Any] = {}
    if not reach.takes_bucket(parts.scheme, parts.netloc):
        options = {"anon": True} if parts.scheme == "s3" else {"token": "anon"}
    try:
        import fsspec  # noqa: PLC0415  (an extra)
    except ImportError as error:
        raise AgentError(f"dataset {shown(url)} needs the worker's s3 extra on this agent") from error

    def open_it() -> tuple[Any, int]:
        filesystem, path = fsspec.core.url_to_fs(url, **options)
        total = int(filesystem.size(path) or 0)
        stream = filesystem.open(path, "rb")
        stream.seek(min(offset, total))
        return stream, total

    stream, total = _of_library(open_it, deadline)
    closing.callback(stream.close)
    return _Opened(
        min(offset, total), total, lambda: _of_library(lambda: bytes(stream.read(LIBRARY_CHUNK_BYTES)), deadline)
    )


def _of_library(act: Callable[[], _Result], deadline: Deadline) -> _Result:
    """The result of `act`; translates its errors, which differ between filesystems."""

    def caught() -> tuple[_Result | None, Exception | None]:
        try:
            return act(), None
        except Exception as error:
            return None, error

    try:
        result, error = call(caught, deadline.within(IDLE_TIMEOUT_S))
    except TooLate as late:
        deadline.check()
        raise _Interrupted(_reason(late)) from late
    if isinstance(error, FileNotFoundError | PermissionError):
        raise InvalidResponse("does not exist, or this agent may not read it; fix its url") from error
    if isinstance(error, ImportError):
        raise AgentError(f"fsspec cannot read such datasets on this agent ({error})") from error
    if error is not None:
        raise _Interrupted(type(error).__name__) from error
    return cast("_Result", result)


def _network(act: Callable[[], _Result], deadline: Deadline) -> _Result:
    """The result of `act`; raises network failures as _Interrupted, unless the overall deadline has passed."""
    try:
        return act()
    except (OSError, http.client.HTTPException) as error:
        deadline.check()
        raise _Interrupted(_reason(error)) from error


def _reason(error: BaseException) -> str:
    """The system's error text; what libraries add contains the whole URL."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
    return printable(reason, 200)
