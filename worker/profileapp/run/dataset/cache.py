"""A cache of downloaded and unpacked datasets, addressed by content, least recently used evicted first.

    FOLDER/KEY/{content, size}   one complete dataset; KEY is the download's checksum with `-unpacked` or its suffix
    FOLDER/KEY.lock              shared while a run uses it, exclusive while it is created or removed; mtime: last use
    FOLDER/KEY.part[.unpacked]   incomplete

The folder is `datasets` in the home of the bridge script, ${PROFILEAPP_HOME:-${XDG_CACHE_HOME:-~/.cache}/profileapp}.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from profileapp.config.dataset_files import files_below, is_lfs_pointer, lfs_pointer_in
from profileapp.errors import AgentError, DatasetError
from profileapp.model.target import Dataset
from profileapp.model.text import printable
from profileapp.record.tree import remove_tree
from profileapp.retry import timeout_s_of
from profileapp.run.dataset.fetch import TIMEOUT_S, Terms, fetch, sha256_of, shown
from profileapp.run.dataset.unpack import unpack
from profileapp.run.net.reach import Reach

DEFAULT_LIMIT_BYTES = 20 * 10**9
HOME_VARIABLE = "PROFILEAPP_HOME"
LIMIT_VARIABLE = "PROFILEAPP_DATASETS_LIMIT"
POLL_S = 0.1
_LOCK_SUFFIX = ".lock"
_COPY_BYTES = 1024**2

OnProgress = Callable[[str, int, int], None]
"""Called during a download: the dataset's name, bytes so far, bytes in total (0: unknown). May raise to cancel."""


class DatasetCache:
    """The datasets of one user on one agent; any number of processes may use it at once.

    `reach`: the allowed hosts; None: public ones. `timeout_s`: limit of one download, and of unpacking one.
    """

    def __init__(
        self,
        folder: Path,
        limit_bytes: int = DEFAULT_LIMIT_BYTES,
        reach: Reach | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._folder = folder
        self._limit_bytes = limit_bytes
        self._terms = Terms(limit_bytes, reach or Reach(), timeout_s, timeout_s_of(os.environ))

    @contextmanager
    def locked(self, dataset: Dataset, config_folder: Path, on_progress: OnProgress) -> Iterator[Path]:
        """Yields the dataset's file or folder, which stays for the block; downloads and unpacks it if it is not cached.

        Raises DatasetError or AgentError, each with the dataset's name; a failed dataset leaves nothing usable.
        """
        try:
            sha256 = dataset.sha256
            if dataset.path:
                sha256 = sha256_of(_inside(config_folder, dataset.path), lambda: on_progress(dataset.path, 0, 0))
                if dataset.sha256 not in ("", sha256):
                    raise DatasetError(f"dataset {dataset.path} has sha256 {sha256}, not {dataset.sha256}")
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            key = sha256 + ("-unpacked" if dataset.unpack else _suffix(dataset))
            descriptor = self._lock(key, dataset, sha256, config_folder, on_progress)
        except OSError as error:
            raise AgentError(
                f"dataset {shown(str(dataset))}: {self._folder} cannot be written ({error.strerror})"
            ) from error
        try:
            yield self._folder / key / _content_name(dataset)
        finally:
            os.close(descriptor)

    def _lock(self, key: str, dataset: Dataset, sha256: str, config_folder: Path, on_progress: OnProgress) -> int:
        """Returns a descriptor that locks the complete entry `key`."""
        descriptor = self._open_lock(key)
        try:
            while True:
                _wait_for(descriptor, fcntl.LOCK_SH, shown(str(dataset)), on_progress)
                if (self._folder / key / "size").exists():
                    _touch(descriptor)
                    return descriptor
                # The shared lock is released first: two holders that both upgrade would deadlock.
                fcntl.flock(descriptor, fcntl.LOCK_UN)
                _wait_for(descriptor, fcntl.LOCK_EX, shown(str(dataset)), on_progress)
                if not (self._folder / key / "size").exists():
                    self._make(key, dataset, sha256, config_folder, on_progress)
                _touch(descriptor)
                self._evict(key)
        except BaseException:
            os.close(descriptor)
            raise

    def _make(self, key: str, dataset: Dataset, sha256: str, config_folder: Path, on_progress: OnProgress) -> None:
        part = self._folder / f"{key}.part"
        unpacked = self._folder / f"{key}.part.unpacked"
        _remove(unpacked)
        unpacked.mkdir(mode=0o700)

        def tick() -> None:
            on_progress(shown(str(dataset)), 0, 0)

        try:
            if dataset.path:
                source = _inside(config_folder, dataset.path)
            else:
                source = part
                resumed = part.exists()
                self._fetch(dataset, part, on_progress)
                if resumed and sha256_of(part, tick) != sha256:
                    # The part from an earlier attempt may belong to another file.
                    part.unlink()
                    self._fetch(dataset, part, on_progress)
                _check(part, dataset, sha256, tick)
            content = unpacked / _content_name(dataset)
            if dataset.unpack:
                content.mkdir(mode=0o755)
                _unpack(source, content, dataset, self._terms, tick)
            elif dataset.path:
                _copy(source, content, tick)
            else:
                part.replace(content)
            if content.is_file():
                content.chmod(0o644)
            size = sum(each.stat().st_size for each in files_below(content))
            (unpacked / "size").write_text(str(size))
            _remove(self._folder / key)
            unpacked.replace(self._folder / key)
        finally:
            _remove(unpacked)
        part.unlink(missing_ok=True)

    def _fetch(self, dataset: Dataset, part: Path, on_progress: OnProgress) -> None:
        fetch(dataset.url, part, self._terms, lambda done, total: on_progress(shown(dataset.url), done, total))

    def _evict(self, in_use: str) -> None:
        """Evicts the least recently used entries that are not in use, until the rest fits."""
        entries = []
        for lock in self._folder.glob(f"*{_LOCK_SUFFIX}"):
            key = lock.name.removesuffix(_LOCK_SUFFIX)
            with suppress(OSError, ValueError):
                size = sum(part.stat().st_size for part in self._folder.glob(f"{key}.part") if part.is_file())
                if (self._folder / key).is_dir():
                    size += int((self._folder / key / "size").read_text())
                entries.append((lock.stat().st_mtime_ns, key, size))
        total = sum(size for _, _, size in entries)
        for _, key, size in sorted(entries):
            if total <= self._limit_bytes:
                return
            if size and key != in_use and self._remove(key):
                total -= size

    def _remove(self, key: str) -> bool:
        descriptor = self._open_lock(key)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        else:
            # The marker of completeness is removed first. The lock file stays: another process may wait for it.
            (self._folder / key / "size").unlink(missing_ok=True)
            _remove(self._folder / key)
            (self._folder / f"{key}.part").unlink(missing_ok=True)
            return True
        finally:
            os.close(descriptor)

    def _open_lock(self, key: str) -> int:
        path = self._folder / f"{key}{_LOCK_SUFFIX}"
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _remove(path: Path) -> None:
    """Ignores errors: an entry that cannot be removed fails later, when it is replaced."""
    with suppress(OSError):
        remove_tree(path)


def cache_folder(environ: Mapping[str, str]) -> Path:
    """The folder of this user's datasets. Raises AgentError."""
    base = environ.get("XDG_CACHE_HOME") or (f"{environ['HOME']}/.cache" if environ.get("HOME") else "")
    home = environ.get(HOME_VARIABLE) or (f"{base}/profileapp" if base else "")
    if not home.startswith("/"):
        raise AgentError(f"no folder for datasets: set {HOME_VARIABLE} to an absolute path")
    return Path(home) / "datasets"


def _suffix(dataset: Dataset) -> str:
    """The suffix of a file's name, from which players recognise its format; "" if it is unknown."""
    suffix = PurePosixPath((dataset.path or dataset.url).partition("?")[0]).suffix.lower()
    return suffix if re.fullmatch(r"\.[a-z0-9]{1,5}", suffix) else ""


def _content_name(dataset: Dataset) -> str:
    return "content" if dataset.unpack else f"content{_suffix(dataset)}"


def _touch(descriptor: int) -> None:
    # The kernel's own "now" may be a tick old, and two datasets may be used within one tick.
    now_ns = time.time_ns()
    os.utime(descriptor, ns=(now_ns, now_ns))


def _wait_for(descriptor: int, lock: int, name: str, on_progress: OnProgress) -> None:
    """Waits for a lock; `on_progress` may raise to cancel."""
    while True:
        try:
            fcntl.flock(descriptor, lock | fcntl.LOCK_NB)
        except BlockingIOError:
            on_progress(name, 0, 0)
            time.sleep(POLL_S)
        else:
            return


def _inside(folder: Path, path: str) -> Path:
    resolved = (folder / path).resolve()
    if not resolved.is_relative_to(folder.resolve()) or not resolved.is_file():
        raise DatasetError(f"dataset {path} does not exist, or points outside the folder of the sage.yaml")
    return resolved


def _check(part: Path, dataset: Dataset, sha256: str, tick: Callable[[], None]) -> None:
    """Raises DatasetError if the download has another checksum, and removes it.

    The error reveals neither its content nor its size: it may be a page that only the agent can see.
    """
    if sha256_of(part, tick) == sha256:
        return
    pointer = is_lfs_pointer(part)
    part.unlink()
    hint = "it is a Git LFS pointer; use the URL of the content itself" if pointer else "fix its url or sha256"
    raise DatasetError(f"dataset {shown(str(dataset))}: the downloaded file does not have the sha256 {sha256}; {hint}")


def _copy(source: Path, target: Path, tick: Callable[[], None]) -> None:
    with source.open("rb") as reader, target.open("xb") as writer:
        while chunk := reader.read(_COPY_BYTES):
            writer.write(chunk)
            tick()


def _unpack(source: Path, folder: Path, dataset: Dataset, terms: Terms, tick: Callable[[], None]) -> None:
    try:
        unpack(source, folder, terms.limit_bytes, tick, terms.timeout_s)
    except DatasetError as error:
        raise DatasetError(f"dataset {shown(str(dataset))} {error}") from error
    pointer = lfs_pointer_in(folder)
    if pointer:
        raise DatasetError(
            f"dataset {shown(str(dataset))} contains a Git LFS pointer instead of {printable(pointer, 100)}"
        )
