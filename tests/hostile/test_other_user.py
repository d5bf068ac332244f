"""A worker that is not root, as most agents run it: what its apps may read, and what they may leave."""

from __future__ import annotations

import grp
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from tests.helpers.other_user import UID, OtherUser
from tests.helpers.worker_process import configure, is_measuring, wait_until

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="becoming another user needs root")

FALLBACK = Path(f"/var/tmp/profileapp-{UID}")


@pytest.fixture(scope="module")
def other_user() -> Iterator[OtherUser]:
    with tempfile.TemporaryDirectory(prefix="pa-other-", dir="/var/tmp") as folder:
        yield OtherUser(Path(folder))


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder of that user; the state uses the default of a user without a home folder."""
    with tempfile.TemporaryDirectory(prefix="pa-home-", dir="/var/tmp") as folder:
        os.chown(folder, UID, UID)
        shutil.rmtree(FALLBACK, ignore_errors=True)
        try:
            yield Path(folder)
        finally:
            shutil.rmtree(FALLBACK, ignore_errors=True)


def survivors() -> list[str]:
    listing = subprocess.run(["ps", "-eo", "uid,args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listing.splitlines() if line.split()[0] == str(UID)]


LOOK = """
import ctypes, os
from pathlib import Path
assert os.getuid() == {uid}, os.getuid()
pid = os.getppid()
while pid > 1:
    status = Path(f'/proc/{{pid}}/stat').read_text().rpartition(')')[2].split()
    argv = Path(f'/proc/{{pid}}/cmdline').read_bytes().replace(b'\\0', b' ').decode()
    if ' -m profileapp run' in argv and 'setpriv' not in argv and 'sh -c' not in argv:
        print('WORKER')
    for name in ('environ', 'mem', 'maps', 'fd'):
        try:
            path = f'/proc/{{pid}}/{{name}}'
            found = os.listdir(path) if name == 'fd' else open(path, 'rb').read(4096 if name == 'environ' else 1)
            print('READ', name, argv[:60] if name != 'environ' else found)
        except OSError as error:
            print('REFUSED', name, error.strerror)
    attached = ctypes.CDLL(None, use_errno=True).ptrace(16, pid, None, None)
    print('ATTACHED' if attached == 0 else 'REFUSED ptrace')
    if attached == 0:
        os.waitpid(pid, 0x40000000)
        ctypes.CDLL(None).ptrace(17, pid, None, None)
    pid = int(status[1])
    if 'app_launcher' not in argv:
        break
"""


def test_the_worker_cannot_be_inspected_held(other_user: OtherUser, home: Path) -> None:
    """An app of the same user, a descendant of the worker, cannot read its environment, memory and descriptors."""
    configure(home, [{"name": "a", "args": [LOOK.format(uid=UID)]}], metrics=["container"])
    options = ("--runtime", "process", "--command", f"{other_user.python} -c")
    done = other_user.run(home, *options, REGISTRY_PASSWORD="open-sesame")
    assert done.returncode == 0, done.stderr
    log = (home / "profile/a/app.log").read_text()
    of_worker = log.partition("WORKER")[2]
    assert of_worker and "open-sesame" not in log, log
    assert "READ" not in of_worker and "ATTACHED" not in of_worker, log
    assert of_worker.count("REFUSED") == 5, log
    assert FALLBACK.stat().st_uid == UID and [each.name for each in FALLBACK.iterdir()] == []
    assert not survivors()


HIDDEN = """
import os, time
for last in (False, True):
    if os.fork():
        if not last: time.sleep({wait_s})
        os._exit(0)
    os.setsid()
os.execve('/bin/sleep', ['sleep', '3600'], {{}})
"""


def test_no_descendant_outlives_the_run_or_the_worker_held(other_user: OtherUser, home: Path) -> None:
    options = ("--runtime", "process", "--command", f"{other_user.python} -c")
    configure(home, [{"name": "a", "args": [HIDDEN.format(wait_s=0.3)]}], metrics=["container"])
    done = other_user.run(home, *options)
    assert done.returncode == 0 and not survivors(), done.stderr
    configure(
        home, [{"name": "b", "args": [HIDDEN.format(wait_s=300)]}], metrics=["container"], defaults={"interval": "50ms"}
    )
    worker = other_user.start(home, *options)
    try:
        wait_until(lambda: is_measuring(home, "b") and any("sleep 3600" in each for each in survivors()))
    finally:
        # unshare, sh and setpriv each exec the next program, so the process is the worker itself.
        worker.kill()
        worker.wait()
    wait_until(lambda: not survivors())


@pytest.mark.docker
def test_containers_of_a_user_in_the_sockets_group_leave_nothing_held(
    other_user: OtherUser, home: Path, docker_client: docker.DockerClient, busybox_image: str
) -> None:
    """A container removes what root in a container wrote; the next run does so for a killed worker."""
    socket = Path("/var/run/docker.sock")
    group = socket.stat().st_gid
    if not socket.stat().st_mode & 0o060:
        pytest.skip(f"the socket is closed to its group {grp.getgrgid(group).gr_name}")
    write = "umask 077; mkdir -p $PYWAGGLE_LOG_DIR/roots/inner; echo x > $PYWAGGLE_LOG_DIR/roots/inner/file"
    configure(home, [{"name": "a", "args": ["sh", "-c", write]}], metrics=["container"])
    done = other_user.run(home, "--image", busybox_image, groups=(group,))
    assert done.returncode == 0 and "a container removed them" in done.stderr, done.stderr
    assert [each.name for each in FALLBACK.iterdir()] == []
    configure(
        home,
        [{"name": "b", "args": ["sh", "-c", f"{write}; while :; do sleep 0.1; done"]}],
        metrics=["container"],
        defaults={"interval": "50ms"},
    )
    worker = other_user.start(home, "--image", busybox_image, groups=(group,))
    try:
        wait_until(lambda: is_measuring(home, "b"))
    finally:
        worker.kill()
        worker.wait()
    assert of_state(docker_client)
    configure(home, [{"name": "c", "args": ["true"]}], metrics=[])
    done = other_user.run(home, "--image", busybox_image, groups=(group,))
    assert done.returncode == 0 and "did not end in order" in done.stderr, done.stderr
    assert [each.name for each in FALLBACK.iterdir()] == [] and not of_state(docker_client)


def of_state(client: docker.DockerClient) -> list[str]:
    listed = [*client.api.containers(all=True), *client.api.networks(), *client.api.images(all=True)]
    return [str(each["Id"]) for each in listed if str(FALLBACK) in str(each.get("Labels"))]
