"""Checks what a Jenkins job copies from its workspace to other agents: nothing from outside the workspace.

The checkout is the app's. Jenkins' `stash` follows links in it, so each path is checked here first.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from profileapp.config.dataset_files import link_out_of
from profileapp.errors import ConfigError


def check_carried(workspace: Path, files: dict[str, Path], folders: dict[str, Path]) -> None:
    """Raises ConfigError if a file or folder, by the name of its setting, is outside `workspace`.

    Nor may a folder contain a link that points outside it.
    """
    for problem in _problems(workspace.resolve(), files, folders):
        raise ConfigError(problem)


def _problems(workspace: Path, files: dict[str, Path], folders: dict[str, Path]) -> Iterator[str]:
    for topology, path in (files | folders).items():
        if not path.resolve().is_relative_to(workspace):
            yield f"{topology} {path}: points outside the workspace, so it is not copied to other agents"
    for topology, folder in folders.items():
        try:
            problem = link_out_of(folder, folder, "it") if folder.is_dir() else ""
        except OSError as error:
            problem = f"cannot be read ({error.strerror})"
        if problem:
            yield f"{topology} {folder}: {problem}; such a folder is not copied to other agents"
