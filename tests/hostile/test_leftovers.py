"""Leftovers that an app creates on purpose: no later run, of any app, is affected by them."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

import docker
import pytest

from tests.helpers.worker_process import WORKER, Outcome, configure, is_measuring, run, start, wait_until

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
    assert innocent.code == 0, innocent.err
    # On a busy machine the deepest folders may exceed one run's deadline for removal; the next runs continue.
    for _ in range(0 if levels == 1500 else 5):
        if len(list(state.iterdir())) > 1:
            assert profile(tmp_path, "innocent", "print('fine')").code == 0
    assert [path.name for path in state.iterdir()] == ["profileapp.lock"]


@pytest.mark.skipif(os.getuid() != 0, reason="mounting needs root")
def test_held_unremovable_folders_are_set_aside_and_reported(tmp_path: Path, state: Path) -> None:
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


def test_held_a_file_named_like_a_run_file_removes_nothing_else(tmp_path: Path, state: Path) -> None:
    (state / ".run").touch()
    (state / "..run").touch()
    (state / "others").mkdir()
    innocent = profile(tmp_path, "innocent", "print('fine')")
    assert innocent.code == 0 and "swept" not in innocent.err
    assert {".run", "..run", "others"} < {path.name for path in state.iterdir()}


def test_held_unreadable_folders_and_odd_names_are_removed_with_the_run(tmp_path: Path, state: Path) -> None:
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


FOR_EVER = "while :; do sleep 0.1; done"
SERVICE = {"name": "helper", "image": "", "args": ["sh", "-c", FOR_EVER]}


def objects_of(client: docker.DockerClient, state: Path) -> set[str]:
    """Everything on the daemon labelled with a state folder, so that it belongs to one test."""
    api = client.api
    listed = [*api.containers(all=True), *api.networks(), *(api.volumes()["Volumes"] or ()), *api.images(all=True)]
    return {str(each.get("Id") or each["Name"]) for each in listed if str(state) in str(each.get("Labels"))}


def start_and_measure(folder: Path, image: str, name: str, **env: str) -> subprocess.Popen[bytes]:
    folder.mkdir(exist_ok=True)
    configure(
        folder,
        [{"name": name, "args": ["sh", "-c", FOR_EVER]}],
        metrics=["container"],
        services=[{**SERVICE, "image": image}],
        defaults={"interval": "100ms"},
    )
    worker = start(folder, "--image", image, **env)
    wait_until(lambda: is_measuring(folder, name))
    return worker


@pytest.mark.docker
def test_held_leftovers_are_swept_though_the_state_folder_is_gone_and_live_runs_are_not(
    tmp_path: Path, state: Path, docker_client: docker.DockerClient, busybox_image: str
) -> None:
    """A logout, a reboot or another environment removes the state folder; the objects' labels have the owner."""
    gone, live_state, other_user = (Path(tempfile.mkdtemp(prefix="pa-", dir="/var/tmp")) for _ in range(3))
    dead = start_and_measure(tmp_path / "dead", busybox_image, "dead", PROFILEAPP_STATE=str(gone))
    live = start_and_measure(tmp_path / "live", busybox_image, "live", PROFILEAPP_STATE=str(live_state))
    stranger = docker_client.containers.create(busybox_image, ["true"], labels={
        **as_another_user(docker_client, gone), "profileapp.state": f"stranger:{other_user}",
    })  # fmt: skip
    try:
        assert len(objects_of(docker_client, gone)) >= 3 and len(objects_of(docker_client, live_state)) >= 3
        dead.kill()
        dead.wait()
        shutil.rmtree(gone)
        # The live run's files are removed too, as after a logout; it keeps running.
        shutil.rmtree(live_state)
        before = objects_of(docker_client, live_state)
        configure(tmp_path, [{"name": "next", "args": ["true"]}], metrics=[])
        outcome = run(tmp_path, "--image", busybox_image)
        assert outcome.code == 0 and "did not end in order" in outcome.err, outcome.err
        assert objects_of(docker_client, gone) == set()
        assert objects_of(docker_client, live_state) == before and live.poll() is None
        assert len(objects_of(docker_client, other_user)) == 1, "another user's, dead or not, is not ours"
    finally:
        stranger.remove(force=True)
        live.terminate()
        live.wait(60)
    assert objects_of(docker_client, live_state) == set()
    for folder in (gone, live_state, other_user):
        shutil.rmtree(folder, ignore_errors=True)


def as_another_user(client: docker.DockerClient, state: Path) -> dict[str, str]:
    """The labels of a dead worker of another user on this machine."""
    found = next(each for each in client.api.containers(all=True) if str(state) in str(each["Labels"]))
    labels = dict(found["Labels"])
    boot, namespace, _, started, lock = labels["profileapp.worker"].split(".")
    return {
        **labels,
        "profileapp.owner": labels["profileapp.owner"].rpartition("-")[0] + "-4000000000",
        "profileapp.worker": f"{boot}.{namespace}.4194304.{started}.{lock}",
    }


@pytest.mark.docker
def test_held_an_orphan_of_a_container_does_not_run_beside_a_process(
    tmp_path: Path, state: Path, docker_client: docker.DockerClient, busybox_image: str
) -> None:
    dead = start_and_measure(tmp_path / "dead", busybox_image, "dead")
    dead.kill()
    dead.wait()
    outcome = profile(tmp_path, "process", "print('fine')")
    assert outcome.code == 0 and "did not end in order" in outcome.err and objects_of(docker_client, state) == set()


@pytest.mark.docker
@pytest.mark.skipif(os.getuid() != 0, reason="giving up rights needs them")
def test_held_folders_of_another_user_are_removed_by_a_container(
    tmp_path: Path, state: Path, docker_client: docker.DockerClient, busybox_image: str
) -> None:
    """A worker that is not root cannot remove files that root in a container created; here: root without
    capabilities.
    """
    made = docker_client.containers.create(busybox_image, ["true"])
    image = made.commit("profileapp-test/other-user", "1", changes="USER 1000:1000")
    made.remove()
    script = "umask 077; mkdir -p $PYWAGGLE_LOG_DIR/theirs/inner; echo x > $PYWAGGLE_LOG_DIR/theirs/inner/file"
    configure(tmp_path, [{"name": "theirs", "args": ["sh", "-c", script]}], metrics=[])
    rights = "-dac_override,-dac_read_search,-fowner,-chown"
    arguments = ["setpriv", f"--bounding-set={rights}", f"--inh-caps={rights}", *WORKER]
    arguments += ["run", "sage.yaml", "--no-report", "--image", "profileapp-test/other-user:1"]
    try:
        done = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, check=False)
    finally:
        docker_client.images.remove(image.id, force=True)
    assert done.returncode == 0 and "a container removed them" in done.stderr, done.stderr
    assert [path.name for path in state.iterdir()] == ["profileapp.lock"]
    assert objects_of(docker_client, state) == set()
