"""A disk of a few megabytes, in memory, that a test can fill."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class NoSmallDisk(Exception):
    """This machine does not let us mount one: that takes root, and a container may not have the capability."""


class SmallDisk:
    """A mounted tmpfs at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._filler = path / "filler"

    def fill(self, leave_bytes: int) -> None:
        """Occupies the free space except for `leave_bytes`."""
        with self._filler.open("wb") as stream:
            free = self._free_bytes()
            stream.write(b"\0" * max(0, free - leave_bytes))

    def make_room(self) -> None:
        """Frees the space that `fill` occupied."""
        self._filler.unlink()

    def _free_bytes(self) -> int:

        found = os.statvfs(self.path)
        return found.f_bavail * found.f_frsize


@contextmanager
def small_disk(path: Path, size: str, owner: str) -> Iterator[SmallDisk]:
    """Mounts it at the empty folder `path`, and unmounts it afterwards. Raises NoSmallDisk."""
    options = f"size={size},mode=0700" + (f",uid={owner}" if owner else "")
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", path], capture_output=True, text=True, check=False
    )
    if made.returncode:
        raise NoSmallDisk(made.stderr.strip())
    try:
        yield SmallDisk(path)
    finally:
        # Lazily: a server may keep a file of it open for a moment.
        subprocess.run(["umount", "--lazy", path], check=True)
