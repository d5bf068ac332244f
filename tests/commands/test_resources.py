"""`profileapp resources`: from the files of a run to lines for a scheduler, and verified limits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.commands.test_main import code_target, configure, profileapp, run_python, state

__all__ = ["state"]
MIB = 1024**2
APP = """
import json, os, socket, sys, time
block = bytearray(int(sys.argv[1]) << 20)
block[::4096] = bytes([1]) * len(block[::4096])
out = socket.socket(socket.AF_UNIX)
out.connect(os.environ["PROFILEAPP_SOCKET"])
while True:
    time.sleep(0.05)
    out.sendall((json.dumps({"name": "fps", "value": 20, "timestamp": time.time_ns(), "meta": {}}) + chr(10)).encode())
"""


def test_a_profile_without_a_peak_reports_it_and_proposes_no_memory(tmp_path: Path) -> None:
    configure(tmp_path, code_target("one", "print(1)"))
    assert run_python(tmp_path).returncode == 0
    done = profileapp("resources", "profile", cwd=tmp_path)
    assert done.returncode == 4, done.stderr
    assert "request.memory  –" in done.stdout and "the kernel's peak is unknown: " in done.stdout
    done = profileapp("resources", "profile", "--json", cwd=tmp_path)
    (target,) = json.loads(done.stdout)["targets"]
    assert target["name"] == "one" and "request.memory" not in target["resources"]
    assert target["proposal"]["limit_memory"]["value"] is None
    assert profileapp("resources", "profile", "--verify", cwd=tmp_path).returncode == 4


def test_an_error_is_one_line(tmp_path: Path) -> None:
    done = profileapp("resources", ".", cwd=tmp_path)
    assert done.returncode == 3 and "contains no run.json of a target" in done.stderr
    configure(tmp_path, code_target("one", "print(1)"))
    assert run_python(tmp_path).returncode == 0
    done = profileapp("resources", "profile", "--target", "two", cwd=tmp_path)
    assert done.returncode == 3 and "no target is named 'two'; there are: one" in done.stderr


@pytest.mark.docker
def test_the_limits_hold_and_less_memory_does_not(tmp_path: Path, python_image: str) -> None:
    argv = ("--timeout", "3s", python_image, "--", "python3", "-c", APP, "60")
    done = profileapp("run", *argv, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    done = profileapp("resources", "profile", "--verify", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    (target,) = json.loads(done.stdout)["targets"]
    held, failed = target["attempts"]
    assert held["problem"] == "" and "memory limit" in failed["problem"] and failed["is_memory"]
    assert "below what it needs to start" in failed["problem"]
    assert failed["memory_bytes"] < held["memory_bytes"] == target["proposal"]["limit_memory"]["value"]
    # Requests are within 10 % of the use of the array and of Python.
    assert 60 * MIB < target["proposal"]["request_memory"]["value"] < 80 * MIB
    assert profileapp("resources", "profile", "--format", "kubernetes", cwd=tmp_path).stdout.count("Mi\n") == 2


@pytest.mark.docker
def test_limits_of_an_image_that_is_gone(tmp_path: Path, busybox_image: str) -> None:
    assert profileapp("run", busybox_image, "--", "sleep", "0.2", cwd=tmp_path).returncode == 0
    done = profileapp("resources", "profile", "--verify", "--image", "profileapp-test/none:0", cwd=tmp_path)
    assert done.returncode == 3 and "profileapp-test/none:0" in done.stderr
    text = profileapp("resources", "profile", "--format", "profile", cwd=tmp_path).stdout
    assert yaml.safe_load(text)["profile"][0]["require"]["memory"] >= 7
