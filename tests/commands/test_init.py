"""`profileapp init`: a first configuration that plans, and a move that loses nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import docker
import pytest
import yaml
from click.testing import CliRunner, Result

from profileapp.commands.init import command as init
from profileapp.config.load import load
from profileapp.errors import ConfigError
from profileapp.plan.expand import make_plan
from profileapp.plan.first_config import first_config, image_facts, inputs_of

APP = 'name: app\ndescription: x\nsource: {url: "https://example.org/app.git"}\n'
INPUTS = """inputs:
  - {id: stream, type: string, description: "The camera\\n\\e[31m# or a file: x"}
  - {id: i, type: int, default: 5}
  - {id: use-gpu, type: boolean}
  - 7
  - {type: int}
"""
SECTION = "profiling:\n  targets: [{name: one, timeout: 5}]\n"


def run(*args: object) -> Result:
    return CliRunner().invoke(init, [str(each) for each in args])


def failed(result: Result) -> str:
    assert isinstance(result.exception, ConfigError)
    return str(result.exception)


def test_it_writes_the_inputs_of_a_sage_yaml(tmp_path: Path) -> None:
    path = tmp_path / "sage.yaml"
    path.write_text(APP + INPUTS)
    assert f"wrote {tmp_path}/profiling.yaml; next: profileapp run {path}" in run(path).output
    text = (tmp_path / "profiling.yaml").read_text()
    assert path.read_text() == APP + INPUTS
    assert "#   --stream TEXT              The camera\\n\\x1b[31m# or a file: x\n" in text
    assert '# - {name: use-gpu, args: ["--use-gpu"], timeout: 60}' in text
    (target,) = make_plan(load(path), "image").targets
    assert (target.name, target.args, target.timeout_s) == ("default", ("-i", "5"), 60.0)
    # Each commented-out line is valid once it is uncommented.
    more = text.replace("    # - {name: use-gpu", "    - {name: use-gpu").replace("# repeat", "repeat")
    (tmp_path / "profiling.yaml").write_text(
        more.replace("      # budgets", "      budgets").replace("      #   fps", "        fps")
    )
    first, second = make_plan(load(path), "image").targets
    assert (first.repeat, second.args) == (3, ("--use-gpu",)) and first.budgets


def test_it_finds_the_sage_yaml_of_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "sage.yaml: no such file" in failed(run())
    Path("sage.yaml").write_text(APP)
    assert run().exit_code == 0 and Path("profiling.yaml").exists()


@pytest.mark.parametrize(
    ("app", "beside", "place"),
    [
        (APP, SECTION, "profiling.yaml:1:1 (profiling)"),
        (APP + "metadata:\n  profiling: {targets: []}\n", "", "sage.yaml:5:3 (metadata.profiling)"),
        ("name: app\n" + SECTION, "", "sage.yaml:2:1 (profiling)"),
        (APP + SECTION, SECTION, "keep one of them"),
        (APP, "# mine\nother: 1\n", "profiling.yaml: is already there, and is not overwritten"),
    ],
)
def test_it_overwrites_nothing(tmp_path: Path, app: str, beside: str, place: str) -> None:
    path = tmp_path / "sage.yaml"
    path.write_text(app)
    if beside:
        (tmp_path / "profiling.yaml").write_text(beside)
    assert place in failed(run(path))
    assert path.read_text() == app
    assert (tmp_path / "profiling.yaml").exists() == bool(beside)


def test_a_symlink_in_place_of_the_file_is_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "sage.yaml"
    path.write_text(APP)
    (tmp_path / "profiling.yaml").symlink_to(tmp_path / "elsewhere")
    assert isinstance(run(path).exception, ConfigError)
    assert not (tmp_path / "elsewhere").exists()


def test_it_moves_a_section_that_the_app_store_refuses(tmp_path: Path) -> None:
    path = tmp_path / "sage.yaml"
    path.write_text(f"{APP}\n# mine\n{SECTION}\nlicense: MIT\n")
    path.chmod(0o600)
    assert run(path).output == f"moved the profiling: section of {path} to {tmp_path}/profiling.yaml\n"
    assert path.read_text() == f"{APP}\nlicense: MIT\n" and path.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "profiling.yaml").read_text() == f"# mine\n{SECTION}"


@pytest.mark.parametrize(
    ("app", "why"),
    [
        (APP + "base: &base {timeout: 5}\nprofiling:\n  defaults: *base\n  targets: [{}]\n", "shares an anchor"),
        ("{description: x, source: {url: y}, profiling: {targets: [{}]}}", "is not a block"),
        (APP + "profiling:\n  targts: []\n", "is not a known key"),
    ],
)
def test_a_section_that_cannot_move_stays_with_a_reason(tmp_path: Path, app: str, why: str) -> None:
    path = tmp_path / "sage.yaml"
    path.write_text(app)
    assert why in failed(run(path))
    assert path.read_text() == app and [each.name for each in tmp_path.iterdir()] == ["sage.yaml"]


def test_if_a_file_cannot_be_replaced_both_are_unchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "sage.yaml"
    path.write_text(APP + SECTION)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("profileapp.commands.init.write_atomic", full)
    assert "No space left on device" in str(run(path).exception)
    assert path.read_text() == APP + SECTION and not (tmp_path / "profiling.yaml").exists()


@pytest.mark.parametrize("inspected", [{}, {"Config": None}, {"Config": {"Entrypoint": None, "Labels": None}}])
def test_an_image_without_facts(inspected: dict[str, Any]) -> None:
    facts = image_facts("busybox", inspected)
    assert (facts.entrypoint, facts.command, facts.labels) == ((), (), {})
    assert yaml.safe_load(first_config((), facts, is_alone=True))["name"] == "busybox"


def test_image_labels_are_treated_as_data() -> None:
    evil = "x\nprofiling: {targets: []} # \u2028 \x85 \x1b[2J"
    facts = image_facts(
        f"host:5000/a/b:1{evil}",
        {"Config": {"Entrypoint": [evil, ""], "Cmd": [evil], "Labels": {"org.opencontainers.image.description": evil}}},
    )
    inputs = inputs_of([{"id": evil, "type": evil, "description": evil, "default": evil}] * 3)
    data = yaml.safe_load(first_config(inputs, facts, is_alone=True))
    assert data.keys() == {"name", "namespace", "version", "profiling"}
    assert data["namespace"] == "host:5000/a" and data["profiling"]["targets"][0]["timeout"] == 60


@pytest.mark.docker
def test_from_an_image_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, docker_client: docker.DockerClient, busybox_image: str
) -> None:
    name = "profileapp-test/init:2.0"
    changes = ['ENTRYPOINT ["/bin/echo","a b"]', "LABEL org.opencontainers.image.description=Echoes"]
    container = docker_client.containers.create(busybox_image, "true")
    try:
        container.commit("profileapp-test/init", "2.0", changes="\n".join(changes))
    finally:
        container.remove()
    monkeypatch.chdir(tmp_path)
    try:
        assert "next: profileapp run profiling.yaml" in run("--image", name).output
        text = Path("profiling.yaml").read_text()
        assert '# The arguments follow the image\'s entrypoint: /bin/echo "a b"' in text and "# Echoes\n" in text
        assert make_plan(load(Path("profiling.yaml")), None).image == name
        assert "already there" in failed(run("--image", name))
    finally:
        docker_client.images.remove(name, force=True)


@pytest.mark.docker
def test_an_image_without_an_entrypoint_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, busybox_image: str, docker_client: docker.DockerClient
) -> None:
    monkeypatch.chdir(tmp_path)
    docker_client.api.import_image_from_data(b"\0" * 10240, repository="profileapp-test/bare", tag="1")
    try:
        assert "has no entrypoint and no command" in failed(run("--image", "profileapp-test/bare:1"))
        assert not Path("profiling.yaml").exists()
    finally:
        docker_client.images.remove("profileapp-test/bare:1", force=True)
