"""The common part of tools that trace the app: finding them on the agent, and their output folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from profileapp.collect.api import Mount, RunContext
from profileapp.errors import Unavailable

CONTAINER_FOLDER = "/profileapp"
# Mounted over the same folders of a container, these would hide the app's libraries.
_SHARED = frozenset(map(Path, ("/", "/usr", "/usr/local", "/opt", "/home", "/root", "/bin", "/lib", "/etc", "/var")))


def find_program(name: str, folder: str, environ: Mapping[str, str]) -> Path | None:
    """A program in `folder` (or its `bin`) if the agent's configuration names one, else on PATH; links are resolved."""
    places = f"{folder}{os.pathsep}{folder}/bin" if folder else environ.get("PATH", os.defpath)
    found = shutil.which(name, path=places)
    return Path(found).resolve() if found else None


def tool_mount(folder: Path) -> Mount:
    """Mounts the tool's folder at the same path. Raises Unavailable if the folder is shared with other software."""
    if folder in _SHARED:
        raise Unavailable(f"it is in {folder}, which cannot be mounted into a container; install it in its own folder")
    return Mount(str(folder), str(folder))


def output_folder(run: RunContext, name: str) -> tuple[Path, str, Mount]:
    """A folder that the app may write to: its path on the host, its path for the app, and its mount.

    It is in the run's private scratch folder, inaccessible to other users of the host, and deleted with it.
    """
    path = run.scratch / name
    path.mkdir(mode=0o777)
    # The app may run as any user, and mkdir's mode is reduced by our umask.
    path.chmod(0o777)
    seen = f"{CONTAINER_FOLDER}/{name}" if run.contained else str(path)
    return path, seen, Mount(str(path), f"{CONTAINER_FOLDER}/{name}", writable=True)
