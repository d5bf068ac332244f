"""The process runtime: the same exit reasons, no secrets of the build, and no leftovers."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from profileapp.run.agent.run_processes import kill_run_processes
from profileapp.run.process.runtime import inherited_environment
from tests.helpers.worker_process import Outcome, configure, is_measuring, run, start, wait_until

SHELL = ("--runtime", "process", "--command", "sh -c")


def shell(name: str, script: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "args": [script], **more}


def measured(folder: Path, *targets: dict[str, Any], **env: str) -> Outcome:
    configure(folder, list(targets), metrics=["container"], defaults={"interval": "50ms"})
    return run(folder, *SHELL, **env)


def test_every_exit_reason_is_distinguished(tmp_path: Path) -> None:
    outcome = measured(
        tmp_path,
        shell("completed", "echo hello"),
        shell("failed", "exit 3"),
        shell("signalled", "kill -SEGV $$"),
        shell("timeout", "sleep 60", timeout=1),
        shell("stubborn", "trap '' TERM; while :; do sleep 0.1; done", timeout=1, grace=1),
    )
    exit_reasons = {
        name: outcome.run(name)["exit_reason"] for name in ("completed", "failed", "signalled", "timeout", "stubborn")
    }
    assert exit_reasons == {
        "completed": "completed",
        "failed": "failed",
        "signalled": "signalled",
        "timeout": "timeout",
        "stubborn": "timeout",
    }
    assert outcome.run("signalled")["repeats"][0]["signal"] == signal.SIGSEGV
    assert outcome.run("stubborn")["repeats"][0]["killed"]
    assert outcome.log("completed") == b"hello\n"


def test_a_missing_command_is_a_failure_of_the_app(tmp_path: Path) -> None:
    configure(tmp_path, [{"name": "a"}])
    outcome = run(tmp_path, "--runtime", "process", "--command", "/no/such/program")
    assert outcome.code == 2 and outcome.run("a")["exit_reason"] == "not-started"
    assert "/no/such/program" in outcome.run("a")["message"]


def test_processes_that_leave_the_group_are_found_and_killed(tmp_path: Path) -> None:
    marker = f"profileapp-escape-{os.getpid()}"
    outcome = measured(tmp_path, shell("escape", f"setsid sh -c 'sleep 300; : {marker}' & exit 0"))
    assert outcome.run("escape")["exit_reason"] == "completed"
    listing = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert f": {marker}" not in listing


def test_the_app_gets_its_environment_and_no_secrets_of_the_build(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    target = {"name": "env", "args": ["env"], "env": {"OWN": "$HOME"}, "dataset": "data"}
    outcome = measured(tmp_path, target, REGISTRY_PASSWORD="secret", AWS_SECRET_ACCESS_KEY="secret")
    environment = dict(line.split("=", 1) for line in outcome.log("env").decode().splitlines() if "=" in line)
    assert "secret" not in outcome.log("env").decode()
    assert environment["OWN"] == "$HOME" and environment["PROFILEAPP_TARGET"] == "env"
    assert environment["PROFILEAPP_DATASET"] == str(tmp_path / "data")
    assert environment["PATH"] == os.environ["PATH"]


def test_inherited_environment() -> None:
    given = {"PATH": "/bin", "LC_ALL": "C", "CUDA_HOME": "/x", "TOKEN": "t", "PROFILEAPP_STATE": "/s"}
    assert inherited_environment(given) == {"PATH": "/bin", "LC_ALL": "C", "CUDA_HOME": "/x"}


def test_usage_of_exited_children_counts(tmp_path: Path) -> None:
    spin = f"{sys.executable} -c 'import time\nwhile time.process_time() < 0.3: pass'"
    outcome = measured(tmp_path, shell("children", "; ".join([spin] * 6), timeout=0))
    run_record = outcome.run("children")
    summary = {one["name"]: one for one in run_record["summary"]}
    [repeat] = run_record["repeats"]
    # CPU seconds, not wall time: other processes on this machine only change how long it takes.
    duration_s = (repeat["ended_ns"] - repeat["measured_from_ns"]) / 1e9
    sampled_cpu_s = summary["container.cpu.util"]["mean"] / 100 * duration_s
    assert sampled_cpu_s > 0.6 * 6 * 0.3
    assert repeat["totals"]["cpu_s"] >= 6 * 0.3


def test_custom_metrics_arrive(tmp_path: Path) -> None:
    code = "from profileapp.client import *\nfor n in range(100): gauge('fps', n); counter('frames')\n"
    configure(tmp_path, [{"name": "talk", "args": ["-c", code]}])
    outcome = run(tmp_path, "--runtime", "process", "--command", sys.executable)
    samples = [each for each in outcome.samples("talk") if each["meta"]["metric"] == "custom"]
    assert [each["value"] for each in samples if each["name"] == "fps"] == list(range(100))
    assert [each["value"] for each in samples if each["name"] == "frames"][-1] == 100
    summary = {one["name"]: one for one in outcome.run("talk")["summary"]}
    assert summary["fps"]["count"] == 100, "also what is said in the app's first moment counts"


def test_sigkill_loses_at_most_a_second(tmp_path: Path) -> None:
    configure(tmp_path, [shell("serve", "sleep 300")], metrics=["container"], defaults={"interval": "50ms"})
    worker = start(tmp_path, *SHELL)
    wait_until(lambda: is_measuring(tmp_path, "serve"))
    time.sleep(2)
    killed_s = time.time()
    worker.kill()
    worker.wait()
    lines = (tmp_path / "profile/serve/metrics.ndjson").read_text().splitlines()
    last = json.loads(lines[-1] if lines[-1].endswith("}") else lines[-2])["timestamp"]
    last_s = float(last[17:-1])
    assert (killed_s % 60 - last_s) % 60 < 1.0
    outcome = measured(tmp_path, shell("next", "true"))
    assert "did not end in order" in outcome.err
    assert list(Path(os.environ["PROFILEAPP_STATE"]).glob("*.run")) == []


@pytest.mark.skipif(os.getuid() != 0, reason="mounting needs root")
def test_a_disk_that_is_full_at_the_start(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", small], check=True)
    try:
        configure(tmp_path, [shell("a", "sleep 5")])
        outcome = run(tmp_path, *SHELL, "--out", str(small))
        assert outcome.code == 4 and "No space left on device" in outcome.err, outcome.err
    finally:
        subprocess.run(["umount", small], check=True)


def test_only_processes_of_the_run_are_killed() -> None:
    processes = [
        subprocess.Popen(["sleep", "60"], env={"PATH": os.environ["PATH"], "PROFILEAPP_RUN_ID": run_id})
        for run_id in ("run-a", "run-ab")
    ]
    try:
        assert kill_run_processes("run-a") == 1
        assert processes[0].wait(5) == -signal.SIGKILL and processes[1].poll() is None
    finally:
        processes[1].kill()
        processes[1].wait()


def test_a_dataset_is_unpacked_on_the_agent(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "traffic.zip", "w") as archive:
        archive.writestr("1.jpg", "content")
    cache = tmp_path / "home"
    outcome = measured(
        tmp_path,
        shell("good", 'cat "$PROFILEAPP_DATASET/1.jpg"', dataset={"path": "traffic.zip"}),
        shell("bad", "true", dataset={"path": "traffic.zip", "sha256": "a" * 64}),
        PROFILEAPP_HOME=str(cache),
    )
    assert outcome.code == 3 and outcome.log("good") == b"content"
    assert (
        f"bad: dataset traffic.zip has sha256 {hashlib.sha256((tmp_path / 'traffic.zip').read_bytes()).hexdigest()}"
        in (outcome.err)
    )
    assert not (tmp_path / "profile/bad").exists()


def test_repeats_of_two_targets_alternate(tmp_path: Path) -> None:
    configure(tmp_path, [{"name": "a", "repeat": 3}, {"name": "b", "repeat": 2}], metrics=[])
    code = "import os; print(os.environ['PROFILEAPP_TARGET'])"
    outcome = run(tmp_path, "--runtime", "process", "--command", f'{sys.executable} -c "{code}"')
    assert outcome.code == 0, outcome.err
    repeats = [(each["started_ns"], name, each["index"]) for name in "ab" for each in outcome.run(name)["repeats"]]
    assert [name + str(index) for _, name, index in sorted(repeats)] == ["a1", "b1", "a2", "b2", "a3"]
    assert [outcome.run(name)["interleaved_with"] for name in "ab"] == [["b"], ["a"]]
    assert {outcome.run(name)["exit_reason"] for name in "ab"} == {"completed"}
