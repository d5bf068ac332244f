"""Gets a file from elsewhere, and goes on where an earlier attempt was cut off.

Source: RFC 9110, "HTTP Semantics", 14 (range requests).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import requests

from profileapp.errors import AgentError, DatasetError
from profileapp.model.text import printable

ATTEMPTS = 5
TIMEOUT_S = 30.0
CHUNK_BYTES = 64 * 1024

OnProgress = Callable[[int, int], None]
"""Told how many bytes are here, and how many there will be (0: not known)."""


class Opened:
    """A file elsewhere, open at `offset` (which may be 0 where another was asked for). `total` 0: not known."""

    def __init__(self, offset: int, total: int, chunks: Iterator[bytes]) -> None:
        self.offset = offset
        self.total = total
        self.chunks = chunks


Open = Callable[[str, int], AbstractContextManager[Opened]]


def fetch(url: str, path: Path, limit_bytes: int, on_progress: OnProgress, open_url: Open | None = None) -> None:
    """Gets `url` to `path`, of which the first part may be there already.

    Raises DatasetError where there is no such file or it is larger than `limit_bytes`, AgentError where it cannot be
    reached; what came so far is kept for the next attempt. OSError where the disk fails.
    """
    opener = open_url or (_open_http if urlsplit(url).scheme in ("http", "https") else _open_fsspec)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _fetch_rest(url, path, limit_bytes, on_progress, opener)
        except requests.exceptions.RequestException as error:
            if attempt == ATTEMPTS:
                raise AgentError(f"dataset {_shown(url)} cannot be reached ({_reason(error)})") from error
        else:
            return


def sha256_of(path: Path) -> str:
    """The checksum of a file, in hexadecimal. Raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _fetch_rest(url: str, path: Path, limit_bytes: int, on_progress: OnProgress, opener: Open) -> None:
    there = path.stat().st_size if path.exists() else 0
    with opener(url, there) as opened, path.open("r+b" if there else "wb") as stream:
        done = stream.seek(opened.offset)
        stream.truncate()
        for chunk in opened.chunks:
            done += len(chunk)
            if done > limit_bytes or opened.total > limit_bytes:
                raise DatasetError(
                    f"dataset {_shown(url)} is larger than what the agent keeps of datasets "
                    f"({limit_bytes / 1e9:g} GB); set PROFILEAPP_DATASETS_LIMIT there"
                )
            stream.write(chunk)
            on_progress(done, opened.total)
        if done < opened.total:
            raise requests.exceptions.ConnectionError("the connection ended before the file did")


@contextmanager
def _open_http(url: str, offset: int) -> Iterator[Opened]:
    # Not packed for the way: offsets are of the file itself.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={offset}-"} if offset else {})
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as response:
        chunks = response.iter_content(CHUNK_BYTES)
        length = int(response.headers.get("Content-Length") or 0)
        if response.status_code == requests.codes.partial_content:
            match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
            if match and int(match[1]) == offset:
                yield Opened(offset, int(match[2]) if match[2].isdigit() else offset + length, chunks)
                return
        if offset and response.status_code in (206, 416):
            # It is all here already, or what is here is none of it: the checksum will tell which.
            yield Opened(offset, offset, iter(()))
            return
        if 400 <= response.status_code < 500 and response.status_code not in (408, 429):
            raise DatasetError(f"dataset {_shown(url)}: the server answers {response.status_code}; mend its url")
        response.raise_for_status()
        yield Opened(0, length, chunks)


@contextmanager
def _open_fsspec(url: str, offset: int) -> Iterator[Opened]:
    """By the filesystem of the URL's scheme; who may read there is the agent's own configuration.

    Source: fsspec documentation, "Usage".
    """
    try:
        import fsspec  # noqa: PLC0415  (an extra)
    except ImportError as error:
        raise AgentError(f"dataset {_shown(url)} needs the worker's s3 extra on this agent") from error
    try:
        filesystem, path = fsspec.core.url_to_fs(url)
        total = int(filesystem.size(path) or 0)
        stream = filesystem.open(path, "rb")
    except FileNotFoundError as error:
        raise DatasetError(f"dataset {_shown(url)}: there is no such file; mend its url") from error
    except ImportError as error:
        raise AgentError(f"dataset {_shown(url)} cannot be read by fsspec here ({error})") from error
    except Exception as error:  # each filesystem has errors of its own
        raise requests.exceptions.ConnectionError(type(error).__name__) from error
    with closing(stream):
        stream.seek(min(offset, total))
        yield Opened(min(offset, total), total, iter(lambda: stream.read(CHUNK_BYTES), b""))


def _reason(error: BaseException) -> str:
    """The innermost word of the system's; what libraries add holds the whole URL."""
    cause: BaseException | None = error
    reason = type(error).__name__
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            reason = cause.strerror
        cause = cause.__cause__ or cause.__context__
    return printable(reason, 200)


def _shown(url: str) -> str:
    """A URL without what may be a token."""
    return printable(url.partition("?")[0], 200)
