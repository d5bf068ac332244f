"""Commit and branch of a Git clone, for when the build's environment does not name them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import msgspec

TIMEOUT_S = 10.0
_TEXT_LIMIT = 500
# A clone's own settings could make git run programs: it comes from the app's repository or an earlier step.
_SAFE = ("--no-pager", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")
_USUAL = ("main", "master")


class Clone(msgspec.Struct, frozen=True):
    """What is checked out; "" if unknown."""

    commit: str = ""
    branch: str = ""


def clone_facts(folder: Path, environ: Mapping[str, str]) -> Clone:
    """The facts of the clone that `folder` is in. A repository around the WORKSPACE of a build is not the app's.

    The branch is a remote's branch that points at HEAD (`main` before others), as Jenkins checks out a detached HEAD;
    otherwise the local one. Source: git-for-each-ref(1), git-symbolic-ref(1).
    """
    git = shutil.which("git", path=environ.get("PATH"))
    if git is None:
        return Clone()
    settings = {**environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    if workspace := environ.get("WORKSPACE"):
        settings["GIT_CEILING_DIRECTORIES"] = str(Path(workspace).resolve().parent)

    def ask(*args: str) -> str:
        try:
            done = subprocess.run(
                [git, *_SAFE, *args],
                cwd=folder,
                env=settings,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return ""
        return "" if done.returncode else done.stdout.decode(errors="replace").strip()

    commit = ask("rev-parse", "--verify", "-q", "HEAD")
    if not commit:
        return Clone()
    found = ask("for-each-ref", "--points-at", "HEAD", "--format=%(refname:lstrip=3)", "refs/remotes").splitlines()
    branches = sorted((each for each in found if each != "HEAD"), key=lambda each: (each not in _USUAL, each))
    branch = branches[0] if branches else ask("symbolic-ref", "--short", "-q", "HEAD")
    return Clone(commit[:_TEXT_LIMIT], branch[:_TEXT_LIMIT])
