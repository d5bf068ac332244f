"""Classifies failures to create or start a container."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from profileapp.run.docker.failures import is_the_images, what_to_do
from tests.helpers.worker_process import WORKER, configure

STATE = Path("/var/lib/profileapp")


@pytest.mark.parametrize(
    "text",
    [
        "No command specified",
        'OCI runtime create failed: container_linux.go:380: starting container process caused: exec: "/no": stat /no: '
        "no such file or directory: unknown",
        "unable to find user nobody-here: no matching entries in passwd file",
        'failed to create task for container: runc create failed: chdir to cwd ("/x") set in config.json failed: '
        "permission denied",
        "crun: executable file `/no` not found: No such file or directory: OCI runtime attempted to invoke a command "
        "that was not found",
        "standard_init_linux.go:228: exec user process caused: exec format error",
    ],
)
def test_errors_of_the_image_are_failures_of_the_app(text: str) -> None:
    assert is_the_images(RuntimeError(text))


@pytest.mark.parametrize(
    "text",
    [
        "invalid mount config for type \"bind\": bind source path does not exist: /tmp/profileapp-1000/x/app",
        "Unknown runtime specified nvidia",
        "OCI runtime create failed: error running hook #0: nvidia-container-cli: initialization error: exec: driver",
        "error creating overlay mount to /var/lib/docker/overlay2: no space left on device",
        "No such image: sha256:0123",
        "Minimum memory limit allowed is 6MB",
        "cannot start a stopped process: unknown",
        "failed to create endpoint on network",
        "something that nobody has heard of yet",
    ],
)  # fmt: skip
def test_other_errors_are_agent_errors(text: str) -> None:
    assert not is_the_images(RuntimeError(text))


def test_a_folder_invisible_to_the_daemon_has_a_remedy() -> None:
    text = 'invalid mount config for type "bind": bind source path does not exist: '
    told = what_to_do(RuntimeError(f"{text}{STATE}/run/app"), STATE)
    assert f"{STATE}/run/app" in told and "set PROFILEAPP_STATE" in told and "PrivateTmp" in told
    told = what_to_do(RuntimeError(f"{text}/tmp/build/data"), STATE)
    assert "PROFILEAPP_STATE" not in told and "/tmp/build/data" in told
    assert what_to_do(RuntimeError("a word\nand another"), STATE) == "a word and another"


@pytest.mark.docker
@pytest.mark.skipif(os.getuid() != 0, reason="a mount namespace needs root")
def test_a_private_tmp_is_exit_code_4_with_a_remedy(tmp_path: Path, busybox_image: str, state: Path) -> None:
    """As systemd does: /tmp and /var/tmp are private to the service."""
    configure(tmp_path, [{"name": "a", "args": ["true"]}], metrics=[])
    argv = [*WORKER, "run", str(tmp_path / "sage.yaml"), "--no-report", "--image", busybox_image]
    script = 'mount -t tmpfs -o mode=0700 tmpfs "$PROFILEAPP_STATE" && exec "$@"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", *argv, "--out", str(tmp_path / "profile")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 4, done.stderr
    assert "does not see" in done.stdout + done.stderr and "set PROFILEAPP_STATE" in done.stdout + done.stderr
