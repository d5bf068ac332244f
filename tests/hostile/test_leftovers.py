"""What an app leaves behind on purpose: no later run, of whatever app, may suffer from it."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from helpers.worker_process import Outcome, configure, run

NESTED = """
import os
os.chdir(os.environ['PYWAGGLE_LOG_DIR'])
for _ in range({levels}):
    os.mkdir('d')
    os.chdir('d')
"""


def profile(folder: Path, name: str, code: str) -> Outcome:
    configure(folder, [{"name": name, "args": ["-c", code]}])
    return run(folder, "--runtime", "process", "--command", "python3")


@pytest.mark.parametrize("levels", [1500, pytest.param(100_000, marks=pytest.mark.slow)])
def test_held_nested_folders_stop_no_later_run(tmp_path: Path, state: Path, levels: int) -> None:
    deep = profile(tmp_path, "deep", NESTED.format(levels=levels))
    assert deep.code == 0, deep.err
    innocent = profile(tmp_path, "innocent", "print('fine')")
    assert innocent.code == 0 and "warning" not in innocent.err, innocent.err
    assert [path.name for path in state.iterdir()] == ["profileapp.lock"]


@pytest.mark.skipif(os.getuid() != 0, reason="mounting needs root")
def test_held_what_cannot_be_removed_is_set_aside_and_reported(tmp_path: Path, state: Path) -> None:
    dead = "20260101T000000-0123abcd"
    (state / f"{dead}.run").touch()
    (state / dead / "mount").mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", state / dead / "mount"], check=True)
    try:
        for _ in range(2):
            innocent = profile(tmp_path, "innocent", "print('fine')")
            assert innocent.code == 0 and f"{dead}.set-aside" in innocent.err, innocent.err
    finally:
        subprocess.run(["umount", state / f"{dead}.set-aside" / "mount"], check=True)
    assert sorted(path.name for path in state.iterdir()) == [f"{dead}.set-aside", "profileapp.lock"]


def test_held_a_file_that_is_named_like_the_end_of_a_runs_takes_nothing_along(tmp_path: Path, state: Path) -> None:
    (state / ".run").touch()
    (state / "..run").touch()
    (state / "others").mkdir()
    innocent = profile(tmp_path, "innocent", "print('fine')")
    assert innocent.code == 0 and "swept" not in innocent.err
    assert {".run", "..run", "others"} < {path.name for path in state.iterdir()}


def test_held_closed_folders_and_odd_names_go_with_the_run(tmp_path: Path, state: Path) -> None:
    code = """
import os
os.chdir(os.environ['PYWAGGLE_LOG_DIR'])
os.makedirs('closed/inner')
os.mkfifo('pipe')
os.symlink('/etc', 'link')
open(b'\\xff\\n', 'w').close()
os.chmod('closed/inner', 0)
os.chmod('closed', 0)
"""
    outcome = profile(tmp_path, "odd", code)
    assert outcome.code == 0 and [path.name for path in state.iterdir()] == ["profileapp.lock"], outcome.err
    assert stat.S_ISDIR(Path("/etc").stat().st_mode)
