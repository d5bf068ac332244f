"""Runs the worker as a user who is not root, with or without a home folder, whoever may read this checkout."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import profileapp

UID = 64321
"""In no user database, and nobody's."""
_NOT_NEEDED = shutil.ignore_patterns("__pycache__", "test", "tests", "site-packages", "*.a", "config-*", "idlelib")


class OtherUser:
    """A Python with the worker's package and its requirements, in a folder that every user may read."""

    def __init__(self, folder: Path) -> None:
        self.path = "/usr/local/bin:/usr/bin:/bin"
        self._modules = folder / "modules"
        shutil.copytree(Path(profileapp.__file__).parent, self._modules / "profileapp", ignore=_NOT_NEEDED)
        for source, path in _required_files():
            (self._modules / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, self._modules / path)
        self._python = _readable_python(folder / "python")
        for each in (folder, *folder.rglob("*")):
            if not each.is_symlink():
                each.chmod(each.stat().st_mode | (0o755 if each.is_dir() else 0o644))

    @property
    def python(self) -> str:
        """The path of a Python that this user may run."""
        return str(self._python)

    def run(
        self, folder: Path, *options: str, groups: tuple[int, ...] = (), **env: str
    ) -> subprocess.CompletedProcess[str]:
        """Runs `profileapp run sage.yaml` without pages as this user, in these additional groups. Returns when it
        ends.
        """
        return subprocess.run(
            self._argv(options, groups),
            cwd=folder,
            env=self._env(env),
            capture_output=True,
            text=True,
            check=False,
            timeout=150,
        )

    def start(self, folder: Path, *options: str, groups: tuple[int, ...] = (), **env: str) -> subprocess.Popen[bytes]:
        """Starts the same in the background."""
        null = subprocess.DEVNULL
        return subprocess.Popen(self._argv(options, groups), cwd=folder, env=self._env(env), stdout=null, stderr=null)

    def _argv(self, options: tuple[str, ...], groups: tuple[int, ...]) -> list[str]:
        listed = f"--groups={','.join(map(str, groups))}" if groups else "--clear-groups"
        worker = [self.python, "-m", "profileapp", "run", "sage.yaml", "--no-report", *options]
        # A separate lock, so that no other run on this machine delays this one.
        own_lock = 'mount -t tmpfs -o mode=1777 tmpfs /run/lock && exec "$@"'
        user = ["setpriv", f"--reuid={UID}", f"--regid={UID}", listed, "--bounding-set=-all", "--inh-caps=-all"]
        return ["unshare", "--mount", "sh", "-c", own_lock, "sh", *user, *worker]

    def _env(self, env: dict[str, str]) -> dict[str, str]:
        return {"PATH": self.path, "PYTHONPATH": str(self._modules), "LANG": "C.UTF-8", **env}


def _required_files() -> Iterator[tuple[Path, Path]]:
    """Each file of the packages that profileapp requires, directly or not, with its path among the modules."""
    names, seen = ["profileapp"], set()
    while names:
        name = names.pop()
        if name in seen:
            continue
        seen.add(name)
        try:
            found = distribution(name)
        except PackageNotFoundError:
            continue
        for required in found.requires or ():
            if "extra ==" not in required:
                names.append(re.split(r"[^\w.-]", required)[0])
        for path in found.files or ():
            source = Path(str(found.locate_file(path)))
            # An editable install contributes only its metadata, which lists the entry points of sources.
            is_wanted = name != "profileapp" or path.parts[0].endswith(".dist-info")
            if is_wanted and ".." not in path.parts and source.suffix != ".pyc" and source.is_file():
                yield source, Path(path)


def _readable_python(folder: Path) -> Path:
    """This Python if everybody may run it, else a copy."""
    real = Path(os.path.realpath(sys.executable))
    if all(parent.stat().st_mode & 0o001 for parent in real.parents):
        return real
    library = Path("lib") / f"python{sys.version_info.major}.{sys.version_info.minor}"
    shutil.copytree(Path(sys.base_prefix) / library, folder / library, ignore=_NOT_NEEDED)
    for shared in (Path(sys.base_prefix) / "lib").glob("libpython*.so*"):
        shutil.copy2(shared, folder / "lib" / shared.name, follow_symlinks=False)
    (folder / "bin").mkdir()
    return Path(shutil.copy2(real, folder / "bin" / real.name))
