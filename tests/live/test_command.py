"""`profileapp live` as a program: real containers, user input, signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from profileapp.run.agent.watchers import is_measuring, is_watched
from tests.helpers.worker_process import WORKER, configure, run, wait_until

LABEL = {"test": "live-command"}


def live(*args: str, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*WORKER, "live", *args], capture_output=True, text=True, check=False, timeout=timeout_s)


def start_live(*args: str) -> subprocess.Popen[str]:
    return subprocess.Popen([*WORKER, "live", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        process.kill()


def test_a_process_once(sleeper: subprocess.Popen[bytes]) -> None:
    done = live("--pid", str(sleeper.pid), "--once", "--interval", "200ms")
    assert done.returncode == 0, done.stderr
    assert f"sleep-{sleeper.pid}" in done.stdout and "running" in done.stdout


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        ((), 3, "nothing to watch"),
        (("--pid", "4194304"), 3, "--pid 4194304: no such process runs"),
        (("--pid", "1", "--interval", "1ms"), 3, "--interval 1ms: must be between 0.1s and 1h"),
        (("--pid", "1", "--for", "soon"), 3, "--for 'soon': must be a duration"),
    ],
)
def test_wrong_options(args: tuple[str, ...], code: int, message: str) -> None:
    done = live(*args)
    assert done.returncode == code
    assert done.stderr.startswith("profileapp: ") and message in done.stderr


def test_without_a_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    done = live("--all", "--once")
    assert done.returncode == 4
    assert "no Docker daemon answers" in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143), (signal.SIGHUP, 143)])
def test_a_signal_ends_it_in_order(
    sleeper: subprocess.Popen[bytes], state: Path, number: signal.Signals, code: int
) -> None:
    with start_live("--pid", str(sleeper.pid), "--json", "--interval", "100ms") as process:
        assert process.stdout and json.loads(process.stdout.readline())["targets"][0]["state"] == "running"
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert process.returncode == code, err
    assert {path.name for path in state.iterdir()} == {"profileapp.lock.watched"}


def test_kill_9_leaves_no_lock_and_an_empty_folder_that_the_next_live_removes(
    sleeper: subprocess.Popen[bytes], state: Path
) -> None:
    with start_live("--pid", str(sleeper.pid), "--json", "--interval", "100ms") as process:
        assert process.stdout and process.stdout.readline()
        assert is_watched(state / "profileapp.lock")
        process.kill()
        process.communicate(timeout=30)
    assert not is_watched(state / "profileapp.lock")
    assert [path for path in state.rglob("*") if path.is_file() and path.suffix == ".run"]
    assert live("--pid", str(sleeper.pid), "--once", "--interval", "100ms").returncode == 0
    assert {path.name for path in state.iterdir()} == {"profileapp.lock.watched"}


def test_a_reader_that_goes_away_ends_it(sleeper: subprocess.Popen[bytes]) -> None:
    with start_live("--pid", str(sleeper.pid), "--json", "--interval", "100ms") as process:
        assert process.stdout and process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=30) == 0


def test_a_run_records_that_it_was_watched_and_live_samples_less_often(
    sleeper: subprocess.Popen[bytes], state: Path, tmp_path: Path
) -> None:
    lock = state / "profileapp.lock"
    with start_live("--pid", str(sleeper.pid), "--json", "--interval", "100ms") as process:
        assert process.stdout and process.stdout.readline()
        configure(tmp_path, [{"name": "a"}], metrics=[])
        outcome = run(tmp_path, "--runtime", "process", "--command", "sleep 3")
        assert not is_measuring(lock)
        lines: list[dict[str, object]] = []
        # The pipe contains what was printed during the run.
        while not any(line["beside_run"] for line in lines) or lines[-1]["beside_run"]:
            lines.append(json.loads(process.stdout.readline()))
        process.terminate()
        process.communicate(timeout=30)
    assert outcome.code == 0, outcome.err
    assert any("`profileapp live` watched this agent" in text for text in outcome.run("a")["warnings"])
    beside = [line for line in lines if line["beside_run"]]
    assert beside and all(line["interval_s"] == 1.0 for line in beside)
    assert lines[-1]["interval_s"] == 0.1


@pytest.mark.docker
def test_containers_that_come_and_go(docker_client: docker.DockerClient, busybox_image: str) -> None:
    busy = ["sh", "-c", "while :; do :; done"]
    first = docker_client.containers.run(busybox_image, busy, detach=True, labels=LABEL, name=f"Live-{os.getpid()}")
    try:
        with start_live("--label", "test=live-command", "--json", "--interval", "200ms") as process:
            assert process.stdout
            rows = json.loads(process.stdout.readline())["targets"]
            assert [row["title"] for row in rows] == [f"Live-{os.getpid()}"]
            docker_client.containers.run(busybox_image, ["sh", "-c", "sleep 2; exit 3"], labels=LABEL, detach=True)
            ended: list[dict[str, object]] = []

            def has_ended() -> bool:
                assert process.stdout
                rows = json.loads(process.stdout.readline())["targets"]
                ended[:] = [row for row in rows if row["state"] == "ended"]
                return bool(ended)

            wait_until(has_ended)
            process.terminate()
            process.communicate(timeout=30)
    finally:
        first.remove(force=True)
        for each in docker_client.containers.list(all=True, filters={"label": "test=live-command"}):
            each.remove(force=True)
    assert ended[0]["message"] == "exited with code 3"
    assert process.returncode == 143


def test_ctrl_c_is_a_normal_end_without_a_limit(sleeper: subprocess.Popen[bytes], tmp_path: Path) -> None:
    out = tmp_path / "profile"
    options = ("--record", str(out), "--json", "--interval", "100ms", "--metric", "container")
    with start_live("--pid", str(sleeper.pid), *options) as process:
        assert process.stdout and process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert json.loads((out / f"sleep-{sleeper.pid}" / "run.json").read_text())["exit_reason"] == "detached"


def test_rules_keep_a_hit_with_its_page(tmp_path: Path) -> None:
    rule = {"name": "busy", "when": "container.cpu.util.mean over 500ms > 1 %", "do": {"keep": {"after": "500ms"}}}
    (tmp_path / "rules.yaml").write_text(json.dumps({"rules": [rule]}))
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as app:
        options = (
            "--record",
            "kept",
            "--rules",
            "rules.yaml",
            "--interval",
            "200ms",
            "--for",
            "5s",
            "--metric",
            "container",
        )
        done = subprocess.run(
            [*WORKER, "live", "--pid", str(app.pid), *options],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        app.kill()
    assert done.returncode == 0, done.stderr
    assert "1 hit was kept" in done.stdout and "rule busy holds" in done.stderr
    (folder,) = (path.parent for path in (tmp_path / "kept").glob("*/run.json"))
    page = (folder / "report/index.html").read_text()
    assert "rule busy: container.cpu.util.mean over 500ms" in page


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--config", "sage.yaml"), "--config, --target and --rules go with --record"),
        (("--record", "profile", "--once"), "--record goes with --for, not with --once"),
        (("--record", "profile", "--target", "a"), "give it with --config"),
        (("--record", "profile", "--rules", "none.yaml"), "none.yaml: no such file of rules"),
        (("--record", "profile", "--rules", "x", "--config", "sage.yaml"), "--rules goes without --config"),
        (("--record", "profile", "--config", "sage.yaml"), "has several targets (a, b)"),
    ],
)
def test_wrong_options_of_a_recording(args: tuple[str, ...], message: str, tmp_path: Path) -> None:
    configure(tmp_path, [{"name": "a"}, {"name": "b"}])
    done = subprocess.run(
        [*WORKER, "live", "--pid", "1", *args], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 3
    assert message in done.stderr


@pytest.mark.docker
def test_a_recording_is_a_run_that_every_command_reads(
    docker_client: docker.DockerClient, busybox_image: str, tmp_path: Path
) -> None:
    busy = ["sh", "-c", "while :; do :; done"]
    budgets = {"container.cpu.util.mean": "< 0.001 %", "container.memory.used.max": "< 1 GiB"}
    configure(tmp_path, [{"name": "a", "budgets": budgets, "metrics": ["container", "functions"]}])
    name = f"live-record-{os.getpid()}"
    container = docker_client.containers.run(busybox_image, busy, detach=True, labels=LABEL, name=name)

    def do(*args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*WORKER, *args], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)

    try:
        options = ("--record", "profile", "--for", "2s", "--config", "sage.yaml", "--interval", "200ms")
        done = do("live", name, *options)
    finally:
        container.remove(force=True)
    assert done.returncode == 1, done.stderr
    recorded = json.loads((tmp_path / "profile" / name / "run.json").read_text())
    assert recorded["live"]["title"] == name and recorded["app"]["name"] == "app"
    assert [budget["state"] for budget in recorded["budgets"]] == ["violated", "met"]
    assert [(each["metric"], each["state"]) for each in recorded["metrics"]] == [
        ("container", "measured"),
        ("functions", "skipped"),
    ]
    assert json.loads((tmp_path / "profile/outcome.json").read_text())["result"] == "UNSTABLE"
    assert "watched while it ran" in (tmp_path / "profile" / name / "report/index.html").read_text()
    assert do("report", "profile", "--format", "markdown").returncode == 1
    assert do("compare", "profile", "profile").returncode == 0
    assert do("store", "profile").returncode == 0
    assert "1 run" in do("history", "app").stdout
    assert do("baseline", "profile").returncode in (0, 1)


@pytest.mark.docker
def test_a_container_that_does_not_exist(docker_client: docker.DockerClient) -> None:
    done = live("no-such-app", "--once")
    assert done.returncode == 3
    assert "no container is called 'no-such-app'" in done.stderr
