"""Helper containers of a worker that is not root: what they add to a profile, and how an app can attack them."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from profileapp.collect.functions.py_spy import find_py_spy
from tests.helpers.other_user import UID, OtherUser
from tests.helpers.worker_process import configure

pytestmark = [
    pytest.mark.docker,
    pytest.mark.skipif(os.getuid() != 0, reason="becoming another user needs root"),
]
SOCKET = Path("/var/run/docker.sock")

# Runs as root of the container, and attacks every process that is not its own.
HOSTILE = """
import ctypes, os, sys, time
libc = ctypes.CDLL(None, use_errno=True)

def hot(end):
    while time.monotonic() < end:
        sum(i * i for i in range(1000))

def look(pid):
    with open(f'/proc/{pid}/cmdline', 'rb') as stream:
        words = stream.read().decode().split(chr(0))
    if not any('in_container' in word or word.endswith('py-spy') for word in words):
        return
    print('HELPER', words[0])
    for name in ('environ', 'mem', 'maps', 'root/etc', 'fd/0', 'fd/1', 'ns/mnt', 'exe'):
        path = f'/proc/{pid}/{name}'
        read = {'root/etc': os.listdir, 'ns/mnt': os.readlink, 'exe': os.readlink}.get(name)
        try:
            found = read(path) if read else os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            print('READ', name, found)
        except OSError:
            pass
    if libc.ptrace(16, pid, None, None) == 0:
        print('ATTACHED')
    for kind in ('mnt', 'net', 'pid'):
        try:
            descriptor = os.open(f'/proc/{pid}/ns/{kind}', os.O_RDONLY)
            print('ENTERED' if libc.setns(descriptor, 0) == 0 else 'NOT ENTERED')
        except OSError:
            pass

hot(time.monotonic() + 1.5)
for _ in range(20):
    for pid in [int(each) for each in os.listdir('/proc') if each.isdigit() and int(each) not in (1, os.getpid())]:
        try:
            look(pid)
            if sys.argv[-1] == 'kill':
                os.kill(pid, 9)
                print('KILLED')
        except OSError:
            pass
    hot(time.monotonic() + 0.05)
"""


@pytest.fixture(scope="module")
def other_user() -> Iterator[OtherUser]:
    with tempfile.TemporaryDirectory(prefix="pa-other-", dir="/var/tmp") as folder:
        user = OtherUser(Path(folder))
        program = find_py_spy()
        assert program
        shutil.copy(program, Path(folder) / "py-spy")
        user.path = f"{folder}:/usr/local/bin:/usr/bin:/bin"
        yield user


@pytest.fixture
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="pa-home-", dir="/var/tmp") as folder:
        os.chown(folder, UID, UID)
        yield Path(folder)


def profiled(other_user: OtherUser, home: Path, image: str, *args: str, **env: str) -> dict[str, Any]:
    """run.json of a run with metrics that need more rights than those of the group docker."""
    if not SOCKET.stat().st_mode & 0o060:
        pytest.skip("the socket is closed to its group")
    configure(home, [{"name": "a", "args": ["python3", "-c", HOSTILE, *args]}], metrics=["container", "functions"])
    done = other_user.run(
        home, "--image", image, groups=(SOCKET.stat().st_gid,), PROFILEAPP_STATE=str(home / "state"), **env
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads((home / "profile/a/run.json").read_bytes())
    return found


def metric(run: dict[str, Any], name: str) -> dict[str, Any]:
    return next(each for each in run["metrics"] if each["metric"] == name)


def left(client: docker.DockerClient, run: dict[str, Any]) -> list[str]:
    """Leftovers of a run: on the daemon, and its cgroups."""
    listed = [*client.api.containers(all=True), *client.api.images(all=True)]
    labelled = [
        str(each["Id"]) for each in listed if f"-{UID}" in (each.get("Labels") or {}).get("profileapp.owner", "")
    ]
    name = f"profileapp_{run['id'].replace('-', '_')}"
    return labelled + [str(path) for path in Path("/sys/fs/cgroup").glob(f"**/{name}*") if len(path.parts) < 7]


def test_a_user_in_group_docker_gets_functions_and_totals_and_the_app_gets_nothing(
    other_user: OtherUser, home: Path, docker_client: docker.DockerClient, python_image: str
) -> None:
    run = profiled(other_user, home, python_image)
    functions = metric(run, "functions")
    assert (functions["state"], functions["source"]) == ("measured", "py-spy in a helper container"), functions
    assert "hot" in (home / "profile/a/functions.csv").read_text()
    totals = run["repeats"][0]["totals"]
    assert totals["cpu_s"] > 0.3 and totals["memory_peak_bytes"] > 2**20, totals
    log = (home / "profile/a/app.log").read_text()
    assert "HELPER" in log, "the app sees it in its own PID namespace"
    assert not {"READ", "ATTACHED", "ENTERED"} & set(log.split()), log
    assert not left(docker_client, run)


def test_an_app_that_kills_the_helper_loses_its_own_functions_only(
    other_user: OtherUser, home: Path, docker_client: docker.DockerClient, python_image: str
) -> None:
    run = profiled(other_user, home, python_image, "kill")
    assert "KILLED" in (home / "profile/a/app.log").read_text()
    assert metric(run, "functions")["state"] == "skipped"
    assert "no Python function" in metric(run, "functions")["reason"]
    assert metric(run, "container")["state"] == "measured"
    assert not left(docker_client, run)


def test_an_administrator_can_disable_helpers(
    other_user: OtherUser, home: Path, docker_client: docker.DockerClient, python_image: str
) -> None:
    run = profiled(other_user, home, python_image, PROFILEAPP_HELPER="off")
    assert "HELPER" not in (home / "profile/a/app.log").read_text()
    assert "PROFILEAPP_HELPER=off" in metric(run, "functions")["reason"]
    assert "only root" in run["repeats"][0]["totals"]["missing"]["all"]
    assert not left(docker_client, run)
