"""The dataset of a target: a path below the folder of the sage.yaml, or a URL."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice
from pathlib import Path, PurePosixPath

from profileapp.config.dataset_files import FILES_LIMIT, files_below, is_lfs_pointer, link_out_of
from profileapp.model.target import ARCHIVE_SUFFIXES, Dataset
from profileapp.model.text import printable
from profileapp.model.url import url_problem

OWN_FOLDERS = frozenset({"profile", ".profileapp"})
"""Folders next to a sage.yaml that profileapp itself uses: no dataset may have their names."""
_ANT_SPECIAL = re.compile(r"[*?,\\\s]")


def check_dataset(folder: Path, dataset: str) -> str:
    """The problem with a dataset below `folder`, as a continuation of the value's name; "" if there is none."""
    path = PurePosixPath(dataset)
    if "://" in dataset:
        return ", but a download also needs its checksum: {url: …, sha256: …}"
    if not dataset.strip() or not dataset.isprintable():
        return ", but must be the path of a folder or file"
    if path.is_absolute() or ".." in path.parts or path == PurePosixPath():
        return ", but must be a path below the folder of the sage.yaml"
    if _ANT_SPECIAL.search(dataset):
        return ", but must not contain spaces or any of * ? , \\ (Jenkins could not copy it to the agents)"
    try:
        resolved = (folder / path).resolve(strict=True)
    except FileNotFoundError:
        return ", but there is no such folder or file next to the sage.yaml"
    except (OSError, RuntimeError) as error:
        return f", which cannot be read ({_reason(error)})"
    if not resolved.is_relative_to(folder.resolve()):
        return ", a link that points outside the folder of the sage.yaml"
    if not (resolved.is_dir() or resolved.is_file()):
        return ", but must be a folder or a regular file"
    if {path.parts[0], resolved.relative_to(folder.resolve()).parts[0]} & OWN_FOLDERS:
        return ", a folder that profileapp itself uses; rename the dataset's folder"
    return _check_files(folder, resolved)


def check_url(dataset: Dataset) -> str:
    """The problem with a dataset from a URL, as a continuation of its name; "" if there is none."""
    problem = url_problem(dataset.url)
    if problem:
        return problem
    if not re.fullmatch(r"[0-9a-f]{64}", dataset.sha256):
        return ", which needs a sha256: 64 hexadecimal digits, as sha256sum prints them"
    return ""


def is_archive(name: str) -> bool:
    """Whether a file with this name is unpacked by default."""
    return name.lower().endswith(ARCHIVE_SUFFIXES)


def ant_patterns(folder: Path, datasets: Sequence[str]) -> tuple[str, ...]:
    """Ant patterns of the datasets, relative to `folder`."""
    return tuple(f"{dataset}/**" if (folder / dataset).is_dir() else dataset for dataset in datasets)


def _check_files(folder: Path, resolved: Path) -> str:
    root = folder.resolve()
    try:
        if resolved.is_dir():
            problem = link_out_of(resolved, root, "the folder of the sage.yaml")
            if problem:
                return f", which {problem}"
        for each in islice(files_below(resolved), FILES_LIMIT):
            if not each.is_symlink() and is_lfs_pointer(each):
                return (
                    f", where {printable(str(each.relative_to(root)), 100)} is a Git LFS pointer, not the content; "
                    "run `git lfs pull`, or enable LFS in the job's checkout"
                )
    except (OSError, RuntimeError) as error:
        return f", which cannot be read ({_reason(error)})"
    return ""


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else "") or type(error).__name__
