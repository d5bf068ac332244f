"""Runs the playback in a container with only this machine's Python, read-only: it needs no image.

Source: Docker documentation, "Create a base image" (an image of an empty tar).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import profileapp
from profileapp.collect.api import Mount
from profileapp.model.target import Service
from profileapp.run.service.playback import PORT, RTSP_PORT, streams_text

PACKAGE_FOLDER = "/opt/profileapp"
_SYSTEM_FOLDERS = ("/usr", "/lib", "/lib64")


def playback_settings(service: Service) -> dict[str, Any]:
    """Arguments of `create_container` for the built-in playback, besides the image."""
    return python_settings("profileapp.playback", "0.0.0.0", str(PORT), str(RTSP_PORT), streams_text(service))  # noqa: S104


def python_settings(module: str, *args: str) -> dict[str, Any]:
    """Arguments of `create_container` that run a module of this package, besides the image."""
    python = os.path.realpath(sys.executable)
    argv = [python, "-B", "-s", "-m", module, *args]
    return {
        "entrypoint": argv[:1],
        "command": argv[1:],
        # Its files may be readable only by their owner, and no capability is left that bypasses this.
        "user": f"{os.getuid()}:{os.getgid()}",
        "environment": {"PYTHONPATH": PACKAGE_FOLDER, "PYTHONUNBUFFERED": "1"},
    }


def python_mounts() -> tuple[Mount, ...]:
    """This machine's Python with the system's libraries, and this package."""
    folders = [Path(folder) for folder in _SYSTEM_FOLDERS]
    base = Path(sys.base_prefix).resolve()
    if not any(base.is_relative_to(folder) for folder in folders):
        folders.append(base)
    system = [Mount(str(folder.resolve()), str(folder)) for folder in folders if folder.is_dir()]
    package = Path(profileapp.__file__).resolve().parent
    return (*system, Mount(str(package), f"{PACKAGE_FOLDER}/{package.name}"))
