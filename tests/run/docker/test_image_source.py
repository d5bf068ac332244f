"""Sources of an image: a registry with a login, a saved file, a build on the agent."""

from __future__ import annotations

import base64
import io
import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest
from docker.errors import ImageNotFound

from profileapp.commands.progress import make_progress
from profileapp.errors import ConfigError, ImageError
from profileapp.run.agent.state import LiveRun, open_state
from profileapp.run.docker import image_build
from profileapp.run.docker.image import architecture_problem
from profileapp.run.docker.image_source import familiar
from profileapp.run.docker.registry_login import RegistryLogin, take_login
from profileapp.run.stop import Stop, Wake
from tests.helpers.registry import Registry, layer
from tests.helpers.worker_process import WORKER, configure, run, wait_until

pytestmark = pytest.mark.docker

OWN = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
OTHER = "arm64" if OWN == "amd64" else "amd64"
PASSWORD = "open sesame/+?"  # noqa: S105
LOGIN = {"PROFILEAPP_REGISTRY_USER": "ali", "PROFILEAPP_REGISTRY_PASSWORD": PASSWORD}


def busybox() -> dict[str, bytes]:
    return {"bin/sh": Path("/bin/busybox").resolve().read_bytes(), "proc/.keep": b"", "tmp/.keep": b""}


@pytest.fixture
def registry() -> Iterator[Registry]:
    made = Registry("ali", PASSWORD)
    yield made
    made.close()


@pytest.fixture
def live() -> Iterator[LiveRun]:
    made = open_state(os.environ).begin_run()
    yield made
    made.end()


@pytest.fixture
def forget(docker_client: docker.DockerClient) -> Iterator[Callable[[str], None]]:
    """Removes images after a test."""
    names: list[str] = []
    yield names.append
    for name in names:
        try:
            docker_client.images.remove(name, force=True)
        except ImageNotFound:
            continue


def print_target(text: str) -> list[dict[str, object]]:
    return [{"name": "a", "args": ["sh", "-c", f"echo {text}; read line < /architecture; echo $line"]}]


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_pulls_its_architecture_with_the_login(
    registry: Registry, forget: Callable[[str], None], tmp_path: Path
) -> None:
    name = registry.add("app", (OTHER, OWN), busybox(), Env=["PATH=/bin"])
    forget(name)
    configure(tmp_path, print_target("hello"), metrics=[])
    outcome = run(tmp_path, "--image", name, PROFILEAPP_REGISTRY=registry.host, **LOGIN)
    assert outcome.code == 0, outcome.err
    assert outcome.log("a").decode().split() == ["hello", OWN]
    assert outcome.run("a")["image"]["architecture"] == OWN
    assert outcome.run("a")["image"]["name"] == name
    assert registry.logins == {f"ali:{PASSWORD}"}
    for secret in (PASSWORD.encode(), b"YWxpOm9wZW4gc2VzYW1l"):
        assert secret not in everything_in(tmp_path) + outcome.out.encode() + outcome.err.encode()


def test_a_service_is_pulled_with_the_login(registry: Registry, forget: Callable[[str], None], tmp_path: Path) -> None:
    name = registry.add("helper", (OWN,), busybox(), Env=["PATH=/bin"], Cmd=["sh", "-c", "echo up; sleep 60"])
    forget(name)
    configure(
        tmp_path,
        print_target("hello"),
        services=[{"name": "helper", "image": name, "ready": {"log": "up"}}],
        metrics=[],
    )
    outcome = run(tmp_path, "--image", name, PROFILEAPP_REGISTRY=registry.host, **LOGIN)
    assert outcome.code == 0, outcome.err


@pytest.mark.parametrize(
    ("given", "for_it"),
    [(LOGIN | {"PROFILEAPP_REGISTRY_PASSWORD": "something else"}, True), (LOGIN, False), ({}, True)],
)
def test_a_refused_pull_is_a_one_line_error(
    given: dict[str, str], for_it: bool, registry: Registry, tmp_path: Path
) -> None:
    name = registry.add("app", (OWN,), busybox())
    configure(tmp_path, print_target("hello"), metrics=[])
    host = registry.host if for_it else "registry.example.org"
    outcome = run(tmp_path, "--image", name, PROFILEAPP_REGISTRY=host, **given)
    assert outcome.code == 3, outcome.err
    last = outcome.err.splitlines()[-1]
    assert "is not on this agent and cannot be pulled" in last
    # The messages of old and new daemons.
    assert any(text in last.lower() for text in ("unauthorized", "no basic auth", "authentication required")), last
    # A login is sent only to its registry.
    assert bool(registry.logins) == (bool(given) and for_it)
    assert "something else" not in outcome.err


def test_a_login_repeated_by_the_registry_is_masked(tmp_path: Path) -> None:
    registry = Registry("somebody", "something else", is_indiscreet=True)
    try:
        name = registry.add("app", (OWN,), busybox())
        configure(tmp_path, print_target("hello"), metrics=[])
        outcome = run(tmp_path, "--image", name, "--debug", PROFILEAPP_REGISTRY=registry.host, **LOGIN)
    finally:
        registry.close()
    assert outcome.code == 3
    assert registry.logins == {f"ali:{PASSWORD}"}
    assert "Traceback" in outcome.err
    assert "****" in outcome.err.splitlines()[-1], outcome.err
    # Not even a part of it, where a long message is truncated.
    for secret in (PASSWORD, base64.b64encode(f"ali:{PASSWORD}".encode()).decode()[:4]):
        assert secret not in outcome.err


def test_the_plan_checks_the_registry(registry: Registry, tmp_path: Path) -> None:
    good, bad = registry.add("good", (OTHER, OWN), busybox()), registry.add("bad", (OTHER,), busybox())
    configure(tmp_path, print_target("hello"), metrics=[])

    def plan(*options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*WORKER, "plan", "sage.yaml", "--check", *options],
            cwd=tmp_path, capture_output=True, text=True, check=False,
            env={**os.environ, **LOGIN, "PROFILEAPP_REGISTRY": registry.host},
        )  # fmt: skip

    assert plan("--image", good).returncode == 0
    message = plan("--image", bad)
    assert message.returncode == 3
    assert f"bad:1' is built for {OTHER}, but this agent is {OWN}" in message.stderr
    assert len(message.stderr.splitlines()) == 1
    assert plan("--image", bad, "--runtime", "process").returncode == 0
    assert plan("--image", f"{registry.host}/nowhere:1").returncode == 0
    # An image made on each agent is independent of the registry; a service's image is not.
    for made_here in (("--build", "app"), ("--image-archive", "app.tar")):
        assert plan("--image", bad, *made_here).returncode == 0
    assert "exclude one another" in plan("--build", "app", "--image-archive", "app.tar").stderr
    configure(tmp_path, print_target("hello"), services=[{"name": "helper", "image": bad}], metrics=[])
    assert plan("--image", good, "--build", "app").returncode == 3
    configure(tmp_path, [{"name": "a", "agent": "elsewhere"}], metrics=[])
    assert plan("--image", bad).returncode == 0


def test_a_plan_without_a_daemon_warns(tmp_path: Path) -> None:
    configure(tmp_path, print_target("hello"), metrics=[])
    argv = [*WORKER, "plan", "sage.yaml", "--check", "--image", "app:1"]
    environment = {**os.environ, "DOCKER_HOST": "unix:///nowhere.sock"}
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0
    assert "images were not checked: no Docker daemon answers" in done.stderr


@pytest.mark.parametrize(
    ("made_for", "machine", "fits"),
    [(("amd64",), "x86_64", True), (("arm64", "amd64"), "aarch64", True), (("arm64",), "x86_64", False),
     ((), "x86_64", True), (("",), "x86_64", True), (("amd64",), "", True), (("riscv64",), "riscv64", True)],
)  # fmt: skip
def test_architectures(made_for: tuple[str, ...], machine: str, fits: bool) -> None:
    assert (architecture_problem("'app'", made_for, machine) == "") == fits


def saved(path: Path, *names: str) -> Path:
    subprocess.run(["docker", "save", "--output", str(path), *names], check=True)
    return path


def test_a_saved_image_is_loaded(
    docker_client: docker.DockerClient, busybox_image: str, forget: Callable[[str], None], tmp_path: Path
) -> None:
    for name in ("profileapp-test/one:1", "profileapp-test/two:1"):
        docker_client.images.get(busybox_image).tag(name)
        forget(name)
    both = saved(tmp_path / "both.tar", "profileapp-test/one:1", "profileapp-test/two:1")
    one = saved(tmp_path / "one.tar", "profileapp-test/one:1")
    docker_client.images.remove("profileapp-test/one:1")
    configure(tmp_path, [{"name": "a", "args": ["echo", "hello"]}], metrics=[])
    # The sage.yaml names no image: the only one in the file is used.
    assert (
        run(tmp_path, "--image-archive", "one.tar").code,
        run(tmp_path, "--image-archive", "one.tar").run("a")["image"]["name"],
    ) == (
        0,
        "profileapp-test/one:1",
    )
    outcome = run(tmp_path, "--image-archive", "both.tar", "--image", "docker.io/profileapp-test/two:1")
    assert (outcome.code, outcome.run("a")["image"]["name"]) == (0, "profileapp-test/two:1")
    for options, message in (
        (("--image-archive", "both.tar"), "contains profileapp-test/one:1, profileapp-test/two:1, but not"),
        (("--image-archive", "one.tar", "--image", "other:1"), "but not 'other:1'"),
        (("--image-archive", "none.tar"), "no such file"),
        (("--image-archive", "sage.yaml"), "is not an archive from `docker save`"),
        (("--image-archive", "one.tar", "--build", "."), "exclude one another"),
    ):
        outcome = run(tmp_path, *options)
        assert outcome.code == 3, outcome.err
        assert message in outcome.err.splitlines()[-1]
    (tmp_path / "link.tar").symlink_to(both)
    assert "cannot be read" in run(tmp_path, "--image-archive", "link.tar").err
    assert one.exists()


def context(folder: Path, *lines: str) -> None:
    folder.mkdir()
    (folder / "root.tar").write_bytes(layer(busybox()))
    (folder / "Dockerfile").write_text("\n".join(("FROM scratch", "ADD root.tar /", "ENV PATH=/bin", *lines)))


def test_an_image_is_built_on_the_agent(forget: Callable[[str], None], tmp_path: Path) -> None:
    context(tmp_path / "app", 'CMD ["sh", "-c", "echo built"]')
    configure(tmp_path, [{"name": "a"}], metrics=[])
    forget("profileapp-test/built:1")
    outcome = run(tmp_path, "--build", "app", "--image", "profileapp-test/built:1")
    assert outcome.code == 0, outcome.err
    assert outcome.log("a") == b"built\n"
    image = outcome.run("a")["image"]
    assert image["name"] == "profileapp-test/built:1"
    assert image["id"].startswith("sha256:")
    log = (tmp_path / "profile/build.log").read_text()
    assert "ADD root.tar /" in log and image["id"].removeprefix("sha256:")[:12] in log


def test_base_images_are_pulled_with_the_login(
    registry: Registry, forget: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = registry.add("base", (OTHER, OWN), busybox(), Env=["PATH=/bin"])
    forget(base)
    forget("profileapp-test/built:2")
    own = tmp_path / "home/.docker"
    own.mkdir(parents=True)
    (own / "config.json").write_text('{"credsStore": "own"}')
    store = tmp_path / "bin/docker-credential-own"
    store.parent.mkdir()
    store.write_text(
        '#!/bin/sh\n[ "$1" = list ] && echo "{}" && exit\necho credentials not found in native keychain; exit 1\n'
    )
    store.chmod(0o755)
    monkeypatch.setenv("PATH", f"{store.parent}:{os.environ['PATH']}")
    (tmp_path / "app").mkdir()
    (tmp_path / "app/Dockerfile").write_text(f'FROM {base}\nCMD ["sh", "-c", "echo built upon it"]\n')
    configure(tmp_path, [{"name": "a"}], metrics=[])
    argv = "--build", "app", "--image", "profileapp-test/built:2"
    assert run(tmp_path, *argv, HOME=str(own.parent)).code == 3
    assert registry.logins == set()
    outcome = run(tmp_path, *argv, HOME=str(own.parent), PROFILEAPP_REGISTRY=registry.host, **LOGIN)
    assert outcome.code == 0, outcome.err
    assert outcome.log("a") == b"built upon it\n"
    assert registry.logins == {f"ali:{PASSWORD}"}
    for secret in (PASSWORD.encode(), b"YWxpOm9wZW4gc2VzYW1l"):
        assert secret not in everything_in(tmp_path) + outcome.out.encode() + outcome.err.encode()


def test_a_build_masks_a_login_repeated_by_the_registry(tmp_path: Path) -> None:
    registry = Registry("somebody", "something else", is_indiscreet=True)
    (tmp_path / "app").mkdir()
    try:
        (tmp_path / "app/Dockerfile").write_text(f"FROM {registry.add('app', (OWN,), busybox())}\n")
        configure(tmp_path, [{"name": "a"}], metrics=[])
        outcome = run(tmp_path, "--build", "app", PROFILEAPP_REGISTRY=registry.host, **LOGIN)
    finally:
        registry.close()
    assert outcome.code == 3
    assert registry.logins == {f"ali:{PASSWORD}"}
    assert b"****" in (tmp_path / "profile/build.log").read_bytes()
    assert b"YWxpOm9wZW4gc2VzYW1l" not in everything_in(tmp_path) + outcome.err.encode()


def test_a_failed_build_is_a_one_line_error(docker_client: docker.DockerClient, tmp_path: Path) -> None:
    step = f"echo oh no {tmp_path.name} {time.time_ns()}; exit 7"
    context(tmp_path / "app", f'RUN ["sh", "-c", "{step}"]')
    configure(tmp_path, [{"name": "a"}], metrics=[])
    outcome = run(tmp_path, "--build", "app")
    assert outcome.code == 3, outcome.err
    assert "the image cannot be built (`docker build` ended with" in outcome.err.splitlines()[-1]
    assert b"oh no" in (tmp_path / "profile/build.log").read_bytes()
    ended = docker_client.api.containers(all=True, filters={"status": "exited"})
    assert not [each for each in ended if step in each["Command"]]
    assert run(tmp_path, "--build", "nowhere").code == 3


def test_a_build_stops_with_the_worker(docker_client: docker.DockerClient, tmp_path: Path) -> None:
    context(tmp_path / "app", 'RUN ["sh", "-c", "echo begun; sleep 120"]')
    configure(tmp_path, [{"name": "a"}], metrics=[])
    argv = [*WORKER, "run", "sage.yaml", "--no-report", "--build", "app"]
    before = {each.id for each in docker_client.containers.list()}
    worker = subprocess.Popen(argv, cwd=tmp_path, stderr=subprocess.PIPE)
    log = tmp_path / "profile/build.log"
    wait_until(lambda: log.exists() and b"begun" in log.read_bytes())
    began_s = time.monotonic()
    worker.send_signal(signal.SIGTERM)
    _, output = worker.communicate(timeout=60)
    assert worker.returncode == 143, output
    assert time.monotonic() - began_s < 30
    wait_until(lambda: {each.id for each in docker_client.containers.list()} <= before)


def test_the_next_run_stops_the_build_of_a_killed_worker(docker_client: docker.DockerClient, tmp_path: Path) -> None:
    context(tmp_path / "app", 'RUN ["sh", "-c", "echo begun; sleep 120"]')
    configure(tmp_path, [{"name": "a"}], metrics=[])
    before = {each.id for each in docker_client.containers.list()}
    worker = subprocess.Popen(
        [*WORKER, "run", "sage.yaml", "--no-report", "--build", "app"], cwd=tmp_path, stderr=subprocess.DEVNULL
    )
    log = tmp_path / "profile/build.log"
    wait_until(lambda: log.exists() and b"begun" in log.read_bytes())
    worker.kill()
    worker.wait()
    outcome = run(tmp_path, "--runtime", "docker", "--image", "profileapp-test/none:0")
    assert "did not end in order; removed 1 resource that it left" in outcome.err
    wait_until(lambda: {each.id for each in docker_client.containers.list()} <= before)


@pytest.mark.parametrize(
    ("limit", "value", "message"),
    [("TIMEOUT_S", 3.0, "was not built within 3 s"), ("LOG_LIMIT_BYTES", 1024**2, "printed more than 1 MiB")],
)
def test_a_build_is_bounded(
    limit: str, value: float, message: str, live: LiveRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for `docker` prints its pid and output, and does not exit by itself."""
    program = tmp_path / "bin/docker"
    program.parent.mkdir()
    amount = 2 if limit == "LOG_LIMIT_BYTES" else 0
    program.write_text(f"#!/bin/sh\necho $$ >{tmp_path}/pid\nhead -c {amount * 1024**2} /dev/zero\nexec sleep 120\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(image_build, limit, value)
    built = image_build.BuiltImage(tmp_path, "app:1", tmp_path / "out/build.log", Stop(Wake()))
    began_s = time.monotonic()
    with pytest.raises(ImageError, match=message):
        built.get(docker.APIClient(), platform.machine(), live, make_progress(io.StringIO()), "own:1")
    assert time.monotonic() - began_s < 60
    assert not Path("/proc", (tmp_path / "pid").read_text().strip()).exists()


def test_a_folder_is_never_an_option_or_stdin(live: LiveRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Docker treats `-` as standard input, and arguments with two dashes as options."""
    program = tmp_path / "bin/docker"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >{tmp_path}/words\nexit 1\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    for name in ("-", "--network=host", "$(touch x); y"):
        Path(name).mkdir()
        with pytest.raises(ImageError, match="ended with 1"):
            image_build.BuiltImage(Path(name), "app:1", tmp_path / "build.log", Stop(Wake())).get(
                docker.APIClient(), platform.machine(), live, make_progress(io.StringIO()), "own:1"
            )
        argv = (tmp_path / "words").read_text().splitlines()
        assert argv[-4:] == ["--tag", "own:1", "--", f"{tmp_path}/{name}"]
    assert not Path("x").exists()


def test_a_login_is_removed_from_the_environment() -> None:
    environ = {"A": "b", **LOGIN}
    login = take_login(environ)
    assert environ == {"A": "b"}
    assert login == RegistryLogin("docker.io", "ali", PASSWORD)
    assert PASSWORD not in repr(login) + str(login)
    assert take_login({"PROFILEAPP_REGISTRY": "registry.example.org"}) is None
    with pytest.raises(ConfigError, match="must be set together"):
        take_login({"PROFILEAPP_REGISTRY_USER": "ali"})
    with pytest.raises(ConfigError, match="too short"):
        take_login({"PROFILEAPP_REGISTRY_USER": "ali", "PROFILEAPP_REGISTRY_PASSWORD": "abc"})


@pytest.mark.parametrize(
    ("name", "message"),
    [("app", "app:latest"), ("docker.io/library/app:1", "app:1"), ("host:5000/app", "host:5000/app:latest"),
     ("app@sha256:12", "app@sha256:12"), ("sha256:12", "sha256:12")],
)  # fmt: skip
def test_names_are_validated_as_docker_does(name: str, message: str) -> None:
    assert familiar(name) == message


def test_the_image_source_is_printed_as_json(tmp_path: Path) -> None:
    """The process runtime uses no image."""
    configure(tmp_path, [{"name": "a"}], metrics=[])
    command = f"{sys.executable} -c pass"
    outcome = run(tmp_path, "--runtime", "process", "--command", command, "--build", ".")
    assert outcome.code == 3
    assert "need the docker runtime" in outcome.err
    assert json.loads((tmp_path / "sage.yaml").read_text())["name"] == "app"


@pytest.mark.docker
def test_build_steps_use_the_bridge_or_no_network(
    docker_client: docker.DockerClient, tmp_path: Path, busybox_image: str
) -> None:
    """Never the host's network: only these two settings are accepted, and each is passed to the builder."""
    app = tmp_path / "app"
    app.mkdir()
    configure(tmp_path, [{"name": "a", "args": ["true"]}], metrics=[])
    for network, interfaces in (("none", "lo"), ("default", "eth0 lo")):
        script = f'[ "$(echo $(ls /sys/class/net | grep -E "^(lo|eth)"))" = "{interfaces}" ] # {tmp_path}'
        (app / "Dockerfile").write_text(f"FROM {busybox_image}\nRUN {script}\n")
        outcome = run(tmp_path, "--build", "app", PROFILEAPP_BUILD_NETWORK=network)
        assert outcome.code == 0, (tmp_path / "profile/build.log").read_text()
    outcome = run(tmp_path, "--build", "app", PROFILEAPP_BUILD_NETWORK="host")
    assert outcome.code == 3 and "'host' is not one of 'default', 'none'" in outcome.err, outcome.err
