"""The dataset of a target: a folder or file beside the sage.yaml, and nothing outside it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

_ANT_SPECIAL = re.compile(r"[*?,\\\s]")


def check_dataset(folder: Path, dataset: str) -> str:
    """What is wrong with a dataset below `folder`, to go on after the name of the value; "" where nothing is."""
    path = PurePosixPath(dataset)
    if not dataset.strip() or not dataset.isprintable():
        return ", but must be the path of a folder or file"
    if path.is_absolute() or ".." in path.parts or path == PurePosixPath("."):
        return ", but must be a path below the folder of the sage.yaml"
    if _ANT_SPECIAL.search(dataset):
        return ", but must hold no space and none of * ? , \\ (Jenkins could not carry it to the agents)"
    try:
        resolved = (folder / path).resolve(strict=True)
    except FileNotFoundError:
        return ", but there is no such folder or file beside the sage.yaml"
    except (OSError, RuntimeError) as error:
        return f", which cannot be read ({error})"
    if not resolved.is_relative_to(folder.resolve()):
        return ", a link that leads out of the folder of the sage.yaml"
    if not (resolved.is_dir() or resolved.is_file()):
        return ", but must be a folder or an ordinary file"
    return ""


def ant_patterns(folder: Path, datasets: Sequence[str]) -> tuple[str, ...]:
    """Ant patterns of the datasets, relative to `folder`."""
    return tuple(f"{dataset}/**" if (folder / dataset).is_dir() else dataset for dataset in datasets)
