"""Known loads in both runtimes: every number that can be compared on the agent is true."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

PROFILEAPP = str(Path(sys.executable).with_name("profileapp"))


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    with tempfile.TemporaryDirectory(prefix="pa-") as state:
        yield os.environ | {"PROFILEAPP_STATE": state}


def selftest(environment: dict[str, str], *arguments: str) -> tuple[int, dict[str, Any]]:
    command = [PROFILEAPP, "selftest", "--quick", "--json", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False, env=environment)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def states(report: dict[str, Any]) -> dict[tuple[str, str], str]:
    return {(each["load"], each["what"]): each["state"] for each in report["results"]}


def only(*names: str) -> list[str]:
    return [word for name in names for word in ("--only", name)]


@pytest.mark.docker
def test_known_loads_in_containers_are_true(docker_client: docker.DockerClient, environment: dict[str, str]) -> None:
    before = _python_images(docker_client)
    code, report = selftest(environment, *only("children", "spike", "io-fsync", "network", "gpu-memory-64"))
    found = states(report)
    assert code == report["exit_code"] == 0, report
    assert found.pop(("gpu-memory-64", "GPU memory, held less before")) in ("skipped", "true")
    assert found == {
        ("children", "CPU time"): "true",
        ("spike", "memory peak less before"): "true",
        ("io-fsync", "bytes written"): "true",
        ("network", "bytes sent"): "true",
        ("network", "bytes received"): "true",
    }
    # A concurrent selftest on this daemon has such an image too.
    deadline_s = time.monotonic() + 120
    while _python_images(docker_client) - before:
        assert time.monotonic() < deadline_s, "the selftest's image is still there"
        time.sleep(0.2)


def _python_images(client: docker.DockerClient) -> set[str]:
    """Images whose entrypoint is this machine's Python."""
    entrypoints = {
        str(each.id): (each.attrs.get("Config") or {}).get("Entrypoint") or [] for each in client.images.list()
    }
    return {identity for identity, entrypoint in entrypoints.items() if "-I" in entrypoint}


def test_known_loads_in_processes_are_true(environment: dict[str, str]) -> None:
    code, report = selftest(environment, "--runtime", "process", *only("short", "memory-10", "spike", "clock-ahead"))
    found = states(report)
    # A busy machine disturbs the timing of frames; that is neither true nor off.
    assert (code, found[("clock-ahead", "frames counted")]) in [(0, "true"), (4, "disturbed")], report
    assert found[("short", "CPU time")] == found[("memory-10", "memory, held less before")] == "true"
    assert found[("spike", "memory peak less before")] == "skipped"


def test_an_unknown_load_is_refused(environment: dict[str, str]) -> None:
    command = [PROFILEAPP, "selftest", "--only", "nothing"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert done.returncode == 3
    assert "'nothing' is not one of" in done.stderr
