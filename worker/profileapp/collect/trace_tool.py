"""What tools that trace the app have in common: where they are on the agent, and where they write."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from profileapp.collect.api import Mount, RunContext
from profileapp.errors import Unavailable

CONTAINER_FOLDER = "/profileapp"
# Mounted over a container's own folders, they would hide the app's libraries.
_SHARED = frozenset(map(Path, ("/", "/usr", "/usr/local", "/opt", "/home", "/root", "/bin", "/lib", "/etc", "/var")))


def find_program(name: str, folder: str, environ: Mapping[str, str]) -> Path | None:
    """A program in `folder` (or its bin), where an agent's configuration names one, else on PATH; links followed."""
    places = f"{folder}{os.pathsep}{folder}/bin" if folder else environ.get("PATH", os.defpath)
    found = shutil.which(name, path=places)
    return Path(found).resolve() if found else None


def tool_mount(folder: Path) -> Mount:
    """The tool's own folder, at the same place in the container. Raises Unavailable where others' things are in it."""
    if folder in _SHARED:
        raise Unavailable(f"it is in {folder}, which cannot be mounted into a container; install it in its own folder")
    return Mount(str(folder), str(folder))


def output_folder(run: RunContext, name: str) -> tuple[Path, str, Mount]:
    """A folder that the app may write to: as we see it, as the app does, and its mount.

    It is in the run's private scratch folder, out of reach of other users of the host, and is removed with it.
    """
    path = run.scratch / name
    path.mkdir(mode=0o777)
    # The app may run as any user; mkdir's mode is cut by our umask.
    path.chmod(0o777)
    seen = f"{CONTAINER_FOLDER}/{name}" if run.contained else str(path)
    return path, seen, Mount(str(path), f"{CONTAINER_FOLDER}/{name}", writable=True)
