"""Faults of the machine: a worker killed at any moment, a full disk, a clock that jumps, no descriptors, no daemon.

After each fault the tests count leftovers: containers, networks, volumes, images, mounts, sockets, folders,
processes.
"""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import docker
import pytest

from profileapp.collect.process.stat import has_ended
from tests.helpers import fake_tools
from tests.helpers.leftovers import images_named, left_of, left_on_machine, on_machine
from tests.helpers.small_disk import NoSmallDisk, small_disk
from tests.helpers.worker_process import WORKER, configure, is_measuring, run, start, wait_until

FOR_EVER = "while :; do sleep 0.1; done"
AS_ROOT = pytest.mark.skipif(os.getuid() != 0, reason="needs root")


class Cycles:
    """Starts and kills workers of all kinds in rotation, with one state folder."""

    def __init__(self, folder: Path, state: Path, image: str, client: docker.DockerClient) -> None:
        self.run_ids: set[str] = set()
        self.seen: set[str] = set()
        self._folder = folder
        self._state = state
        self._image = image
        self._client = client
        self.marker = f"profileapp-faults-{os.getpid()}"
        database = fake_tools.kernel_database(folder / "kernels.sqlite")
        self._tools = {
            "PROFILEAPP_TAU": str(fake_tools.tau(folder / "tools/tau") / "x86_64"),
            "PROFILEAPP_NSYS": str(fake_tools.nsys(folder / "tools/nsys", database)),
        }
        self._kinds = [self._services(), self._build(), self._traces(), self._process()]

    def kill_at_random(self, number: int, moments: random.Random) -> None:
        """Starts a worker and kills it at a random moment between its first line and the middle of its app's life."""
        folder, options = self._kinds[number % len(self._kinds)]
        worker = start(folder, *options, **self._tools)
        time.sleep(moments.uniform(0.05, 3.5))
        self._observe()
        worker.kill()
        worker.wait()
        self._observe()

    def left(self) -> set[str]:
        """What is left after one more run, which must not be affected by leftovers."""
        folder = self._new("last", [{"name": "last", "args": ["true"]}])
        outcome = run(folder, "--image", self._image)
        assert outcome.code == 0, outcome.err
        assert "warning" not in outcome.err, outcome.err
        building = {each["Id"] for each in self._client.api.containers(all=True) if self.marker in each["Command"]}
        images = images_named(self._client, self.run_ids)
        return left_of(self._client, self._state) | left_on_machine(self._state, self.run_ids) | building | images

    def forget_cache(self) -> None:
        """Removes layers that a later build could take from the cache."""
        for each in self._client.images.list(all=True, filters={"label": f"faults={self.marker}"}):
            subprocess.run(["docker", "rmi", "--force", each.id], check=False, capture_output=True)

    def _observe(self) -> None:
        self.run_ids |= {path.stem for path in self._state.glob("*.run")}
        self.seen |= left_of(self._client, self._state)

    def _new(self, name: str, targets: list[dict[str, object]], **more: object) -> Path:
        folder = self._folder / name
        folder.mkdir(exist_ok=True)
        configure(folder, targets, **{"metrics": ["container"], **more})
        return folder

    def _services(self) -> tuple[Path, tuple[str, ...]]:
        serve = f"echo up; {FOR_EVER}"
        services = [
            {"playback": {"left": "cam"}},
            {
                "name": "helper",
                "image": self._image,
                "args": ["sh", "-c", serve],
                "ready": {"log": "up"},
            },
        ]
        folder = self._new("services", [{"name": "a", "args": ["sh", "-c", FOR_EVER]}], services=services)
        (folder / "cam").mkdir()
        (folder / "cam/1.jpg").write_bytes(b"\xff\xd8")
        return folder, ("--image", self._image)

    def _build(self) -> tuple[Path, tuple[str, ...]]:
        folder = self._new("build", [{"name": "a", "args": ["sh", "-c", FOR_EVER]}])
        steps = [f"FROM {self._image}", f"LABEL faults={self.marker}"]
        # A step is run again only after the cache was emptied; the second step is slow.
        steps += ["ARG AT", f"RUN echo {self.marker}; sleep 1", "RUN date > /tmp/at; sleep 1"]
        (folder / "Dockerfile").write_text("\n".join(steps) + "\n")
        return folder, ("--build", ".")

    def _traces(self) -> tuple[Path, tuple[str, ...]]:
        metrics = ["tau", "gpu-summary", "container"]
        folder = self._new("traces", [{"name": "a", "args": ["sh", "-c", "sleep 0.5"]}], metrics=metrics)
        return folder, ("--image", self._image)

    def _process(self) -> tuple[Path, tuple[str, ...]]:
        script = f"mkdir -p $PYWAGGLE_LOG_DIR/a/b; {FOR_EVER} & {FOR_EVER}"
        folder = self._new("process", [{"name": "a", "args": [script]}])
        return folder, ("--runtime", "process", "--command", "sh -c")


def kill_cycles(folder: Path, state: Path, image: str, client: docker.DockerClient, count: int) -> None:
    moments = random.Random(14)  # noqa: S311
    cycles = Cycles(folder, state, image, client)
    before = {kind: len(found) for kind, found in on_machine().items()}
    try:
        for number in range(count):
            cycles.kill_at_random(number, moments)
            if number % 20 == 19:
                # As on a logout or a reboot; the daemon keeps its containers.
                shutil.rmtree(state)
                state.mkdir(mode=0o700)
        left = cycles.left()
    finally:
        cycles.forget_cache()
    after = {kind: len(found) for kind, found in on_machine().items()}
    totals = f"{count} kills: {len(cycles.run_ids)} runs and {len(cycles.seen)} daemon objects seen, {len(left)} left"
    print(f"{totals}; the whole machine before {before}, after {after}")
    assert cycles.run_ids, "no worker came as far as to begin a run"
    assert left == set()


@pytest.mark.docker
@pytest.mark.parametrize("count", [4, pytest.param(200, marks=[pytest.mark.hostile_long, pytest.mark.timeout(3600)])])
def test_held_nothing_is_left_of_workers_that_were_killed(
    tmp_path: Path, state: Path, docker_client: docker.DockerClient, busybox_image: str, count: int
) -> None:
    kill_cycles(tmp_path, state, busybox_image, docker_client, count)


@AS_ROOT
def test_held_a_full_state_folder_is_a_one_line_error(tmp_path: Path, state: Path) -> None:
    configure(tmp_path, [{"name": "a", "args": ["print('hello')"]}], metrics=[])
    try:
        with small_disk(state, "1m", "") as disk:
            disk.fill(0)
            outcome = run(tmp_path, "--runtime", "process", "--command", "python3 -c")
            assert outcome.code == 4 and "Traceback" not in outcome.err, outcome.err
            disk.make_room()
            outcome = run(tmp_path, "--runtime", "process", "--command", "python3 -c")
            assert outcome.code == 0, outcome.err
            assert left_on_machine(state, set()) <= {str(state)}
    except NoSmallDisk as reason:
        pytest.skip(str(reason))


LOG_FILE = "import os, time; log = open(os.environ['PYWAGGLE_LOG_DIR'] + '/x', 'wb', buffering=0)"
STAYS = f"""{LOG_FILE}
try:
    while True: log.write(bytes(10**6))
except OSError:
    time.sleep(300)
"""


@AS_ROOT
@pytest.mark.parametrize(
    ("code", "exit_code"),
    [(f"{LOG_FILE}; os.posix_fallocate(log.fileno(), 0, 10**8)", 2), (STAYS, 4)],
    ids=["the app fails without filling it", "the worker kills the app"],
)
def test_held_an_app_that_fills_the_disk_ends_and_the_next_one_runs(
    tmp_path: Path, state: Path, code: str, exit_code: int
) -> None:
    try:
        with small_disk(state, "4m", ""):
            configure(tmp_path, [{"name": "fill", "args": [code]}], metrics=[])
            outcome = run(tmp_path, "--runtime", "process", "--command", "python3 -c")
            assert outcome.code == exit_code and "Traceback" not in outcome.err, outcome.err
            configure(tmp_path, [{"name": "next", "args": ["print('hello')"]}], metrics=[])
            outcome = run(tmp_path, "--runtime", "process", "--command", "python3 -c")
            assert outcome.code == 0, outcome.err
            assert left_on_machine(state, set()) <= {str(state)}
    except NoSmallDisk as reason:
        pytest.skip(str(reason))


CLOCK = """
import time, sys, runpy, threading
real, jumped = (time.time, time.time_ns), [0]
time.time = lambda: real[0]() + jumped[0]
time.time_ns = lambda: real[1]() + jumped[0] * 10**9
def jump():
    for step in (86_400, -86_400 * 365, 0):
        time.sleep(1)
        jumped[0] = step
threading.Thread(target=jump, daemon=True).start()
sys.argv = ["profileapp", *sys.argv[1:]]
runpy.run_module("profileapp", run_name="__main__")
"""


def test_held_clock_jumps_do_not_move_samples(tmp_path: Path, state: Path) -> None:
    """In the worker's view, its clock jumps a day ahead and a year back during the run."""
    configure(tmp_path, [{"name": "a", "args": ["sleep 4"]}], metrics=["system"], defaults={"interval": "100ms"})
    options = ["run", "sage.yaml", "--no-report", "--runtime", "process", "--command", "sh -c"]
    done = subprocess.run(
        [sys.executable, "-c", CLOCK, *options], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    run_ = json.loads((tmp_path / "profile/a/run.json").read_text())
    assert 3 < (run_["ended_ns"] - run_["started_ns"]) / 1e9 < 60
    times = [json.loads(line)["timestamp"] for line in (tmp_path / "profile/a/metrics.ndjson").open()]
    assert len({each[:10] for each in times}) <= 2, "one day, or two around midnight"
    assert left_on_machine(state, {run_["id"]}) == set()


# The worker cannot write, the worker cannot start the app, nothing fails.
@pytest.mark.parametrize(("descriptors", "exit_code"), [(8, 4), (16, 2), (64, 0)])
def test_held_a_run_without_descriptors_fails_in_one_line(
    tmp_path: Path, state: Path, descriptors: int, exit_code: int
) -> None:
    configure(tmp_path, [{"name": "a", "args": ["sleep 1"]}], metrics=["system", "container"])

    def few() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))

    options = ["run", "sage.yaml", "--no-report", "--runtime", "process", "--command", "sh -c"]
    done = subprocess.run(
        [*WORKER, *options], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120, preexec_fn=few
    )
    assert done.returncode == exit_code, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    outcome = run(tmp_path, "--runtime", "process", "--command", "sh -c")
    assert outcome.code == 0 and left_on_machine(state, set()) == set(), outcome.err


@contextmanager
def private_daemon(folder: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A separate Docker daemon: its address, and its process, which the test may stop and restart."""
    host = f"unix://{folder}/d.sock"
    daemons = [start_daemon(folder, host)]
    try:
        yield host, daemons
    finally:
        for pid in containers_below(folder):
            os.kill(pid, signal.SIGKILL)
        daemons[-1].terminate()
        daemons[-1].wait(60)
        for pid in containers_below(folder):
            os.kill(pid, signal.SIGKILL)
        for line in reversed(Path("/proc/mounts").read_text().splitlines()):
            if str(folder) in line:
                subprocess.run(["umount", "-l", line.split()[1]], check=False)


def containers_below(folder: Path) -> list[int]:
    """Shims and helpers with the daemon's folder in their arguments; never those of other daemons."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if str(folder / "exec").encode() in line and b"dockerd\0" not in line[:20]:
            found.append(int(entry.name))
    return found


def end_containerd(folder: Path) -> None:
    """Stops the old containerd: a new daemon would wait in vain for one that has ended and was not reaped."""
    pid_file = folder / "exec/containerd/containerd.pid"
    if not pid_file.exists():
        return
    pid = int(pid_file.read_text())
    with suppress(FileNotFoundError, ProcessLookupError):  # it may have exited
        if str(folder) in Path(f"/proc/{pid}/cmdline").read_text():
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: has_ended(Path("/proc"), pid))
    pid_file.unlink()


def start_daemon(folder: Path, host: str) -> subprocess.Popen[bytes]:
    daemon = subprocess.Popen(
        [
            # In a separate network namespace: a daemon without a bridge would remove the bridge of the other one.
            "unshare", "--net", "dockerd", "--host", host, "--data-root", folder / "data", "--live-restore",
            "--exec-root", folder / "exec", "--pidfile", folder / "pid",
            "--bridge=none", "--iptables=false", "--storage-driver=vfs",
        ],
        stdout=subprocess.DEVNULL,
        stderr=(folder / "log").open("ab"),
        env={**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"},
    )  # fmt: skip
    wait_until(lambda: not subprocess.run(["docker", "-H", host, "info"], capture_output=True, check=False).returncode)
    return daemon


@AS_ROOT
@pytest.mark.docker
@pytest.mark.hostile_long
def test_held_a_daemon_restarted_during_a_run_keeps_nothing(
    tmp_path: Path, state: Path, docker_client: docker.DockerClient, busybox_image: str
) -> None:
    """With live-restore the app outlives its daemon; the worker exits, and the next run removes the rest."""
    folder = state.with_name(f"{state.name}-daemon")
    folder.mkdir()
    try:
        with private_daemon(folder) as (host, daemons):
            saved = subprocess.run(["docker", "save", busybox_image], capture_output=True, check=True).stdout
            subprocess.run(["docker", "-H", host, "load"], input=saved, check=True, capture_output=True)
            configure(tmp_path, [{"name": "a", "args": ["sh", "-c", FOR_EVER]}], metrics=["container"])
            for number in (signal.SIGTERM, signal.SIGKILL):
                shutil.rmtree(tmp_path / "profile", ignore_errors=True)
                worker = start(tmp_path, "--image", busybox_image, DOCKER_HOST=host)
                wait_until(lambda: is_measuring(tmp_path, "a"))
                daemons[-1].send_signal(number)
                daemons[-1].wait(60)
                assert worker.wait(120) == 4
                end_containerd(folder)
                (folder / "pid").unlink(missing_ok=True)
                daemons.append(start_daemon(folder, host))
                other = tmp_path / f"next-{number}"
                other.mkdir()
                configure(other, [{"name": "next", "args": ["true"]}], metrics=[])
                outcome = run(other, "--image", busybox_image, DOCKER_HOST=host)
                assert outcome.code == 0, outcome.err
                client = docker.DockerClient(base_url=host)
                assert left_of(client, state) == left_on_machine(state, set()) == set()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
