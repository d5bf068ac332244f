"""Hot functions of small programs from the real py-spy, and the reasons why it is unavailable."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from profileapp.collect.api import AppHandle, RunContext
from profileapp.collect.functions.profiler import is_python, python_version
from profileapp.collect.functions.py_spy import PySpy, _file_has_ptrace, find_py_spy, why_not_ptrace
from profileapp.collect.functions.py_spy_process import sampling_mode
from profileapp.errors import AppEnded, Unavailable
from profileapp.model.target import FunctionClock
from profileapp.record.artifacts import STACKS_FILE
from profileapp.record.table_files import read_functions
from tests.collect.conftest import Taken

BUSY = """
import subprocess, sys, time
def hot(n):
    return sum(i * i for i in range(n))
def warm():
    return hot(3000)
end = time.monotonic() + 60
if len(sys.argv) > 1:
    subprocess.run([sys.executable, __file__])
while time.monotonic() < end:
    warm()
"""

REFUSED = why_not_ptrace(Path("/proc"), find_py_spy() or Path("/nowhere"))
XATTR = "security.capability"

pytestmark = pytest.mark.skipif(bool(REFUSED), reason=REFUSED or "-")


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []

    def start(*argv: str) -> subprocess.Popen[bytes]:
        (tmp_path / "busy.py").write_text(BUSY)
        started.append(subprocess.Popen(argv, cwd=tmp_path, start_new_session=True))
        return started[-1]

    yield start
    for each in started:
        subprocess.run(["pkill", "-KILL", "-s", str(each.pid)], check=False)
        each.wait()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline_s, "waited in vain"
        time.sleep(0.05)


def measured(source: PySpy, run: RunContext, app: subprocess.Popen[bytes], seconds: float = 1.5) -> None:
    source.open(run, Taken())
    source.attach(AppHandle(app.pid))
    wait_for(lambda: any(spy.is_running for spy in source.spies.values()))
    time.sleep(seconds)
    source.detach()


@pytest.mark.parametrize(
    "argv",
    [
        (sys.executable, "busy.py"),
        ("sh", "-c", f"sleep 0.3; exec {sys.executable} busy.py"),
        ("sh", "-c", f"sleep 0.3; {sys.executable} busy.py; true"),
        (sys.executable, "busy.py", "child"),
    ],
    ids=["at once", "what becomes Python", "a child", "a child of Python"],
)
def test_the_hot_function_is_found(
    app: Callable[..., subprocess.Popen[bytes]], run: Callable[..., RunContext], argv: tuple[str, ...]
) -> None:
    source, context = PySpy(), run()
    measured(source, context, app(*argv))
    source.close()
    problems: list[str] = []
    rows = {row.name: row for row in read_functions(context.artifacts, problems)}
    assert not problems
    assert rows["warm"].total_share is not None and rows["warm"].total_share > 0.3
    assert rows["warm"].file.endswith("busy.py")
    own = {name: row.self_share for name, row in rows.items()}
    assert own["hot"] + own.get("<genexpr>", 0) + own.get("hot.<locals>.<genexpr>", 0) > 0.3
    assert (context.artifacts / STACKS_FILE).stat().st_size > 0
    assert not list(context.scratch.iterdir()), "files of py-spy are removed"


@pytest.mark.parametrize("native", [False, True])
def test_c_frames_on_request(
    native: bool, app: Callable[..., subprocess.Popen[bytes]], run: Callable[..., RunContext]
) -> None:
    context = run()
    context = msgspec.structs.replace(context, target=msgspec.structs.replace(context.target, native_frames=native))
    source = PySpy()
    measured(source, context, app(sys.executable, "-c", "while True: sorted(range(100_000), key=str)"), 1.5)
    source.close()
    files = {row.file for row in read_functions(context.artifacts, []) if row.file}
    assert any(not file.endswith((".py", "<string>")) for file in files) == native


def test_repeats_add_up(app: Callable[..., subprocess.Popen[bytes]], run: Callable[..., RunContext]) -> None:
    source, context = PySpy(), run()
    measured(source, context, app(sys.executable, "busy.py"), 0.7)
    first = sum(row.samples or 0 for row in read_functions(context.artifacts, []))
    source.attach(AppHandle(app(sys.executable, "busy.py").pid))
    wait_for(lambda: any(spy.is_running for spy in source.spies.values()))
    time.sleep(0.7)
    source.detach()
    source.close()
    assert sum(row.samples or 0 for row in read_functions(context.artifacts, [])) > first


def test_an_app_that_exits_leaves_its_functions(
    app: Callable[..., subprocess.Popen[bytes]], run: Callable[..., RunContext]
) -> None:
    source, context = PySpy(), run()
    process = app(sys.executable, "busy.py")
    source.open(context, Taken())
    source.attach(AppHandle(process.pid))
    wait_for(lambda: any(spy.is_running for spy in source.spies.values()))
    time.sleep(1)
    process.terminate()
    process.wait()
    source.detach()
    source.close()
    assert "warm" in {row.name for row in read_functions(context.artifacts, [])}


def test_an_app_without_python_is_unavailable_with_a_reason(
    app: Callable[..., subprocess.Popen[bytes]], run: Callable[..., RunContext]
) -> None:
    source = PySpy()
    source.open(run(), Taken())
    source.attach(AppHandle(app("sleep", "60").pid))
    time.sleep(0.2)
    with pytest.raises(Unavailable, match="never ran Python"):
        source.detach()
    source.close()
    source.close()


def test_an_app_that_has_ended(run: Callable[..., RunContext]) -> None:
    source = PySpy()
    source.open(run(), Taken())
    gone = subprocess.Popen(["true"])
    gone.wait()
    with pytest.raises(AppEnded):
        source.attach(AppHandle(gone.pid))
    source.close()


def test_py_spy_that_exits_at_once_is_restarted_and_reported(
    app: Callable[..., subprocess.Popen[bytes]], run: Callable[..., RunContext], tmp_path: Path
) -> None:
    program = tmp_path / "py-spy"
    program.write_text(f'#!/bin/sh\necho start >>{tmp_path}/starts\necho "Error: no permission"\nexit 1\n')
    program.chmod(0o755)
    source = PySpy(lambda: program)
    source.open(run(), Taken())
    source.attach(AppHandle(app(sys.executable, "busy.py").pid))
    starts = tmp_path / "starts"
    wait_for(lambda: starts.exists() and starts.read_text().count("start") > 2)
    with pytest.raises(Unavailable, match="no permission"):
        source.detach()
    source.close()


def test_without_py_spy_it_is_unavailable(run: Callable[..., RunContext]) -> None:
    with pytest.raises(Unavailable, match=r"profileapp\[functions\]"):
        PySpy(lambda: None).open(run(), Taken())


def test_it_is_found_next_to_the_workers_python() -> None:
    assert find_py_spy() == Path(sys.executable).parent / "py-spy"


def test_permissions_to_inspect_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "py-spy"
    program.touch()
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert "CAP_SYS_PTRACE" in why_not_ptrace(tmp_path, program)
    (tmp_path / "self").mkdir()
    for effective, allowed in (("0000000000000000", False), ("0000000000080000", True), ("000001ffffffffff", True)):
        (tmp_path / "self/status").write_text(f"Name:\tx\nCapEff:\t{effective}\nCapBnd:\t0\n")
        assert (why_not_ptrace(tmp_path, program) == "") is allowed


@pytest.mark.parametrize(
    ("version", "permitted", "allowed"),
    [
        (0x02000001, 1 << 19, True),
        (0x03000001, 1 << 19 | 1 << 21, True),
        (0x02000000, 1 << 19, False),
        (0x02000001, 1 << 21, False),
    ],
    ids=["given", "of a user namespace", "permitted only", "another"],
)
def test_py_spy_with_file_capabilities_is_permitted(
    version: int, permitted: int, allowed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "py-spy"
    program.touch()
    data = struct.pack("<IIIII", version, permitted, 0, 0, 0)
    monkeypatch.setattr("os.getxattr", lambda path, name: data if (path, name) == (program, XATTR) else b"")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert (why_not_ptrace(tmp_path, program) == "") is allowed


def test_file_capabilities_are_parsed_as_the_kernel_writes_them(tmp_path: Path) -> None:
    program = tmp_path / "py-spy"
    program.touch()
    try:
        os.setxattr(program, XATTR, struct.pack("<IIIII", 0x02000001, 1 << 19, 0, 0, 0))
    except OSError as error:
        pytest.skip(f"no capabilities of files here: {error}")
    assert _file_has_ptrace(program)
    os.removexattr(program, XATTR)
    assert not _file_has_ptrace(program)


def test_python_of_another_user_is_recognised_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "7").mkdir()
    monkeypatch.setattr(Path, "readlink", refuse)
    for argv in (b"/usr/bin/python3\0app.py\0", b"python3.11\0", b"/bin/sh\0python3"):
        (tmp_path / "7/cmdline").write_bytes(argv)
        assert is_python(tmp_path, 7) == (b"sh" not in argv)


@pytest.mark.parametrize(
    ("version", "is_elsewhere", "machine", "clock", "expected"),
    [
        ((3, 11), False, "aarch64", "cpu", "running"),
        ((3, 13), True, "aarch64", "cpu", "remapped"),
        ((3, 10), True, "x86_64", "cpu", "stopped"),
        ((3, 8), True, "aarch64", "cpu", "lock"),
        ((0, 0), False, "aarch64", "cpu", "lock"),
        ((3, 8), True, "aarch64", "wall", "all"),
        ((3, 12), True, "x86_64", "wall", "all"),
    ],
)
def test_the_sampling_mode_of_a_process(
    version: tuple[int, int], is_elsewhere: bool, machine: str, clock: FunctionClock, expected: str
) -> None:
    assert sampling_mode(version, is_elsewhere, machine, clock) == expected


@pytest.mark.parametrize(
    ("exe", "maps", "version"),
    [
        ("python3.8", "", (3, 8)),
        ("python3.12", "", (3, 12)),
        ("python2.7", "", (2, 7)),
        ("gunicorn", "7f-7f r-xp 0 00:00 1 /usr/lib/libpython3.10.so.1.0\n", (3, 10)),
        ("app", "7f-7f r-xp 0 00:00 1 /usr/lib/libc.so.6\n", (0, 0)),
    ],
)
def test_the_version_of_an_interpreter(exe: str, maps: str, version: tuple[int, int], tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7/exe").symlink_to(f"/usr/bin/{exe}")
    (tmp_path / "7/maps").write_text(maps)
    assert python_version(tmp_path, 7) == version
    assert python_version(tmp_path, 8) == (0, 0), "there is no such process"


def old_python() -> str | None:
    """A Python before 3.11 that runs, from PATH or pyenv."""
    on_path = map(shutil.which, ("python3.8", "python3.9", "python3.10"))
    of_pyenv = sorted(Path.home().glob(".pyenv/versions/3.[89].*/bin/python"))
    for candidate in filter(None, (*on_path, *map(str, of_pyenv))):
        if subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0:
            return candidate
    return None


OLD_PYTHON = old_python()


@pytest.mark.skipif(OLD_PYTHON is None or os.uname().machine != "x86_64", reason="no Python before 3.11 on an x86_64")
def test_sleep_of_an_old_python_is_not_work(
    app: Callable[..., subprocess.Popen[bytes]], run: Callable[..., RunContext]
) -> None:
    # By wall time, nap would have three times the samples of work. A loaded machine delays each wake-up a little.
    code = (
        "import time\ndef nap():\n    time.sleep(0.6)\n"
        "def work():\n    end_s = time.process_time() + 0.2\n"
        "    while time.process_time() < end_s: sum(range(20_000))\n"
    )
    source, context = PySpy(), run()
    measured(source, context, app(str(OLD_PYTHON), "-c", f"{code}while True:\n    work(); nap()"), 2.0)
    source.close()
    rows = {row.name: row for row in read_functions(context.artifacts, [])}
    slept = rows["nap"].samples or 0 if "nap" in rows else 0
    assert slept < 0.5 * (rows["work"].samples or 0)


def test_recognition_of_python() -> None:
    assert is_python(Path("/proc"), os.getpid())
    assert not is_python(Path("/proc"), 1)
    assert not is_python(Path("/proc"), 2**22 + 1), "there is no such process"
