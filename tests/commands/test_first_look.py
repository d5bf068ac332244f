"""A run without a sage.yaml: what the command line means, and that arguments reach the app unchanged."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from profileapp.commands.first_look import Asked
from profileapp.errors import ConfigError
from tests.commands.test_main import configure, profileapp, state

__all__ = ["state"]
ODD = ["--timeout", "a b", "$(touch owned)", "--", "", "é\t"]
PRINTS = "import json, sys; print(json.dumps(sys.argv[1:]))"


@pytest.mark.parametrize(
    ("asked", "is_first_look"),
    [
        (Asked("", None, "docker", has_image=False), False),
        (Asked("sage.yaml", None, "docker", has_image=True), False),
        (Asked("none.yml", None, "process", has_image=False), False),
        (Asked("./sage", None, "docker", has_image=False), False),
        (Asked("/app/config", None, "docker", has_image=False), False),
        (Asked("python:3.12", None, "docker", has_image=False), True),
        (Asked("host:5000/team/app@sha256:00", None, "docker", has_image=False), True),
        (Asked("python:3.12", (), "docker", has_image=False), True),
        (Asked("", ("-x",), "docker", has_image=True), True),
        (Asked("", ("python3", "app.py"), "process", has_image=False), True),
        (Asked("sage.yaml", ("python3", "app.py"), "process", has_image=False), False),
    ],
)
def test_what_is_asked_for(asked: Asked, is_first_look: bool) -> None:
    assert asked.is_first_look is is_first_look


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (Asked("sage.yaml", ("-x",), "docker", has_image=False), "its targets have arguments of their own"),
        (Asked("", ("-x",), "docker", has_image=False), "name one image before --"),
        (Asked("one", ("-x",), "docker", has_image=True), "name one image before --"),
        (Asked("", (), "process", has_image=False), "no command follows --"),
        (Asked("python:3.12", ("x",), "process", has_image=False), "'python:3.12' is before --"),
    ],
)
def test_ambiguous_arguments_are_an_error(asked: Asked, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        _ = asked.is_first_look


def test_a_command_as_a_process_ends_in_a_table(tmp_path: Path) -> None:
    done = profileapp("run", "--runtime", "process", "--", sys.executable, "-c", PRINTS, *ODD, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "passed" in done.stdout and "1 target: 1 passed" in done.stdout and "CPU time" in done.stdout
    (folder,) = [path for path in (tmp_path / "profile").iterdir() if path.is_dir()]
    assert json.loads((folder / "app.log").read_text().splitlines()[0]) == ODD
    assert not (folder / "report").exists() and not (tmp_path / "owned").exists()


def test_a_command_for_the_targets_of_a_file(tmp_path: Path) -> None:
    configure(tmp_path, "    - {name: one, args: [-c, 'print(1)']}")
    done = profileapp(
        "run", "sage.yaml", "--runtime", "process", "--no-report", "--", sys.executable, "-I", cwd=tmp_path
    )
    assert done.returncode == 0 and (tmp_path / "profile/one/app.log").read_text() == "1\n", done.stderr


def test_the_file_of_the_current_folder_is_the_default(tmp_path: Path) -> None:
    assert "sage.yaml: no such file" in profileapp("plan", cwd=tmp_path).stderr
    configure(tmp_path, "    - {name: one}")
    assert "1 target" in profileapp("plan", cwd=tmp_path).stdout
    (tmp_path / "sage.yaml").rename(tmp_path / "profiling.yaml")
    assert "1 target" in profileapp("plan", cwd=tmp_path).stdout
    done = profileapp("run", "--timeout", "5", cwd=tmp_path)
    assert done.returncode == 3 and "--timeout goes with IMAGE -- ARGS" in done.stderr


def test_timeout_and_repeat(tmp_path: Path) -> None:
    argv = (sys.executable, "-c", "import time; time.sleep(600)")
    done = profileapp("run", "--timeout", "300ms", "--repeat", "2", "--runtime", "process", "--", *argv, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (path,) = tmp_path.glob("profile/*/run.json")
    assert [each["exit_reason"] for each in json.loads(path.read_text())["repeats"]] == ["timeout", "timeout"]
    bad = profileapp("run", "--timeout", "soon", "--runtime", "process", "--", "true", cwd=tmp_path)
    assert bad.returncode == 3 and "must be a duration such as 30s" in bad.stderr


@pytest.mark.docker
def test_an_image_gets_the_arguments_unchanged(tmp_path: Path, busybox_image: str) -> None:
    done = profileapp("run", busybox_image, "--", "sh", "-c", 'printf "%s\\n" "$@"', "sh", *ODD[:-1], cwd=tmp_path)
    assert done.returncode == 0 and "1 target: 1 passed" in done.stdout, done.stderr
    (log,) = tmp_path.glob("profile/*/app.log")
    assert log.read_text().split("\n")[:5] == ODD[:-1]
    run = json.loads(log.with_name("run.json").read_text())
    assert run["app"]["name"] == "busybox" and run["repeats"][0]["totals"]["cpu_s"] is not None
