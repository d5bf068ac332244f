"""End-to-end tests of `profileapp config` and of `plan --config`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

NAME = "alice/objcounter/night"


def profileapp(*args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "profileapp", *args]
    env = {**os.environ, "PROFILEAPP_DB": "configs.db", "USER": "alice", "LOGNAME": "alice"}
    return subprocess.run(argv, cwd=cwd, capture_output=True, text=True, check=False, env=env, timeout=60)


def test_from_save_to_plan(tmp_path: Path) -> None:
    (tmp_path / "sage.yaml").write_text("profiling: {targets: [{name: gpu, args: x, timeout: 5}]}")
    (tmp_path / "night.yaml").write_text("profiling:\n  targets: [{name: gpu, timeout: 60}]\n")
    assert profileapp("config", "save", NAME, "night.yaml", cwd=tmp_path).stdout == f"{NAME}: version 1\n"
    assert profileapp("config", "save", NAME, "night.yaml", cwd=tmp_path).stdout == f"{NAME}: version 1, unchanged\n"
    (tmp_path / "night.yaml").write_text("profiling:\n  targets: [{name: gpu, timeout: 90}]\n")
    saved = json.loads(profileapp("config", "save", NAME, "night.yaml", "--json", cwd=tmp_path).stdout)
    assert (saved["version"], saved["saved_by"], saved["new"]) == (2, "alice", True)
    plan = json.loads(profileapp("plan", "sage.yaml", "--config", NAME, "--json", cwd=tmp_path).stdout)
    assert plan["targets"][0]["timeout_s"] == 90 and plan["targets"][0]["args"] == ["x"]
    merged = profileapp("config", "merge", NAME, "sage.yaml", cwd=tmp_path).stdout
    (tmp_path / "merged.yaml").write_text(merged)
    same = json.loads(profileapp("plan", "merged.yaml", "--json", cwd=tmp_path).stdout)
    assert same["targets"] == plan["targets"]
    diff = profileapp("config", "diff", NAME, cwd=tmp_path).stdout
    assert "-  targets: [{name: gpu, timeout: 60}]" in diff and "+  targets: [{name: gpu, timeout: 90}]" in diff
    assert "timeout: 60" in profileapp("config", "show", NAME, "--version", "1", cwd=tmp_path).stdout
    assert "alice" in profileapp("config", "show", NAME, "--versions", cwd=tmp_path).stdout
    listed = json.loads(profileapp("config", "list", "alice", "--json", cwd=tmp_path).stdout)
    assert [(each["name"], each["version"]) for each in listed["configurations"]] == [(NAME, 2)]
    assert "removed by version 3" in profileapp("config", "rm", NAME, cwd=tmp_path).stdout
    gone = profileapp("plan", "sage.yaml", "--config", NAME, cwd=tmp_path)
    assert gone.returncode == 3 and "was removed by alice" in gone.stderr and gone.stderr.count("\n") == 1
    assert NAME not in profileapp("config", "list", cwd=tmp_path).stdout


def test_a_bad_file_is_not_saved(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("profiling:\n  metrics: [sytem]\n")
    done = profileapp("config", "save", NAME, "bad.yaml", cwd=tmp_path)
    assert done.returncode == 3
    assert f"{NAME}:2:13: profiling.metrics[1] is 'sytem'; did you mean 'system'?" in done.stderr
