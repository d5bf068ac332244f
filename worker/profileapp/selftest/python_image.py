"""Makes an image with the parts of this machine's Python that the loads need, without a registry.

Files have the same paths as here, so that the interpreter and the dynamic linker find them.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import docker

import profileapp
from profileapp.errors import AgentError
from profileapp.selftest.catalogue import LOADS

PACKAGE_FOLDER = "/opt/profileapp-selftest"
_LIST_TIMEOUT_S = 60.0
_LIST = """
import sys, importlib, json
sys.path.insert(0, sys.argv[1])
for name in sys.argv[2].split(","): importlib.import_module(name)
modules = list(sys.modules.values())
files = [path for module in modules for key in ("__file__", "__cached__") if (path := getattr(module, key, None))]
with open("/proc/self/maps") as maps: files += [line.split(None, 5)[5].strip() for line in maps if "/" in line]
print(json.dumps([sys.prefix, sorted(set(files))]))
"""
_LINKER_FILES = ("/etc/ld.so.cache", "/etc/ld.so.conf")
_TOP_LINKS = ("/lib", "/lib64", "/lib32", "/bin", "/sbin")


def interpreter() -> str:
    """The base interpreter, not of a virtual environment, with symbolic links resolved."""
    return os.path.realpath(getattr(sys, "_base_executable", "") or sys.executable)


def import_python(api: docker.APIClient, name: str, entrypoint: Sequence[str]) -> None:
    """Imports the image under a name, with the loads. Raises AgentError, and exceptions of the daemon's client."""
    make = cast("Callable[..., str]", api.import_image_from_data)
    repository, _, tag = name.rpartition(":")
    changes = [f"ENTRYPOINT {json.dumps(list(entrypoint))}"]
    made = make(_archive(_modules()), repository=repository, tag=tag, changes=changes)
    last = json.loads(made.splitlines()[-1])
    if "status" not in last:
        raise AgentError(f"the daemon cannot import the selftest's image ({last.get('error', 'no reason given')})")


def _modules() -> tuple[str, ...]:
    """The files of the program and of every load."""
    loads = sorted({each.module for each in LOADS})
    return ("profileapp.selftest.program", *(f"profileapp.selftest.loads.{name}" for name in loads), "encodings.idna")


def _archive(modules: tuple[str, ...]) -> bytes:
    package = Path(profileapp.__file__).resolve().parent
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for target, path in _links():
            link = tarfile.TarInfo(path.lstrip("/"))
            link.type, link.linkname = tarfile.SYMTYPE, target
            archive.addfile(link)
        for path in _files(package, modules):
            if not Path(path).is_relative_to(package):
                _add(archive, path, path)
        for path in ("__init__.py", *(f"selftest/{each}" for each in _sources(package / "selftest"))):
            _add(archive, str(package / path), f"{PACKAGE_FOLDER}/profileapp/{path}")
    return content.getvalue()


def _sources(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.py"))


def _links() -> list[tuple[str, str]]:
    """Target and path of the links at the root of this file system, such as /lib to usr/lib."""
    return [(os.readlink(path), path) for path in _TOP_LINKS if Path(path).is_symlink()]  # noqa: PTH115


def _files(package: Path, modules: tuple[str, ...]) -> list[str]:
    """The files of the interpreter, of its libraries with all their links, and of the modules."""
    argv = [interpreter(), "-I", "-S", "-B", "-c", _LIST, str(package.parent), ",".join(modules)]
    try:
        done = subprocess.run(argv, capture_output=True, check=True, timeout=_LIST_TIMEOUT_S, stdin=subprocess.DEVNULL)
        prefix, found = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise AgentError(f"{interpreter()}: does not list its files ({error}); use --runtime process") from error
    files = {os.path.realpath(path) for path in found if Path(path).is_file()} | {interpreter()}
    # Python uses this file to find its library.
    library = Path(prefix, "lib", f"python{sys.version_info[0]}.{sys.version_info[1]}")
    files |= {str(path) for path in (library / "os.py", *library.glob("encodings/*.py")) if path.is_file()}
    return sorted(files | _names_of_libraries(files) | set(_LINKER_FILES))


def _names_of_libraries(files: set[str]) -> set[str]:
    """The links that the dynamic linker uses for shared libraries among the files."""
    libraries = {path for path in files if ".so" in Path(path).name}
    folders = {str(Path(path).parent) for path in libraries} | {"/lib", "/lib64"}
    names = set()
    for folder in folders:
        real = os.path.realpath(folder)
        for entry in os.scandir(real) if Path(real).is_dir() else ():
            if entry.is_symlink() and os.path.realpath(entry.path) in libraries:
                names.add(entry.path)
    return names


def _add(archive: tarfile.TarFile, path: str, name: str) -> None:
    """Adds a file, or the target of a link, owned by root and readable by all."""
    real = Path(os.path.realpath(path))
    if not real.is_file():
        return
    entry = tarfile.TarInfo(name.lstrip("/"))
    status = real.stat()
    # Compiled modules are only valid for a source with the same modification time.
    entry.size, entry.mtime = status.st_size, int(status.st_mtime)
    entry.mode = 0o755 if os.access(real, os.X_OK) else 0o644
    with real.open("rb") as stream:
        archive.addfile(entry, stream)
