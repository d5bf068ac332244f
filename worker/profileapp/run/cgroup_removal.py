"""Removes cgroups of a run, as root in a helper container: `python -m profileapp.run.cgroup_removal NAME…`.

/cgroup there is the machine's /sys/fs/cgroup. Prints what could not be removed. Names that are no run's are refused.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from profileapp.run.run_cgroup import CGROUP_NAME, remove_folders, stop_slice

ROOT = Path("/cgroup")
_LIMIT_S = 5.0
_PAUSE_S = 0.02


def main(names: Sequence[str], root: Path = ROOT) -> int:
    """Removes the named cgroups. Returns 1 if any is left."""
    if refused := [name for name in names if not CGROUP_NAME.fullmatch(name)]:
        sys.stderr.write(f"{refused[0]!r} is no run's cgroup\n")
        return 1
    for name in names:
        if name.endswith(".slice"):
            stop_slice(name)
    hierarchies = [root, *(each for each in root.iterdir() if each.is_dir() and not each.is_symlink())]
    deadline_s = time.monotonic() + _LIMIT_S
    while left := remove_folders(folder for each in hierarchies for name in names if (folder := each / name).is_dir()):
        if time.monotonic() > deadline_s:
            sys.stderr.write(f"cgroup {left[0].name} could not be removed\n")
            return 1
        time.sleep(_PAUSE_S)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
