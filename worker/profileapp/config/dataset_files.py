"""The files of a dataset, and detection of Git LFS pointers in place of their content."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from profileapp.model.text import printable

LFS_POINTER_START = b"version https://git-lfs.github.com/spec/v1\n"
"""The beginning of a Git LFS pointer file. Source: Git LFS, docs/spec.md."""
LFS_POINTER_LIMIT_BYTES = 1024
FILES_LIMIT = 100_000
"""Limit of files of a dataset that are checked for being Git LFS pointers."""
ENTRIES_LIMIT = 1_000_000
"""Limit of entries below a folder that is copied to other agents; one with more is refused."""


def is_lfs_pointer(path: Path) -> bool:
    """Whether a file is a Git LFS pointer instead of the content. Raises OSError."""
    if not path.is_file() or path.stat().st_size > LFS_POINTER_LIMIT_BYTES:
        return False
    with path.open("rb") as stream:
        return stream.read(len(LFS_POINTER_START)) == LFS_POINTER_START


def lfs_pointer_in(path: Path) -> str:
    """The first Git LFS pointer in a folder (or the file itself), relative to it; "" if there is none.

    Raises OSError.
    """
    for each in islice(files_below(path), FILES_LIMIT):
        if not each.is_symlink() and is_lfs_pointer(each):
            return str(each.relative_to(path)) if each != path else path.name
    return ""


def files_below(path: Path) -> Iterator[Path]:
    """Files and links below a folder, following none; or the file itself."""
    if not path.is_dir():
        yield path
        return
    for parent, folders, files in os.walk(path):
        here = Path(parent)
        yield from (here / name for name in files)
        yield from (here / name for name in folders if (here / name).is_symlink())


def link_out_of(path: Path, root: Path, root_title: str, entries_limit: int = ENTRIES_LIMIT) -> str:
    """The problem with the links in a folder that Jenkins copies to other agents, following them; "" if there is none.

    A link may point anywhere below `root`, also through other links. A folder with more than `entries_limit` entries is
    refused, not accepted unchecked. Raises OSError.
    """
    real_root = root.resolve()
    folders, entries = [os.fspath(path)], 0
    while folders:
        with os.scandir(folders.pop()) as found:
            for entry in found:
                entries += 1
                if entries > entries_limit:
                    return f"contains more than {entries_limit} files and folders"
                if entry.is_symlink():
                    if not Path(os.path.realpath(entry.path)).is_relative_to(real_root):
                        shown = printable(os.path.relpath(entry.path, root), 100)
                        return f"contains a link that points outside {root_title} ({shown})"
                elif entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
    return ""
