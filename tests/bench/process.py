"""CPU time and memory of this and other processes, as the kernel counts them."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from profileapp.collect.process.stat import read_stat

PROFILEAPP = str(Path(sys.executable).with_name("profileapp"))


@dataclass(frozen=True)
class Ended:
    """Resources of a process from start to end; `peak_bytes` is its VmHWM shortly before the end."""

    exit_code: int
    wall_s: float
    cpu_s: float
    peak_bytes: int
    output: str


def run(command: Sequence[str], *, watch_memory: bool = False, env: dict[str, str] | None = None) -> Ended:
    """Runs a command until it exits."""
    with tempfile.TemporaryFile() as output:
        began = time.perf_counter()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=os.environ | (env or {})
        )
        peak_bytes = 0
        while watch_memory and os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            # Not ru_maxrss: it includes the memory of this process before the other was started.
            peak_bytes = max(peak_bytes, _peak_bytes(process.pid))
            time.sleep(0.01)
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode(errors="replace")
    return Ended(process.returncode, wall_s, usage.ru_utime + usage.ru_stime, peak_bytes, text)


def on_cpu_s(pids: Iterable[int]) -> float:
    """CPU time until now of all threads of several processes, in nanosecond resolution (the first number of
    schedstat).
    """
    return sum(_on_cpu_ns(path) for pid in pids for path in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def daemon_pids(socket_path: str, container_id: str) -> list[int]:
    """The Docker daemon behind a socket, its containerd, and the shim of a container; of no other daemon."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(socket_path)
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    daemon = struct.unpack("3i", credentials)[0]
    found = [daemon]
    for folder in Path("/proc").iterdir():
        stat = read_stat(folder.parent, folder.name) if folder.name.isdigit() else None
        if stat is None:
            continue
        command = _command_line(folder)
        is_containerd = "containerd" in command.split(" ")[0] and "shim" not in command.split(" ")[0]
        # If containerd is a separate service, it is not the daemon's child.
        if (is_containerd and stat.parent in (daemon, 1)) or ("shim" in command and container_id in command):
            found.append(stat.pid)
    return found


def _command_line(folder: Path) -> str:
    try:
        return (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def _on_cpu_ns(path: Path) -> int:
    try:
        return int(path.read_bytes().split()[0])
    except (OSError, IndexError):
        return 0


def _peak_bytes(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0
