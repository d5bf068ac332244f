"""An app run as a process: it cannot read the worker's secrets, and no process of it survives, wherever it hides."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from profileapp.run.agent.ownership import this_worker
from profileapp.run.agent.run_processes import process_marks
from tests.helpers.worker_process import Outcome, configure, is_measuring, run, start, wait_until

pytestmark = pytest.mark.usefixtures("state")

PYTHON = ("--runtime", "process", "--command", f"{sys.executable} -c")


RUN = "20260101T000000-0123abcd"


def measured(folder: Path, code: str, more: dict[str, Any] | None = None, **env: str) -> Outcome:
    configure(folder, [{"name": "a", "args": [code], **(more or {})}], metrics=["container"])
    return run(folder, *PYTHON, **env)


def survivors(marker: str) -> list[str]:
    listing = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listing.splitlines() if marker in line and "ps -eo" not in line]


ANCESTORS = """
import os
pid = os.getppid()
while pid > 1:
    try:
        stat = open(f'/proc/{pid}/stat').read().rpartition(')')[2].split()
        cmdline = open(f'/proc/{pid}/cmdline').read()
        if 'profileapp' in cmdline and 'pytest' not in cmdline:
            print('LOOKED AT', cmdline.replace(chr(0), ' ')[:80])
            print(open(f'/proc/{pid}/environ').read().replace(chr(0), chr(10)))
    except OSError as error:
        print('REFUSED', error)
    pid = int(stat[1])
"""


def test_the_environment_of_the_worker_and_its_launcher_cannot_be_read_held(tmp_path: Path) -> None:
    outcome = measured(tmp_path, ANCESTORS, REGISTRY_PASSWORD="open-sesame")
    log = outcome.log("a").decode()
    assert log.count("LOOKED AT") >= 2, log
    assert "open-sesame" not in log
    assert outcome.code == 0, outcome.err


HIDDEN = """
import os, sys, time
for _ in range(2):
    if os.fork():
        if _ == 0: time.sleep(float(sys.argv[1]) if len(sys.argv) > 1 else 0.3)
        os._exit(0)
    os.setsid()
os.execve('/bin/sleep', ['sleep', '{marker}'], {{}})
"""


def test_a_child_with_a_cleared_environment_ends_with_the_run_held(tmp_path: Path) -> None:
    marker = f"30{os.getpid()}"
    outcome = measured(tmp_path, HIDDEN.format(marker=marker))
    assert outcome.code == 0, outcome.err
    assert not survivors(f"sleep {marker}")


def test_the_app_ends_if_the_worker_is_killed_held(tmp_path: Path) -> None:
    marker = f"31{os.getpid()}"
    code = HIDDEN.format(marker=marker).replace("else 0.3", "else 300")
    configure(tmp_path, [{"name": "a", "args": [code]}], metrics=["container"], defaults={"interval": "50ms"})
    worker = start(tmp_path, *PYTHON)
    wait_until(lambda: is_measuring(tmp_path, "a") and bool(survivors(f"sleep {marker}")))
    worker.kill()
    worker.wait()
    wait_until(lambda: not survivors(f"sleep {marker}"))


def test_an_app_that_kills_its_launcher_is_reported_and_leaves_nothing_held(tmp_path: Path) -> None:
    marker = f"32{os.getpid()}"
    code = (
        "import os, signal, time\n"
        "launcher = os.getppid()\n"
        f"if os.fork() == 0:\n    os.setsid()\n    os.execve('/bin/sleep', ['sleep', '{marker}'], {{}})\n"
        "time.sleep(0.3); os.kill(launcher, signal.SIGKILL); time.sleep(300)\n"
    )
    began_s = time.monotonic()
    outcome = measured(tmp_path, code)
    assert outcome.code == 4, outcome.err
    assert "killed its launcher" in outcome.run("a")["message"]
    assert not survivors(f"sleep {marker}")
    assert time.monotonic() - began_s < 60


def test_a_fork_bomb_is_killed_held(tmp_path: Path) -> None:
    marker = f"33{os.getpid()}"
    code = (
        "import os, time\nwhile True:\n    if os.fork() == 0:\n"
        f"        os.setsid(); os.execve('/bin/sleep', ['sleep', '{marker}'], {{}})\n    time.sleep(0.02)\n"
    )
    outcome = measured(tmp_path, code, {"timeout": 1, "grace": 1})
    assert outcome.run("a")["exit_reason"] == "timeout", outcome.err
    assert not survivors(f"sleep {marker}")


def test_the_app_inherits_no_descriptors_held(tmp_path: Path) -> None:
    outcome = measured(tmp_path, "import os; print(sorted(os.listdir('/proc/self/fd'), key=int))")
    assert outcome.log("a").decode().strip() == "['0', '1', '2', '3']", "the fourth is that of listdir itself"


def test_leftovers_of_a_dead_worker_are_swept_without_the_state_folder_held(tmp_path: Path, state: Path) -> None:
    """By marks in their environment; processes of live workers, other users, or no worker keep running."""
    sleeper = ["sleep", f"34{os.getpid()}"]
    own = this_worker(state / "profileapp.lock")
    dead = msgspec.structs.replace(own, pid=2**22 - 1, started_ticks=1)
    orphan, lives, others, unmarked = (
        subprocess.Popen(sleeper, env=env, user=user)
        for env, user in (
            (process_marks(RUN, dead), None),
            (process_marks(RUN, own), None),
            (process_marks(RUN, dead), 64321 if os.getuid() == 0 else None),
            ({"PROFILEAPP_RUN_ID": RUN}, None),
        )
    )
    try:
        outcome = measured(tmp_path, "print('fine')")
        assert outcome.code == 0 and f"run {RUN} did not end in order" in outcome.err, outcome.err
        assert orphan.wait(10) == -signal.SIGKILL
        assert lives.poll() is None and unmarked.poll() is None
        assert others.poll() is None or os.getuid() != 0
    finally:
        for each in (orphan, lives, others, unmarked):
            each.kill()
            each.wait()


def test_leftovers_of_a_killed_worker_and_launcher_are_swept_without_the_state_folder_held(tmp_path: Path) -> None:
    marker = f"35{os.getpid()}"
    gone = Path(tempfile.mkdtemp(prefix="pa-"))
    configure(tmp_path, [{"name": "a", "args": [f"import os; os.execvp('sleep', ['sleep', '{marker}'])"]}])
    worker = start(tmp_path, *PYTHON, PROFILEAPP_STATE=str(gone))
    wait_until(lambda: bool(survivors(f"sleep {marker}")))
    [app] = [each for each in psutil.Process(worker.pid).children(recursive=True) if marker in each.cmdline()[1:2]]
    launcher = app.parent()
    assert launcher is not None
    # Stopped first, so that neither kills the app when the other dies.
    launcher.suspend()
    worker.kill()
    worker.wait()
    launcher.kill()
    wait_until(lambda: not launcher.is_running() or launcher.status() == psutil.STATUS_ZOMBIE)
    assert survivors(f"sleep {marker}")
    shutil.rmtree(gone)
    outcome = measured(tmp_path, "print('fine')")
    assert outcome.code == 0 and "did not end in order" in outcome.err, outcome.err
    assert not survivors(f"sleep {marker}")
