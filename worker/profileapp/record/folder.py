"""The artifact folder of one target: `DIR/TARGET/`."""

from __future__ import annotations

import gzip
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import msgspec

from profileapp.errors import AgentError
from profileapp.model.clock import Clock
from profileapp.model.run import Run
from profileapp.record.artifacts import (
    COMPRESSED_METRICS_FILE,
    METRICS_FILE,
    RUN_FILE,
    artifact,
    is_artifact,
    write_artifact,
)
from profileapp.record.files import create_new, open_regular, opened_folder
from profileapp.record.tree import remove_entry
from profileapp.record.writer import FILE_LIMIT_BYTES, MetricsWriter

COMPRESS_FROM_BYTES = 8 * 1024**2


class RunFolder:
    """A target's artifact folder, open for one run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, out: Path, target_name: str) -> RunFolder:
        """Creates an empty `out/target_name`, replacing that of an earlier run.

        Raises AgentError if the folder is a symlink, contains other files, or cannot be written.
        """
        path = out / target_name
        try:
            with opened_folder(out, make=True) as parent:
                _remove_old_artifacts(parent, path)
                os.mkdir(target_name, dir_fd=parent)
        except OSError as error:
            raise AgentError(f"{path}: cannot be written ({error.strerror}); choose another --out") from error
        return cls(path)

    def write_run(self, run: Run) -> None:
        """Replaces `run.json` atomically. Raises OSError."""
        write_artifact(self.path, RUN_FILE, msgspec.json.format(msgspec.json.encode(run), indent=1) + b"\n")

    def open_metrics(self, clock: Clock, on_failure: Callable[[OSError], None] | None = None) -> MetricsWriter:
        """Creates `metrics.ndjson`, for up to half of the free disk: compressing it needs space too. Raises OSError."""
        stream = create_new(artifact(self.path, METRICS_FILE))
        # If almost nothing is free the disk soon fills up, which ends the run with a clear message.
        room_bytes = max(shutil.disk_usage(self.path).free // 2, COMPRESS_FROM_BYTES)
        limit_bytes = min(room_bytes, FILE_LIMIT_BYTES)
        return MetricsWriter(stream, clock, on_failure, file_limit_bytes=limit_bytes)

    def compress_metrics(self, from_bytes: int = COMPRESS_FROM_BYTES) -> None:
        """Compresses `metrics.ndjson` if it is large. Raises OSError; the plain file then remains."""
        plain = self.path / METRICS_FILE
        if plain.stat().st_size < from_bytes:
            return
        compressed = artifact(self.path, COMPRESSED_METRICS_FILE)
        unfinished = compressed.with_name(f".{COMPRESSED_METRICS_FILE}")
        try:
            with (
                open_regular(plain) as source,
                create_new(unfinished) as raw,
                gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=6, mtime=0) as sink,
            ):
                shutil.copyfileobj(source, sink, 1024**2)
            unfinished.replace(compressed)
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise
        plain.unlink()


def _remove_old_artifacts(parent: int, path: Path) -> None:
    """Removes the artifacts of an earlier run of the target. Raises AgentError if there are other files; OSError."""
    try:
        status = os.lstat(path.name, dir_fd=parent)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(status.st_mode):
        raise AgentError(f"{path}: exists and is not a folder; remove it or choose another --out")
    with opened_folder(path) as folder:
        foreign = sorted(name for name in os.listdir(folder) if not is_artifact(name))  # noqa: PTH208  (of a descriptor)
    if foreign:
        raise AgentError(
            f"{path}: contains {foreign[0]!r}, which profileapp did not create; remove it or choose another --out"
        )
    remove_entry(parent, path.name)
