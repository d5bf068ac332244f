"""The artifact folder of one target: `DIR/TARGET/`."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec

from profileapp.errors import AgentError
from profileapp.model.clock import Clock
from profileapp.model.run import Run
from profileapp.record.files import create_new, open_regular, write_atomic
from profileapp.record.tree import remove_tree
from profileapp.record.writer import FILE_LIMIT_BYTES, MetricsWriter

RUN_FILE = "run.json"
METRICS_FILE = "metrics.ndjson"
COMPRESSED_METRICS_FILE = "metrics.ndjson.gz"
APP_LOG_FILE = "app.log"
SERVICES_FOLDER = "services"

OWN_NAMES = frozenset(
    {
        RUN_FILE,
        METRICS_FILE,
        COMPRESSED_METRICS_FILE,
        APP_LOG_FILE,
        SERVICES_FOLDER,
        "junit.xml",
        "series.csv",
        "report",
    },
)
"""All that profileapp itself writes into a target's folder; a new run of the target replaces it."""

COMPRESS_FROM_BYTES = 8 * 1024**2


class RunFolder:
    """A target's artifact folder, open for one run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, out: Path, target_name: str) -> RunFolder:
        """Makes `out/target_name` afresh; what an earlier run of the target left there is replaced.

        Raises AgentError where the folder is a symlink, holds files that are not ours, or cannot be written.
        """
        path = out / target_name
        try:
            out.mkdir(parents=True, exist_ok=True)
            if path.is_symlink() or (path.exists() and not path.is_dir()):
                raise AgentError(f"{path}: is in the way and not a folder; remove it or choose another --out")
            if path.exists():
                foreign = sorted(entry.name for entry in path.iterdir() if not _is_own(entry.name))
                if foreign:
                    raise AgentError(
                        f"{path}: holds {foreign[0]!r}, which profileapp did not make; "
                        "remove it or choose another --out"
                    )
                remove_tree(path)
            path.mkdir()
        except OSError as error:
            raise AgentError(f"{path}: cannot be written ({error.strerror}); choose another --out") from error
        return cls(path)

    def write_run(self, run: Run) -> None:
        """Writes `run.json` in place of the last one, all at once. Raises OSError."""
        write_atomic(self.path / RUN_FILE, msgspec.json.format(msgspec.json.encode(run), indent=1) + b"\n")

    def open_metrics(self, clock: Clock, on_failure: Callable[[OSError], None] | None = None) -> MetricsWriter:
        """Creates `metrics.ndjson`, for up to half of the free disk: to pack it takes some too. Raises OSError."""
        stream = create_new(self.path / METRICS_FILE)
        # Where next to nothing is free the disk is full before long, which ends the run with a word.
        room_bytes = max(shutil.disk_usage(self.path).free // 2, COMPRESS_FROM_BYTES)
        limit_bytes = min(room_bytes, FILE_LIMIT_BYTES)
        return MetricsWriter(stream, clock, on_failure, file_limit_bytes=limit_bytes)

    def compress_metrics(self, from_bytes: int = COMPRESS_FROM_BYTES) -> None:
        """Compresses `metrics.ndjson` where it has grown large. Raises OSError; the plain file then stands."""
        plain = self.path / METRICS_FILE
        if plain.stat().st_size < from_bytes:
            return
        compressed = self.path / COMPRESSED_METRICS_FILE
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


def _is_own(name: str) -> bool:
    """Ours, or the unfinished form of ours that a crash left (`.run.json.1a2b3c4d`)."""
    return name in OWN_NAMES or any(name.startswith(f".{own}") for own in OWN_NAMES)
