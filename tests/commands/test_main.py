"""The command line in real processes: exit codes, and one clear line for an error."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

SPIN = "import time\nend = time.time() + {}\nwhile time.time() < end: pass"
# Uses a fixed amount of CPU time, however long that takes on a busy machine.
BURN = "import time\nwhile time.process_time() < {}: pass"


@pytest.fixture(autouse=True)
def state() -> Iterator[str]:
    """A state folder with a path short enough for a socket, and a lock shared with no other test."""
    with tempfile.TemporaryDirectory(prefix="pa-") as folder:
        os.environ["PROFILEAPP_STATE"] = folder
        yield folder
        del os.environ["PROFILEAPP_STATE"]


def profileapp(*args: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "profileapp", *args],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **env},
        timeout=120,
    )


def configure(folder: Path, targets: str, more: str = "") -> None:
    (folder / "sage.yaml").write_text(f"name: app\nprofiling:\n  targets:\n{targets}\n{more}", encoding="utf-8")


def run_python(folder: Path, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    argv = ("run", "sage.yaml", "--runtime", "process", "--command", sys.executable, "--no-report", *args)
    return profileapp(*argv, cwd=folder, **env)


def code_target(name: str, code: str, more: str = "") -> str:
    return f"    - {{name: {name}, args: [-c, {json.dumps(code)}]{more}}}"


def test_plan_as_table_and_as_json(tmp_path: Path) -> None:
    configure(tmp_path, '    - {args: "--use-gpu", timeout: 2m}')
    assert "use-gpu  any    2 min" in profileapp("plan", "sage.yaml", "--image", "x:1", cwd=tmp_path).stdout
    plan = json.loads(profileapp("plan", "sage.yaml", "--image", "x:1", "--json", cwd=tmp_path).stdout)
    assert plan["targets"][0]["name"] == "use-gpu" and plan["image"] == "x:1"
    schema = json.loads(profileapp("schema", "plan", cwd=tmp_path).stdout)
    jsonschema.validate(plan, schema)


@pytest.mark.parametrize("module", ["click", "msgspec", "yaml"])
def test_an_incomplete_installation_does_not_read_as_a_verdict(tmp_path: Path, module: str) -> None:
    """Python itself exits with 1, which means "a budget is violated"."""
    configure(tmp_path, "    - {name: a}")
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / f"{module}.py").write_text("raise ImportError('libc.so.6: version not found')")
    done = profileapp("plan", "sage.yaml", cwd=tmp_path, PYTHONPATH=str(broken))
    assert done.returncode == 4
    assert "profileapp: " in done.stderr.splitlines()[-1] and "libc.so.6: version not found" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_plan_shows_which_targets_share_an_agent(tmp_path: Path) -> None:
    configure(tmp_path, "    - {name: a, agent: orin}\n    - {name: b}\n    - {name: c, agent: orin}")
    argv = ("plan", "sage.yaml", "--json", "--agent", "any-docker")
    alone = json.loads(profileapp(*argv, cwd=tmp_path).stdout)["groups"]
    assert [(each["name"], each["agent"]) for each in alone] == [("a", "orin"), ("b", "any-docker"), ("c", "orin")]
    shared = json.loads(profileapp(*argv, "--group-by-agent", cwd=tmp_path).stdout)["groups"]
    assert [each["targets"] for each in shared] == [["a", "c"], ["b"]]


def test_config_errors_have_a_line_number_and_exit_code_3(tmp_path: Path) -> None:
    configure(tmp_path, "    - {timout: 1}\n    - {timeout: -1}")
    done = profileapp("plan", "sage.yaml", cwd=tmp_path)
    assert done.returncode == 3 and done.stdout == ""
    lines = done.stderr.splitlines()
    assert lines[0].startswith(
        "profileapp: sage.yaml:4:8: profiling.targets[1].timout is not a known key; did you mean"
    )
    assert lines[1].startswith("profileapp: sage.yaml:5:17: profiling.targets[2].timeout is -1")
    assert "Traceback" not in done.stderr
    assert "Traceback" in profileapp("plan", "sage.yaml", "--debug", cwd=tmp_path).stderr


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("run", "sage.yaml"), "no image: give --image"),
        (("run", "sage.yaml", "--runtime", "process"), "needs --command"),
        (("run", "sage.yaml", "--runtime", "process", "--command", "'x"), "a shell cannot split it"),
        (("run", "sage.yaml", "--image", "x", "--command", "y"), "--command needs --runtime process"),
        (("run", "sage.yaml", "--image", "x", "--memory-limit", "lots"), "--memory-limit 'lots'"),
        (("run", "sage.yaml", "--image", "x", "--memory-limit", "1 kB"), "at least 6MiB"),
        (("run", "sage.yaml", "--image", "x", "--target", "nope"), "no target is named 'nope'"),
        (("run", "sage.yaml", "--image", "x", "--pids-limit", "0"), "--pids-limit"),
        (("report", "nowhere"), "nowhere: cannot be read"),
        (("report", "."), "contains no run.json of a target"),
        (("nonsense",), "No such command"),
    ],
)
def test_wrong_arguments_are_reported_with_exit_code_3(tmp_path: Path, args: tuple[str, ...], message: str) -> None:
    configure(tmp_path, "    - {name: a}")
    done = profileapp(*args, cwd=tmp_path)
    assert done.returncode == 3 and message in done.stderr


def test_an_unreachable_daemon_is_exit_code_4(tmp_path: Path) -> None:
    configure(tmp_path, "    - {name: a}")
    done = profileapp("run", "sage.yaml", "--image", "x", cwd=tmp_path, DOCKER_HOST="unix:///nowhere.sock")
    assert done.returncode == 4 and "no Docker daemon answers" in done.stderr


def test_run_measures_judges_and_writes_artifacts(tmp_path: Path) -> None:
    targets = (
        code_target("spin", BURN.format(1.5)),
        code_target("bad", "print('oops'); raise SystemExit(7)"),
        code_target("serve", "import time; time.sleep(60)", ", timeout: 1"),
        code_target("tight", BURN.format(0.7), ', budgets: {container.cpu.util.max: "< 1 %"}'),
    )
    configure(tmp_path, "\n".join(targets), "  metrics: [system, container, tau]\n  defaults: {interval: 100ms}\n")
    done = run_python(tmp_path, "--json")
    assert done.returncode == 2, done.stderr
    outcome = json.loads(done.stdout)
    assert [(each["name"], each["verdict"], each["exit_code"]) for each in outcome["targets"]] == [
        ("spin", "passed", 0),
        ("bad", "app failed", 2),
        ("serve", "passed", 0),
        ("tight", "over budget", 1),
    ]
    assert outcome["summary"] == "4 targets: 2 passed, 1 app failed, 1 over budget" and outcome["report"] is None
    run = json.loads((tmp_path / "profile/spin/run.json").read_text())
    jsonschema.validate(run, json.loads(profileapp("schema", "run", cwd=tmp_path).stdout))
    states = {metric["metric"]: metric["state"] for metric in run["metrics"]}
    assert states == {"system": "measured", "container": "measured", "tau": "skipped", "custom": "measured"}
    [cpu] = [one for one in run["summary"] if one["name"] == "container.cpu.util"]
    # On a busy machine the app gets less than one core.
    assert 5 < cpu["mean"] < 120 and cpu["count"] >= 8
    line = json.loads((tmp_path / "profile/spin/metrics.ndjson").read_text().splitlines()[0])
    jsonschema.validate(line, json.loads(profileapp("schema", "sample", cwd=tmp_path).stdout))
    assert "oops" in (tmp_path / "profile/bad/junit.xml").read_text()


def test_report_is_complete_after_a_crash(tmp_path: Path) -> None:
    configure(tmp_path, code_target("spin", SPIN.format(60)), "  defaults: {interval: 100ms}\n")
    argv = ("run", "sage.yaml", "--runtime", "process", "--command", sys.executable, "--no-report")
    worker = subprocess.Popen([sys.executable, "-m", "profileapp", *argv], cwd=tmp_path, stderr=subprocess.DEVNULL)
    metrics = tmp_path / "profile/spin/metrics.ndjson"
    deadline = time.monotonic() + 60
    while not (metrics.exists() and metrics.stat().st_size > 4000) and time.monotonic() < deadline:
        time.sleep(0.05)
    worker.kill()
    worker.wait()
    done = profileapp("report", "profile", cwd=tmp_path)
    assert done.returncode == 4 and "incomplete" in done.stdout, done.stderr
    assert "incomplete" in (tmp_path / "profile/index.html").read_text()
    assert (tmp_path / "profile/spin/report/index.html").exists()
    # The next run sweeps the leftovers of the crashed run.
    configure(tmp_path, code_target("quick", "pass"))
    swept = run_python(tmp_path)
    assert "did not end in order" in swept.stderr and swept.returncode == 0
    listing = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert "time.time() + 60" not in listing


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_run_keeps_its_measurements(tmp_path: Path, number: signal.Signals, code: int) -> None:
    configure(tmp_path, code_target("spin", SPIN.format(60)) + "\n" + code_target("next", "pass"))
    argv = ("run", "sage.yaml", "--runtime", "process", "--command", sys.executable)
    worker = subprocess.Popen(
        [sys.executable, "-m", "profileapp", *argv], cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE
    )
    run_file = tmp_path / "profile/spin/run.json"
    deadline = time.monotonic() + 60
    while not (run_file.exists() and '"repeats": [\n' in run_file.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    worker.send_signal(number)
    output, _ = worker.communicate(timeout=60)
    assert worker.returncode == code, output
    run = json.loads(run_file.read_text())
    assert (run["exit_reason"], run["state"], run["stop_signal"]) == ("aborted", "finished", number)
    assert not (tmp_path / "profile/next").exists()


def test_concurrent_runs_wait_for_each_other(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        configure(tmp_path / name, code_target(name, SPIN.format(2)))
    argv = ("run", "sage.yaml", "--runtime", "process", "--command", sys.executable, "--no-report")
    first = subprocess.Popen(
        [sys.executable, "-m", "profileapp", *argv],
        cwd=tmp_path / "one",
        env={**os.environ, "JOB_NAME": "job-one"},
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    run_file = tmp_path / "one/profile/one/run.json"
    deadline = time.monotonic() + 60
    while not run_file.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    second = run_python(tmp_path / "two")
    assert first.wait(60) == 0 and second.returncode == 0
    assert "waiting for run " in second.stderr and " of job job-one " in second.stderr
    one, two = (json.loads((tmp_path / name / f"profile/{name}/run.json").read_text()) for name in ("one", "two"))
    assert two["started_ns"] >= one["repeats"][-1]["ended_ns"]


def test_help_version_and_completion(tmp_path: Path) -> None:
    assert "Exit codes:" in profileapp("--help", cwd=tmp_path).stdout
    assert profileapp("--version", cwd=tmp_path).stdout.startswith("profileapp 0.")
    for shell in ("bash", "zsh", "fish"):
        assert "_PROFILEAPP_COMPLETE" in profileapp("completion", shell, cwd=tmp_path).stdout
    completed = profileapp(
        cwd=tmp_path, _PROFILEAPP_COMPLETE="bash_complete", COMP_WORDS="profileapp re", COMP_CWORD="1"
    )
    assert "plain,report" in completed.stdout


@pytest.mark.parametrize("more_argv", [["plan", "sage.yaml", "--json"], ["plan", "sage.yaml"], ["plan", "nö.yaml"]])
def test_an_ascii_locale_changes_nothing(tmp_path: Path, more_argv: list[str]) -> None:
    """An agent's service often starts with LC_ALL=C; names and texts are UTF-8 anyway."""
    (tmp_path / "données").mkdir()
    (tmp_path / "sage.yaml").write_text(
        "name: é\nprofiling: {targets: [{args: '☃ ü', dataset: données}]}\n", encoding="utf-8"
    )
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
    results = [
        subprocess.run(
            [sys.executable, "-m", "profileapp", *more_argv],
            cwd=tmp_path,
            capture_output=True,
            check=False,
            env=os.environ | environ,
            timeout=60,
        )
        for environ in (plain, {"LC_ALL": "C.UTF-8"})
    ]
    assert (results[0].returncode, results[0].stdout, results[0].stderr) == (
        results[1].returncode,
        results[1].stdout,
        results[1].stderr,
    )
    assert results[0].returncode == (3 if more_argv[1] == "nö.yaml" else 0)
