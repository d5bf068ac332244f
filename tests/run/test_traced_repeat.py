"""Tracing tools run the app in a separate repeat that is not measured. Test programs stand in for the tools."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import docker
import pytest

from profileapp.record.table_files import read_functions, read_kernels
from tests.helpers import fake_tools
from tests.helpers.worker_process import Outcome, configure, run

TRACED = {"metrics": ["tau", "gpu-summary", "container"], "defaults": {"interval": "100ms"}}
APP = [{"name": "app", "args": ["hello world", "$HOME; *"], "repeat": 2}]


@pytest.fixture
def tools(tmp_path: Path) -> dict[str, str]:
    """The tools' locations, as an agent's configuration sets them."""
    database = fake_tools.kernel_database(tmp_path / "kernels.sqlite")
    return {
        "PROFILEAPP_TAU": str(fake_tools.tau(tmp_path / "tools/tau") / "x86_64"),
        "PROFILEAPP_NSYS": str(fake_tools.nsys(tmp_path / "tools/nsys", database)),
    }


def statuses(outcome: Outcome) -> dict[str, tuple[str, str]]:
    found = outcome.run("app")["metrics"]
    return {f"{each['metric']} {each['part']}".strip(): (each["state"], each["reason"]) for each in found}


def check(outcome: Outcome, before: str) -> None:
    assert outcome.code == 0, outcome.err
    folder = outcome.folder / "profile/app"
    recorded = outcome.run("app")
    assert [each["traced"] for each in recorded["repeats"]] == [False, False, True]
    assert statuses(outcome)["tau"] == ("measured", "")
    assert statuses(outcome)["gpu-summary kernels"] == ("measured", "")
    log = outcome.log("app").decode()
    assert log.count("word: hello world\nword: $HOME; *") == 3, "no shell had a hand in it"
    assert log.count(f"\ntau_exec -T serial,pthread -ebs {before}") == 1, "in the traced repeat only"
    assert log.count("nsys profile --trace=cuda") == 1
    problems: list[str] = []
    assert [(row.name, row.exclusive_s) for row in read_functions(folder, problems)] == [("infer", 3), ("main", 1)]
    assert [(row.kind, row.name, row.total) for row in read_kernels(folder, problems)] == [
        ("kernel", "infer", 0.006),
        ("memory time", "[CUDA memcpy HtoD]", 0.001),
        ("memory size", "[CUDA memcpy HtoD]", 1_000_000),
    ]
    assert not problems
    counted = [each["count"] for each in recorded["summary"] if each["name"] == "container.processes"]
    taken = [each for each in outcome.samples("app") if each["name"] == "container.processes"]
    assert 0 < counted[0] < len(taken), "samples of the traced repeat do not count"


def command_line(folder: Path) -> str:
    """A program that prints each of its arguments on a line."""
    program = fake_tools.script(folder / "words", 'for word do echo "word: $word"; done; sleep 0.3')
    return str(program)


def test_a_process(tmp_path: Path, tools: dict[str, str]) -> None:
    configure(tmp_path, APP, **TRACED)
    program = command_line(tmp_path / "app")
    outcome = run(tmp_path, "--runtime", "process", "--command", f"{program} first", **tools)
    check(outcome, f"{program} first hello world")


@pytest.fixture
def argv_image(docker_client: docker.DockerClient, busybox_image: str, tmp_path: Path) -> Any:
    """An image with entrypoint and command, whose user is not root."""
    folder = tmp_path / "image"
    command_line(folder)
    (folder / "Dockerfile").write_text(
        f'FROM {busybox_image}\nCOPY words /words\nUSER 4711\nENTRYPOINT ["/words", "first"]\nCMD ["by default"]\n'
    )
    image, _ = docker_client.images.build(path=str(folder), tag="profileapp/test-words:1", rm=True, forcerm=True)
    yield "profileapp/test-words:1"
    docker_client.images.remove(image.id, force=True)


@pytest.mark.docker
def test_a_container_with_an_entrypoint_and_another_user(
    tmp_path: Path, tools: dict[str, str], argv_image: str
) -> None:
    configure(tmp_path, APP, **TRACED)
    check(run(tmp_path, "--image", argv_image, **tools), "/words first hello world")


@pytest.mark.docker
def test_without_arguments_the_images_command_is_run(tmp_path: Path, tools: dict[str, str], argv_image: str) -> None:
    configure(tmp_path, [{"name": "app"}], metrics=["tau"])
    outcome = run(tmp_path, "--image", argv_image, **tools)
    assert outcome.code == 0, outcome.err
    assert outcome.log("app").decode().count("word: by default") == 2
    assert statuses(outcome)["tau"] == ("measured", "")


def test_without_tools_nothing_runs_twice(tmp_path: Path) -> None:
    configure(tmp_path, APP, **TRACED)
    outcome = run(tmp_path, "--runtime", "process", "--command", command_line(tmp_path / "app"))
    assert outcome.code == 0, outcome.err
    assert len(outcome.run("app")["repeats"]) == 2
    state, reason = statuses(outcome)["gpu-summary kernels"]
    assert (state, "PROFILEAPP_NSYS" in reason) == ("skipped", True)
    assert statuses(outcome)["tau"][0] == "skipped"


@pytest.mark.parametrize(
    ("spoil", "metric", "reason"),
    [
        (lambda folder: fake_tools.script(folder / "nsys/bin/nsys", 'exec "$@"'), "gpu-summary kernels", "no report"),
        (
            lambda folder: fake_tools.script(folder / "nsys/bin/nsys", 'echo "cannot trace" >&2; exit 1'),
            "gpu-summary kernels",
            "no report",
        ),
        (
            lambda folder: fake_tools.script(folder / "tau/x86_64/bin/tau_exec", 'shift 3; exec "$@"'),
            "tau",
            "TAU wrote no profile",
        ),
    ],
)
def test_an_unusable_tool_affects_nothing_else(
    tmp_path: Path, tools: dict[str, str], spoil: Callable[[Path], Path], metric: str, reason: str
) -> None:
    spoil(tmp_path / "tools")
    configure(tmp_path, APP, **TRACED)
    outcome = run(tmp_path, "--runtime", "process", "--command", command_line(tmp_path / "app"), **tools)
    assert outcome.code == 0, outcome.err
    state, why = statuses(outcome)[metric]
    assert (state, reason in why) == ("skipped", True), why
    assert outcome.run("app")["exit_reason"] == "completed"


def test_a_link_created_by_the_app_for_the_tool_is_not_followed(tmp_path: Path, tools: dict[str, str]) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text(fake_tools.NVPROF_CSV)
    cuda = fake_tools.nvprof(tmp_path / "tools/cuda")
    find_log = 'for word do case "$word" in --log-file=*) log=${word#--log-file=};; esac; done'
    fake_tools.script(cuda / "bin/nvprof", f'{find_log}; ln -s {secret} "$(echo "$log" | sed s/%p/12/)"')
    configure(tmp_path, APP, **TRACED)
    outcome = run(
        tmp_path, "--runtime", "process", "--command", command_line(tmp_path / "app"), PROFILEAPP_NVPROF=str(cuda)
    )
    assert statuses(outcome)["gpu-summary kernels"][0] == "skipped"
    assert not (tmp_path / "profile/app/kernels.csv").exists()


def test_nvprof_is_used_without_nsys(tmp_path: Path) -> None:
    cuda = fake_tools.nvprof(tmp_path / "tools/cuda")
    configure(tmp_path, [{**APP[0], "timeout": 20}], **TRACED)
    outcome = run(
        tmp_path, "--runtime", "process", "--command", command_line(tmp_path / "app"), PROFILEAPP_NVPROF=str(cuda)
    )
    assert statuses(outcome)["gpu-summary kernels"] == ("measured", "")
    assert "--timeout=19" in outcome.log("app").decode(), "the tool ends the app before we do"
    rows = read_kernels(tmp_path / "profile/app", [])
    assert [(row.kind, row.name, row.calls) for row in rows] == [
        ("kernel", "infer(float*, int)", 10),
        ("memory time", "[CUDA memcpy HtoD]", 20),
        ("api", "cudaLaunchKernel", 30),
    ]


def test_a_python_app_is_run_with_tau_python(tmp_path: Path, tools: dict[str, str]) -> None:
    (tmp_path / "app.py").write_text("import sys\nprint('python', sys.argv[1:])\n")
    configure(tmp_path, APP, metrics=["tau"])
    outcome = run(tmp_path, "--runtime", "process", "--command", f"{sys.executable} app.py", **tools)
    log = outcome.log("app").decode()
    assert "tau_python -T serial,python,pthread app.py hello world" in log
    assert log.count("python ['hello world', '$HOME; *']") == 3


@pytest.mark.parametrize(
    ("bindings", "tags"),
    [
        (("shared-disable", "shared-mpi", "shared-pthread-pdt"), "serial,pthread,pdt"),
        (("shared-disable",), ""),
        (("shared-mpi-pthread", "shared-python-pthread"), ""),
    ],
)
def test_selection_of_tau_bindings(tmp_path: Path, bindings: tuple[str, ...], tags: str) -> None:
    tau = fake_tools.tau(tmp_path / "tools/tau", bindings)
    configure(tmp_path, [{"name": "app"}], metrics=["tau"])
    program = command_line(tmp_path / "app")
    outcome = run(tmp_path, "--runtime", "process", "--command", program, PROFILEAPP_TAU=str(tau / "x86_64"))
    state, reason = statuses(outcome)["tau"]
    if tags:
        assert f"tau_exec -T {tags} -ebs" in outcome.log("app").decode()
        assert (state, reason) == ("measured", "")
    else:
        assert state == "skipped"
        assert "built only for MPI or Python" in reason
