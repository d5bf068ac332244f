"""Runs a program that sees the threads of a container's process under their IDs inside the container.

`python -I -m profileapp.collect.functions.process_view PID FOLDER PROGRAM ARG…`, as root (CAP_SYS_ADMIN). FOLDER must
be empty, and stays empty.

Python stores each thread's ID as seen in its PID namespace (`PyThreadState.native_thread_id`, from 3.11 on).
py-spy looks that ID up in /proc to distinguish idle threads from running ones. On the host it finds no thread or
another process's thread, and counts idle threads as running.

The program stays in the host's PID namespace, so that it outlives the app and uses the host's PIDs. Only its /proc is
replaced, in a private mount namespace:

    /proc/PID         the process under its host PID: its memory maps, its program, its root folder
    /proc/PID/task    its threads under their IDs in the container
    /proc/TID         a link for each of these threads
    /proc/self        the program itself

Never use this for a program that stops threads by ID: ptrace(2) interprets IDs in the host's namespace.

Sources: pid_namespaces(7), mount_namespaces(7), proc(5), mount(2); the calls that py-spy 0.4 makes, by strace.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

REFRESH_S = 0.02
"""Refresh interval of the links; a thread that started since the last refresh counts as running."""
LINKS_LIMIT = 10_000

_NEW_MOUNTS, _NEW_PIDS = 0x00020000, 0x20000000
_NO_SETUID, _NO_DEVICES, _NO_PROGRAMS = 2, 4, 8
_BIND, _RECURSIVE, _PRIVATE = 1 << 12, 1 << 14, 1 << 18
_SET_PARENT_DEATH_SIGNAL, _SET_DUMPABLE = 1, 4
_CAP_SYS_ADMIN = 21
_LIBC = ctypes.CDLL(None, use_errno=True)


def is_in_another_namespace(pid: int, proc: Path) -> bool:
    """Whether a process is in another PID namespace than this one. Raises OSError if it is gone."""
    return (proc / str(pid) / "ns/pid").readlink() != (proc / "self/ns/pid").readlink()


def command(pid: int, folder: Path) -> list[str]:
    """The argv prefix that gives a program this view of `pid`; the program's argv follows."""
    return [sys.executable, "-I", "-m", "profileapp.collect.functions.process_view", str(pid), str(folder)]


def main() -> int:
    """Execs the program. Returns 1, with a line on stderr, if that fails."""
    # SIGINT is meant for the program, once it handles it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pid, folder, argv = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
    try:
        container = _enter(pid, folder)
        _maintain_links(Path("/proc") / str(pid) / "task", container)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.execv(argv[0], argv)  # noqa: S606  (no shell is wanted)
    except (OSError, ValueError, IndexError) as error:
        sys.stderr.write(f"the threads of process {pid} cannot be shown under their IDs in the container: {error}\n")
    return 1


def _enter(pid: int, folder: Path) -> Path:
    """Mounts over /proc. Returns the path of the container's /proc. Raises OSError, and ValueError if `pid` is gone."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    own_pid = int(status.partition("\nNSpid:")[2].split("\n", 1)[0].split()[-1])
    # The container must not be able to inspect the process of ours that briefly enters it.
    _LIBC.prctl(_SET_DUMPABLE, 0, 0, 0, 0)
    namespace = os.open(f"/proc/{pid}/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    _check(_LIBC.unshare(_NEW_MOUNTS), "unshare")
    _mount("none", "/", "", _RECURSIVE | _PRIVATE)
    _mount("tmpfs", folder, "tmpfs", _NO_SETUID | _NO_DEVICES | _NO_PROGRAMS)
    host, container, view = folder / "host", folder / "container", folder / "view"
    for each in (host, container, view, view / str(pid)):
        each.mkdir()
    _mount("/proc", host, "", _BIND)
    _in_namespace(namespace, lambda: _mount("proc", container, "proc", _NO_SETUID | _NO_DEVICES | _NO_PROGRAMS))
    os.close(namespace)
    _mount(host / str(pid), view / str(pid), "", _BIND)
    _mount(container / str(own_pid) / "task", view / str(pid) / "task", "", _BIND)
    (view / "self").symlink_to(host / "self")
    _mount(view, "/proc", "", _BIND | _RECURSIVE)
    return container


def _in_namespace(namespace: int, act: Callable[[], None]) -> None:
    """Runs `act` in that PID namespace: only a child forked after setns(2) is in it."""
    outer = os.fork()
    if outer == 0:
        code = 1
        with suppress(BaseException):
            _check(_LIBC.setns(namespace, _NEW_PIDS), "setns")
            inner = os.fork()
            if inner == 0:
                with suppress(BaseException):
                    act()
                    os._exit(0)
                os._exit(1)
            code = os.waitstatus_to_exitcode(os.waitpid(inner, 0)[1])
        os._exit(1 if code else 0)
    if os.waitpid(outer, 0)[1]:
        raise OSError("cannot mount /proc of its PID namespace")


def _maintain_links(threads: Path, container: Path) -> None:
    """Creates a link for each thread, now and, in a separate process, for as long as the program runs."""
    known: set[str] = set()
    _link(threads, container, known)
    parent = os.getpid()
    if os.fork():
        return
    # The child ends with the program.
    _LIBC.prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    with suppress(BaseException):
        while os.getppid() == parent and threads.exists():
            time.sleep(REFRESH_S)
            _link(threads, container, known)
    os._exit(0)


def _link(threads: Path, container: Path, known: set[str]) -> None:
    with suppress(OSError):
        for name in os.listdir(threads):  # noqa: PTH208  (only names are needed)
            if name not in known and len(known) < LINKS_LIMIT:
                known.add(name)
                with suppress(FileExistsError):
                    (Path("/proc") / name).symlink_to(container / name)


def _mount(source: Path | str, target: Path | str, kind: str, flags: int) -> None:
    arguments = (os.fsencode(source), os.fsencode(target), kind.encode() or None, ctypes.c_ulong(flags), None)
    _check(_LIBC.mount(*arguments), f"mount {target}")


def _check(result: int, what: str) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


if __name__ == "__main__":
    sys.exit(main())
