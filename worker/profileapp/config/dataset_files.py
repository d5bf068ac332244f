"""The files of a dataset, and those that are only placeholders for their content."""

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
"""Files of a dataset that are checked for being Git LFS pointers."""
ENTRIES_LIMIT = 1_000_000
"""Files, links and folders below a folder that is carried to other agents; one with more is refused."""


def is_lfs_pointer(path: Path) -> bool:
    """Whether a file is not the content but Git LFS's word for it. Raises OSError."""
    if not path.is_file() or path.stat().st_size > LFS_POINTER_LIMIT_BYTES:
        return False
    with path.open("rb") as stream:
        return stream.read(len(LFS_POINTER_START)) == LFS_POINTER_START


def lfs_pointer_in(path: Path) -> str:
    """The first Git LFS pointer of a folder (or the file itself), relative to it; "" where there is none.

    Raises OSError.
    """
    for each in islice(files_below(path), FILES_LIMIT):
        if not each.is_symlink() and is_lfs_pointer(each):
            return str(each.relative_to(path)) if each != path else path.name
    return ""


def files_below(path: Path) -> Iterator[Path]:
    """Files and links below a folder, none followed; or the file itself."""
    if not path.is_dir():
        yield path
        return
    for parent, folders, files in os.walk(path):
        here = Path(parent)
        yield from (here / name for name in files)
        yield from (here / name for name in folders if (here / name).is_symlink())


def link_out_of(path: Path, root: Path, root_title: str, entries_limit: int = ENTRIES_LIMIT) -> str:
    """What is wrong with the links in a folder that Jenkins carries to other agents, following them; "" if nothing.

    A link may lead to anything below `root`, over however many other links. A folder with more than `entries_limit`
    entries is refused, not accepted unseen. Raises OSError.
    """
    real_root = root.resolve()
    folders, entries = [os.fspath(path)], 0
    while folders:
        with os.scandir(folders.pop()) as found:
            for entry in found:
                entries += 1
                if entries > entries_limit:
                    return f"holds more than {entries_limit} files and folders"
                if entry.is_symlink():
                    if not Path(os.path.realpath(entry.path)).is_relative_to(real_root):
                        shown = printable(os.path.relpath(entry.path, root), 100)
                        return f"holds a link that leads out of {root_title} ({shown})"
                elif entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
    return ""
