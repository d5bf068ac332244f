"""The artifacts of a target: every file and folder that profileapp may write to its folder is declared here.

A run replaces the artifacts of an earlier one, and refuses a folder with other files: an undeclared artifact would make
the second run of a target fail.
"""

from __future__ import annotations

from pathlib import Path

from profileapp.record.files import write_atomic

RUN_FILE = "run.json"
METRICS_FILE = "metrics.ndjson"
COMPRESSED_METRICS_FILE = "metrics.ndjson.gz"
DIGEST_FILE = "digest.json"
"""What a report needs of the samples: `record/digest.py`."""
APP_LOG_FILE = "app.log"
SERVICES_FOLDER = "services"
FUNCTIONS_FILE = "functions.csv"
KERNELS_FILE = "kernels.csv"
STACKS_FILE = "stacks.folded"
"""Stacks of the app's functions in py-spy's format, one per line: `frame;frame;frame COUNT`."""
SERIES_FILE = "series.csv"
JUNIT_FILE = "junit.xml"
REPORT_FOLDER = "report"

ARTIFACTS = frozenset(
    {
        RUN_FILE,
        METRICS_FILE,
        COMPRESSED_METRICS_FILE,
        DIGEST_FILE,
        APP_LOG_FILE,
        SERVICES_FOLDER,
        FUNCTIONS_FILE,
        KERNELS_FILE,
        STACKS_FILE,
        SERIES_FILE,
        JUNIT_FILE,
        REPORT_FOLDER,
    }
)
OTHERS_PREFIX = "x-"
"""The prefix of the names of other packages' artifacts."""


def artifact(folder: Path, name: str) -> Path:
    """The path of an artifact of a target. Raises ValueError for one that is not declared."""
    if name not in ARTIFACTS and not name.startswith(OTHERS_PREFIX):
        raise ValueError(f"{name!r} is not declared in {__name__}; that of another package begins with {OTHERS_PREFIX}")
    return folder / name


def write_artifact(folder: Path, name: str, content: bytes) -> None:
    """Writes an artifact of a target atomically, replacing an earlier one. Raises OSError."""
    write_atomic(artifact(folder, name), content)


def is_artifact(name: str) -> bool:
    """Whether a name is an artifact's, or that of a temporary file left by a crash (`.run.json.1a2b3c4d`)."""
    plain = name.removeprefix(".")
    return (
        plain.startswith(OTHERS_PREFIX) or name in ARTIFACTS or any(name.startswith(f".{each}") for each in ARTIFACTS)
    )
