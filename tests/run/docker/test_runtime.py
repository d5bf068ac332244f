"""Real containers, well-behaved and hostile: exit reasons, recorded data, and no leftovers."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.helpers.leftovers import left_of
from tests.helpers.paths import ROOT
from tests.helpers.worker_process import Outcome, configure, is_measuring, run, start, wait_until

pytestmark = pytest.mark.docker

FOR_EVER = "while :; do sleep 0.1; done"


def shell(name: str, script: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "args": ["sh", "-c", script], **more}


def containers_of(docker_client: docker.DockerClient, state: Path) -> set[str]:
    """Ids of the containers of a state folder. Only the list: containers of other runs may vanish meanwhile."""
    listed = docker_client.api.containers(all=True)
    return {each["Id"] for each in listed if str(state) in str(each["Labels"])}


@pytest.fixture(autouse=True)
def nothing_is_left(docker_client: docker.DockerClient, state: Path) -> Iterator[None]:
    def left() -> tuple[set[str], list[str], list[str]]:
        mounts = [line for line in Path("/proc/mounts").read_text().splitlines() if str(state) in line]
        return left_of(docker_client, state), mounts, [path.name for path in state.iterdir() if path.suffix != ".lock"]

    before = left()
    yield
    assert left() == before


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return tmp_path


def in_busybox(folder: Path, image: str, targets: list[dict[str, Any]], *options: str, **more: Any) -> Outcome:
    configure(folder, targets, **{"metrics": ["container"], **more})
    return run(folder, "--image", image, *options)


def test_every_exit_reason_is_distinguished(workspace: Path, busybox_image: str) -> None:
    outcome = in_busybox(
        workspace,
        busybox_image,
        [
            shell("completed", "echo hello; sleep 0.5"),
            shell("failed", "echo oops >&2; exit 3"),
            shell("signalled", "kill -SEGV $$"),
            {"name": "nowhere", "args": ["/no/such/program"]},
            shell("timeout", FOR_EVER, timeout=1),
            shell("too-slow", FOR_EVER, timeout=1, **{"on-timeout": "fail"}),
            shell("stubborn", f"trap '' TERM; {FOR_EVER}", timeout=1, grace=1),
            shell("greedy", "tail /dev/zero"),
        ],
        "--memory-limit",
        "64MiB",
        defaults={"interval": "100ms"},
    )
    assert outcome.code == 2, outcome.err
    exit_reasons = {
        name: (run_["exit_reason"], run_["repeats"][0]["exit_code"], run_["repeats"][0]["signal"])
        for name in ("completed", "failed", "signalled", "nowhere", "timeout", "too-slow", "stubborn", "greedy")
        for run_ in [outcome.run(name)]
    }
    assert exit_reasons["completed"] == ("completed", 0, 0)
    assert exit_reasons["failed"] == ("failed", 3, 0)
    assert exit_reasons["signalled"][::2] == ("signalled", signal.SIGSEGV)
    assert exit_reasons["nowhere"][0] == "not-started" and "/no/such/program" in outcome.run("nowhere")["message"]
    assert exit_reasons["timeout"][0] == "timeout" and exit_reasons["too-slow"][0] == "timeout-failed"
    assert exit_reasons["stubborn"][0] == "timeout" and outcome.run("stubborn")["repeats"][0]["killed"]
    assert exit_reasons["greedy"][0] == "oom-killed"
    assert outcome.log("completed") == b"hello\n" and outcome.log("failed") == b"oops\n"
    junit = (workspace / "profile/failed/junit.xml").read_text()
    assert "<failure" in junit and "oops" in junit


def test_an_app_that_exits_at_once_is_an_ordinary_run(workspace: Path, busybox_image: str) -> None:
    outcome = in_busybox(workspace, busybox_image, [{"name": "blink", "args": ["true"]}])
    assert outcome.code == 0 and outcome.run("blink")["exit_reason"] == "completed"


def test_measures_the_apps_resource_usage(workspace: Path, busybox_image: str) -> None:
    outcome = in_busybox(
        workspace,
        busybox_image,
        [shell("spin", "yes > /dev/null", timeout=3)],
        metrics=["container", "system", "tau"],
        defaults={"interval": "100ms", "warmup": 1},
    )
    assert outcome.code == 0, outcome.err
    result = outcome.run("spin")
    summary = {one["name"]: one for one in result["summary"] if not one["labels"]}
    # Near 100 % on an idle machine; tests/collect compares the values with Docker's.
    assert 5 < summary["container.cpu.util"]["mean"] < 130
    assert 0 < summary["container.memory.used"]["max"] < 50e6
    assert summary["container.processes"]["max"] == 1, "the shell becomes `yes`; Docker's init is none of the app's"
    # 20 and a few, of 30 values.
    assert 5 <= summary["container.cpu.util"]["count"] <= 25, "the warm-up's samples do not count"
    assert len([each for each in outcome.samples("spin") if each["name"] == "container.cpu.util"]) >= 15
    states = {each["metric"]: each["state"] for each in result["metrics"]}
    assert states == {"container": "measured", "system": "measured", "tau": "skipped", "custom": "measured"}
    assert result["image"]["name"] == busybox_image and result["image"]["id"].startswith("sha256:")


def test_repeats_use_new_containers_and_stop_at_the_first_failure(workspace: Path, busybox_image: str) -> None:
    outcome = in_busybox(
        workspace, busybox_image, [shell("twice", "echo again", repeat=2), shell("once", "exit 1", repeat=3)]
    )
    assert [each["index"] for each in outcome.run("twice")["repeats"]] == [1, 2]
    assert outcome.log("twice").count(b"again") == 2
    assert len(outcome.run("once")["repeats"]) == 1


def test_arguments_and_environment_arrive_verbatim(workspace: Path, busybox_image: str) -> None:
    hostile = ["$(touch /tmp/pwned)", "`id`", "a b", '"', "'", "line\nbreak", "ünïcode \u202e", "-rf", "*", "\\"]
    script = 'for each in "$@"; do printf "<%s>" "$each"; done; printf "<%s>" "$VALUE"'
    target = {"name": "echo", "args": ["sh", "-c", script, "sh", *hostile], "env": {"VALUE": "$HOME `id`"}}
    outcome = in_busybox(workspace, busybox_image, [target])
    assert outcome.log("echo").decode() == "".join(f"<{each}>" for each in [*hostile, "$HOME `id`"])


def test_the_app_runs_with_minimal_privileges(workspace: Path, busybox_image: str) -> None:
    (workspace / "data").mkdir()
    (workspace / "data" / "sample.txt").write_text("sample")
    script = (
        "cat /dataset/sample.txt; touch /dataset/x && echo WROTE; rm /run/profileapp/metrics.sock && echo REMOVED; "
        "ls $PROFILEAPP_SOCKET; grep -E 'CapEff|CapBnd|NoNewPrivs' /proc/self/status; "
        'echo "pids=$(cat /sys/fs/cgroup/pids/pids.max)"'
    )
    outcome = in_busybox(workspace, busybox_image, [shell("look", script, dataset="data")], "--pids-limit", "77")
    log = outcome.log("look").decode()
    assert "sample" in log and "WROTE" not in log and "REMOVED" not in log
    assert "CapEff:\t0000000000000000" in log and "CapBnd:\t0000000000000000" in log and "NoNewPrivs:\t1" in log
    assert "/run/profileapp/metrics.sock" in log
    if Path("/sys/fs/cgroup/pids").exists():
        assert "pids=77\n" in log


def test_an_app_that_is_not_root_can_use_the_socket(
    workspace: Path, docker_client: docker.DockerClient, python_image: str
) -> None:
    made = docker_client.containers.create(python_image, ["true"])
    image = made.commit("profileapp-test/plain-user", "1", changes="USER 1234:1234")
    made.remove()
    (workspace / "lib").mkdir()
    shutil.copy(ROOT / "worker/profileapp/client.py", workspace / "lib")
    code = "import sys; sys.path.insert(0, '/dataset'); import client, os; client.gauge('uid', os.getuid())"
    try:
        configure(workspace, [{"name": "plain", "args": ["python3", "-c", code], "dataset": "lib"}])
        outcome = run(workspace, "--image", image.tags[0])
    finally:
        docker_client.images.remove(image.id, force=True)
    assert outcome.code == 0, outcome.log("plain")
    assert [each["value"] for each in outcome.samples("plain") if each["name"] == "uid"] == [1234]


def test_a_fork_bomb_is_bounded_and_removed(workspace: Path, busybox_image: str) -> None:
    bomb = "bomb() { bomb | bomb & }; bomb; while :; do sleep 0.1; done"
    outcome = in_busybox(
        workspace,
        busybox_image,
        [shell("bomb", bomb, timeout=2, grace=1)],
        "--pids-limit",
        "60",
        "--memory-limit",
        "64MiB",
    )
    assert outcome.run("bomb")["state"] == "finished"


@pytest.mark.slow
def test_a_gigabyte_of_output_is_bounded(workspace: Path, busybox_image: str) -> None:
    script = "yes 0123456789012345678901234567890123456789 | head -c 1000000000; echo; echo the end"
    outcome = in_busybox(workspace, busybox_image, [shell("flood", script)])
    assert outcome.run("flood")["exit_reason"] == "completed", outcome.err
    log = outcome.log("flood")
    assert len(log) < 9_000_000 and log.endswith(b"\nthe end\n") and b"bytes dropped here]" in log


@pytest.mark.parametrize(
    ("image", "message"),
    [("profileapp-test/no-such-image:1", "cannot be pulled"), ("NOT A NAME", "is not a valid image name")],
)
def test_an_unavailable_image_is_exit_code_3(
    workspace: Path, docker_client: docker.DockerClient, image: str, message: str
) -> None:
    configure(workspace, [{"name": "a"}])
    outcome = run(workspace, "--image", image)
    assert outcome.code == 3 and message in outcome.err and len(outcome.err.splitlines()) == 1, outcome.err


def test_an_image_of_another_architecture_is_refused_before_it_runs(
    workspace: Path, docker_client: docker.DockerClient, busybox_image: str
) -> None:
    other = "arm64" if os.uname().machine == "x86_64" else "amd64"
    name = "profileapp-test/other-architecture:1"
    saved = io.BytesIO(b"".join(docker_client.images.get(busybox_image).save(named=True)))
    changed = io.BytesIO()
    with tarfile.open(fileobj=saved) as source, tarfile.open(fileobj=changed, mode="w") as sink:
        manifest = json.load(source.extractfile("manifest.json") or io.BytesIO(b"[]"))
        for member in source.getmembers():
            content = (source.extractfile(member) or io.BytesIO()).read() if member.isfile() else b""
            if member.name == manifest[0]["Config"]:
                content = json.dumps(json.loads(content) | {"architecture": other}).encode()
            elif member.name == "manifest.json":
                content = json.dumps([manifest[0] | {"RepoTags": [name]}]).encode()
            elif member.name == "repositories":
                continue
            member.size = len(content)
            sink.addfile(member, io.BytesIO(content))
    docker_client.images.load(changed.getvalue())
    try:
        configure(workspace, [{"name": "a", "args": ["true"]}])
        outcome = run(workspace, "--image", name)
    finally:
        docker_client.images.remove(name, force=True)
    assert outcome.code == 3 and f"is built for {other}" in outcome.err


def test_the_next_run_sweeps_a_killed_worker_but_not_live_ones(
    workspace: Path, docker_client: docker.DockerClient, busybox_image: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    live_folder = tmp_path_factory.mktemp("live")
    live_state = tmp_path_factory.mktemp("s")
    configure(live_folder, [shell("live", FOR_EVER)], metrics=["container"])
    configure(workspace, [shell("dead", FOR_EVER)], metrics=["container"], defaults={"interval": "100ms"})
    dead = start(workspace, "--image", busybox_image)
    live = start(live_folder, "--image", busybox_image, PROFILEAPP_STATE=str(live_state))
    try:
        wait_until(lambda: is_measuring(workspace, "dead") and (live_folder / "profile/live/run.json").exists())
        dead.kill()
        dead.wait()
        outcome = in_busybox(workspace, busybox_image, [shell("next", "true")])
        assert outcome.code == 0 and "did not end in order" in outcome.err
        assert len(containers_of(docker_client, live_state)) == 1 and live.poll() is None, (
            "the live run of another state goes on"
        )
    finally:
        live.terminate()
        assert live.wait(60) == 143
    assert is_measuring(workspace, "dead") and '"state": "running"' in (workspace / "profile/dead/run.json").read_text()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)])
def test_a_stopped_worker_stops_its_container_and_keeps_its_measurements(
    workspace: Path, busybox_image: str, number: signal.Signals, code: int
) -> None:
    configure(workspace, [shell("serve", FOR_EVER)], metrics=["container"], defaults={"interval": "100ms"})
    worker = start(workspace, "--image", busybox_image)
    wait_until(lambda: is_measuring(workspace, "serve"))
    worker.send_signal(number)
    assert worker.wait(60) == code
    text = (workspace / "profile/serve/run.json").read_text()
    assert '"exit_reason": "aborted"' in text and '"name": "container.cpu.util"' in text


def test_a_second_ctrl_c_does_not_wait_for_the_grace_time(workspace: Path, busybox_image: str) -> None:
    configure(workspace, [shell("stubborn", f"trap '' TERM; {FOR_EVER}", grace="10m")], metrics=["container"])
    worker = start(workspace, "--image", busybox_image)
    wait_until(lambda: '"repeats": [\n' in _text(workspace / "profile/stubborn/run.json"))
    worker.send_signal(signal.SIGINT)
    try:
        worker.wait(1.5)
    except subprocess.TimeoutExpired:
        worker.send_signal(signal.SIGINT)
    assert worker.wait(60) == 130


def test_a_container_removed_by_another_program_is_reported(
    workspace: Path, docker_client: docker.DockerClient, busybox_image: str, state: Path
) -> None:
    configure(workspace, [shell("serve", FOR_EVER)], metrics=["container"], defaults={"interval": "100ms"})
    worker = start(workspace, "--image", busybox_image)
    wait_until(lambda: is_measuring(workspace, "serve"))
    for container_id in containers_of(docker_client, state):
        docker_client.api.remove_container(container_id, force=True)
    assert worker.wait(60) == 4
    text = (workspace / "profile/serve/run.json").read_text()
    assert '"state": "finished"' in text and "removed by another user or program" in text


@pytest.mark.skipif(os.getuid() != 0, reason="a second daemon needs root")
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_daemon_that_stops_during_a_run_loses_no_measurements(
    workspace: Path,
    docker_client: docker.DockerClient,
    busybox_image: str,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
) -> None:
    folder = tmp_path_factory.mktemp("d")
    state = Path(tempfile.mkdtemp(prefix="pa-"))
    monkeypatch.setenv("PROFILEAPP_STATE", str(state))
    host = f"unix://{folder}/d.sock"
    app_pid = 0
    daemon = subprocess.Popen(
        [
            # In a separate network namespace: a daemon without a bridge would remove the bridge of the other one.
            "unshare", "--net", "dockerd", "--host", host, "--data-root", folder / "data",
            "--exec-root", folder / "exec", "--pidfile", folder / "pid",
            "--bridge=none", "--iptables=false", "--storage-driver=vfs",
        ],
        stdout=subprocess.DEVNULL,
        stderr=(folder / "log").open("wb"),
        env={**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"},
    )  # fmt: skip
    try:
        saved = subprocess.run(["docker", "save", busybox_image], capture_output=True, check=True).stdout
        wait_until(
            lambda: not subprocess.run(["docker", "-H", host, "info"], capture_output=True, check=False).returncode
        )
        subprocess.run(["docker", "-H", host, "load"], input=saved, check=True, capture_output=True)
        configure(workspace, [shell("serve", FOR_EVER)], metrics=["container"], defaults={"interval": "100ms"})
        worker = start(workspace, "--image", busybox_image, DOCKER_HOST=host)
        wait_until(lambda: is_measuring(workspace, "serve"))
        [container] = docker.DockerClient(base_url=host).containers.list()
        app_pid = container.attrs["State"]["Pid"]
        daemon.send_signal(number)
        assert worker.wait(90) == 4
    finally:
        daemon.terminate()
        daemon.wait(60)
        if app_pid and container.id in _text(Path(f"/proc/{app_pid}/cgroup")):
            os.kill(app_pid, signal.SIGKILL)
        # A killed daemon leaves its helpers and the container running.
        subprocess.run(["pkill", "-KILL", "-f", str(folder)], check=False)
        for line in reversed(Path("/proc/mounts").read_text().splitlines()):
            if str(folder) in line:
                subprocess.run(["umount", "-l", line.split()[1]], check=False)
    # This daemon cannot list its leftovers; the next run with a daemon removes them.
    assert sorted({path.suffix for path in state.iterdir()}) == ["", ".lock", ".run"]
    shutil.rmtree(state)
    text = (workspace / "profile/serve/run.json").read_text()
    assert '"exit_reason": "not-measured"' in text and "daemon" in text and '"name": "container.cpu.util"' in text


@pytest.mark.skipif(os.getuid() != 0, reason="mounting needs root")
def test_a_full_disk_ends_the_run_with_a_message_and_keeps_what_fits(workspace: Path, busybox_image: str) -> None:
    small = workspace / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160k", "tmpfs", small], check=True)
    try:
        targets = [shell("serve", FOR_EVER, interval="10ms")]
        configure(workspace, targets, metrics=["container", "system"])
        outcome = run(workspace, "--image", busybox_image, "--out", str(small))
        assert outcome.code == 4 and "cannot be written" in outcome.err, outcome.err
        assert "No space left on device" in outcome.err
        assert (small / "serve/metrics.ndjson").stat().st_size > 10_000
    finally:
        subprocess.run(["umount", small], check=True)


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""
