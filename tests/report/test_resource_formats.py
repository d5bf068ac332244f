"""Formats of a proposal: valid for their own parsers, whatever the app's arguments are."""

from __future__ import annotations

import shlex
import subprocess

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from profileapp.judge.proposal import MIB, Amount, Proposal
from profileapp.model.clock import Clock
from profileapp.model.run import Image, Run
from profileapp.model.target import App, Target
from profileapp.report.resource_formats import docker, knobs, kubernetes, profiles, resources, rows, sage

FULL = Proposal(
    request_cpu=Amount(250, "mean"),
    limit_cpu=Amount(1500, "high"),
    request_memory=Amount(100 * MIB, "peak"),
    limit_memory=Amount(110 * MIB, "margin"),
    gpu_memory=Amount(700 * MIB, "most"),
    window_s=2.5,
    window_why="start",
    schedule="cron",
    schedule_why="it ends",
)
UNKNOWN = Amount(None, "the kernel's peak is unknown: old\nkernel")
EMPTY = Proposal(UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, None, "?", None, "?")
ODD = ("-interval", "1", "--name=a b", "$(touch owned)", "", "-5", "\x1b[2J'\\", "--use-gpu")


def a_run(*args: str, name: str = "use-gpu") -> Run:
    target = Target(name, args=args)
    return Run(id="1", app=App("My App"), target=target, clock=Clock(0, 0), started_ns=0, image=Image("team/app:1"))


def argv_of(line: str) -> list[str]:
    """The argv that bash parses from a line."""
    script = f'show() {{ printf "%s\\0" "$@"; }}; show {line}'
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    return done.stdout.split("\0")[:-1]


def test_keys_are_those_that_the_scheduler_reads() -> None:
    assert resources(FULL) == {
        "request.cpu": "250m",
        "limit.cpu": "1500m",
        "request.memory": "100Mi",
        "limit.memory": "110Mi",
    }
    assert [row.key for row in rows(EMPTY) if row.value] == [] and resources(EMPTY) == {}


def test_for_pluginctl_and_a_job() -> None:
    text = sage(a_run(*ODD), FULL)
    command, job = text.split("\n\n")
    argv = argv_of(command)
    assert argv[:5] == ["pluginctl", "run", "--name", "my-app-use-gpu", "--resource"]
    assert argv[5] == "request.cpu=250m,limit.cpu=1500m,request.memory=100Mi,limit.memory=110Mi"
    assert ",memory=" not in f",{argv[5]}" and "\x1b" not in text
    assert argv[argv.index("--") + 1 :] == list(ODD) and "team/app:1" in argv
    (plugin,) = yaml.safe_load(job)["plugins"]
    assert plugin["pluginSpec"]["args"] == list(ODD) and plugin["pluginSpec"]["selector"] == {"resource.gpu": "true"}
    assert plugin["pluginSpec"]["resource"] == resources(FULL)


def test_for_the_scheduler_one_profile_a_target() -> None:
    text = profiles([(a_run("--use-gpu"), FULL), (a_run("-interval", "1", name="slow"), FULL), (a_run(), EMPTY)])
    assert yaml.safe_load(text) == {
        "profile": [
            {"name": "use-gpu", "knobs": {"use-gpu": "true"}, "require": {"cpu": 250, "memory": 100, "gpumemory": 700}},
            {"name": "slow", "knobs": {"interval": "1"}, "require": {"cpu": 250, "memory": 100, "gpumemory": 700}},
        ]
    }
    assert "# use-gpu: nothing is proposed: the kernel's peak is unknown: old\\nkernel\n" in text


def test_knobs_are_text_by_option() -> None:
    assert knobs(ODD) == {
        "interval": "1",
        "name": "a b",
        "arg1": "$(touch owned)",
        "arg2": "",
        "arg3": "-5",
        "arg4": "\x1b[2J'\\",
        "use-gpu": "true",
    }


def test_for_kubernetes() -> None:
    (container,) = yaml.safe_load(kubernetes(a_run(*ODD), FULL))["containers"]
    assert container["name"] == "my-app-use-gpu" and container["args"] == list(ODD)
    assert container["resources"] == {
        "requests": {"cpu": "250m", "memory": "100Mi"},
        "limits": {"cpu": "1500m", "memory": "110Mi"},
    }


def test_for_docker() -> None:
    argv = argv_of(docker(a_run(*ODD), FULL))
    assert argv[:9] == [
        "docker",
        "run",
        "--rm",
        "--memory",
        "110m",
        "--memory-swap",
        "110m",
        "--memory-reservation",
        "100m",
    ]
    assert argv[9:] == ["--cpus", "1.5", "team/app:1", *ODD]


@pytest.mark.parametrize("write", [sage, kubernetes, docker])
def test_without_known_values_nothing_is_proposed(write) -> None:  # type: ignore[no-untyped-def]
    text = write(a_run(), EMPTY)
    assert text.startswith("# use-gpu: nothing is proposed: ") and text.count("\n") == 1


@given(st.lists(st.text(max_size=12).filter(lambda text: "\0" not in text), max_size=4))
@example(["\x85"])
def test_any_argument_is_unchanged(args: list[str]) -> None:
    args = [arg.encode("utf-8", "replace").decode() for arg in args]
    run = a_run(*args)
    assert yaml.safe_load(kubernetes(run, FULL))["containers"][0].get("args", []) == args
    assert all(each.isprintable() for each in docker(run, FULL).rstrip("\n").split(" "))
    if all(arg.isprintable() for arg in args):
        assert shlex.split(docker(run, FULL))[12:] == args
