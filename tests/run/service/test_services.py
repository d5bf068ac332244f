"""Services beside an app in real containers: order, readiness, private network, and no leftovers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.helpers.leftovers import left_of
from tests.helpers.worker_process import Outcome, configure, is_measuring, run, start, wait_until

pytestmark = pytest.mark.docker

SERVE = "mkdir -p /tmp/www && echo hello > /tmp/www/index.html && exec httpd -f -p 8000 -h /tmp/www"


@pytest.fixture(autouse=True)
def nothing_is_left(docker_client: docker.DockerClient, state: Path) -> Iterator[None]:
    volumes = {each.id for each in docker_client.volumes.list()}
    yield
    assert left_of(docker_client, state) == set()
    assert {each.id for each in docker_client.volumes.list()} <= volumes
    assert [path.name for path in state.iterdir() if path.suffix != ".lock"] == []


def service(name: str, image: str, script: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "image": image, "args": ["sh", "-c", script], **more}


def with_services(
    folder: Path,
    image: str,
    app: str,
    services: list[dict[str, Any]],
    target: dict[str, Any] | None = None,
    **more: Any,
) -> Outcome:
    configure(
        folder,
        [{"name": "a", "args": ["sh", "-c", app], **(target or {})}],
        services=services,
        **{"metrics": ["container"], "defaults": {"interval": "50ms"}, **more},
    )
    return run(folder, "--image", image)


def test_the_app_reaches_only_its_services_by_name(tmp_path: Path, busybox_image: str) -> None:
    app = "wget -q -O - http://web:8000/; hostname; nc -w 1 1.1.1.1 80 </dev/null || echo no way out"
    outcome = with_services(
        tmp_path, busybox_image, app, [service("web", busybox_image, SERVE, ready={"http": "8000/index.html"})]
    )
    assert outcome.code == 0, outcome.err
    log = outcome.log("a")
    assert b"hello\napp\n" in log and b"\nno way out\n" in log
    assert "service web: ready after" in outcome.err
    summary = {(one["name"], one["labels"].get("service")): one for one in outcome.run("a")["summary"]}
    assert summary["service.memory.used", "web"]["count"] >= 1
    assert summary["container.memory.used", None]["count"] >= 1


@pytest.mark.parametrize(
    ("services", "internet", "internal"), [(True, None, True), (True, True, False), (False, False, True)]
)
def test_one_key_allows_or_forbids_internet_access(
    tmp_path: Path,
    docker_client: docker.DockerClient,
    busybox_image: str,
    state: Path,
    services: bool,
    internet: bool | None,
    internal: bool,
) -> None:
    target = {"name": "a", "args": ["sleep", "60"]} | ({} if internet is None else {"internet": internet})
    configure(tmp_path, [target], services=[service("web", busybox_image, SERVE)] if services else [])
    worker = start(tmp_path, "--image", busybox_image)
    count = 3 if services else 2
    try:
        wait_until(lambda: len(left_of(docker_client, state)) == count)
        networks = docker_client.api.networks(filters={"label": "profileapp.state"})
        assert [each["Internal"] for each in networks if str(state) in str(each["Labels"])] == [internal]
    finally:
        worker.terminate()
        worker.wait(60)


def test_services_start_in_order_and_keep_their_logs(tmp_path: Path, busybox_image: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/sample").write_text("sample")
    stamp = "adjtimex | grep -q . ; cut -d ' ' -f 1 /proc/uptime"
    outcome = with_services(
        tmp_path,
        busybox_image,
        stamp,
        [
            service("last", busybox_image, f"{stamp}; {SERVE}", needs=["tcp", "file", "log"]),
            service("tcp", busybox_image, f"sleep 0.3; {stamp}; {SERVE}", ready={"tcp": 8000}),
            service("file", busybox_image, f"{stamp}; sleep 0.3; touch /tmp/r; {SERVE}", ready={"file": "/tmp/r"}),
            service(
                "log",
                busybox_image,
                'cat /dataset/sample; sleep 0.3; echo "$WORD"; sleep 60',
                ready={"log": "now ready"},
                dataset="data",
                env={"WORD": "I am now ready to serve"},
            ),
            service("once", busybox_image, "echo done"),
        ],
        {"repeat": 2},
    )
    assert outcome.code == 0, outcome.err
    folder = tmp_path / "profile/a/services"
    assert b"sampleI am now ready" in (folder / "log.log").read_bytes()
    assert (folder / "once.log").read_bytes().count(b"done\n") == 2
    lines = {name: (folder / f"{name}.log").read_text().splitlines() for name in ("tcp", "file", "last")}
    assert lines["last"][0] == "[profileapp: repeat 1]" and lines["last"][2] == "[profileapp: repeat 2]"
    assert float(lines["tcp"][1]) <= float(lines["file"][1]) <= float(lines["last"][1])


@pytest.mark.parametrize(
    ("one", "message"),
    [
        ({"script": "sleep 60", "ready": {"tcp": 1, "timeout": "1s"}}, "service web was not ready after 1 s (tcp :1)"),
        ({"script": "exit 3", "ready": {"tcp": 1}}, "service web stopped early: exited with code 3"),
        ({"script": "exit 0", "ready": {"log": "never"}}, "service web stopped early: exited with code 0"),
        ({"script": "sleep 1; exit 4"}, "service web stopped early: exited with code 4"),
        (
            {"script": "tail /dev/zero"},
            "service web stopped early: it exceeded its memory limit of 64 MiB (--memory-limit)",
        ),
    ],
)
def test_a_failing_service_is_named_and_is_no_failure_of_the_app(
    tmp_path: Path, busybox_image: str, one: dict[str, Any], message: str
) -> None:
    configure(
        tmp_path,
        [{"name": "a", "args": ["sh", "-c", "while :; do sleep 0.1; done"]}],
        services=[service("web", busybox_image, one.pop("script"), **one)],
    )
    outcome = run(tmp_path, "--image", busybox_image, "--memory-limit", "64MiB")
    assert outcome.code == 4 and outcome.run("a")["exit_reason"] == "not-measured"
    assert message in outcome.run("a")["message"] and "services/web.log" in outcome.run("a")["message"]


def test_a_service_has_only_the_capabilities_that_entrypoints_need(tmp_path: Path, busybox_image: str) -> None:
    look = "mkdir /tmp/own; chown 1000 /tmp/own && echo CHOWN; grep -E 'CapBnd|NoNewPrivs' /proc/self/status; sleep 60"
    outcome = with_services(
        tmp_path, busybox_image, "true", [service("web", busybox_image, look, ready={"log": "NoNewPrivs"})]
    )
    assert outcome.code == 0, outcome.err
    log = (tmp_path / "profile/a/services/web.log").read_text()
    # CHOWN 0, DAC_OVERRIDE 1, FOWNER 3, SETGID 6, SETUID 7, NET_BIND_SERVICE 10 (capability.h)
    assert f"CapBnd:\t{sum(1 << bit for bit in (0, 1, 3, 6, 7, 10)):016x}" in log
    assert "CHOWN\n" in log and "NoNewPrivs:\t1" in log


def test_an_unavailable_image_of_a_service_is_exit_code_3(tmp_path: Path, busybox_image: str) -> None:
    outcome = with_services(tmp_path, busybox_image, "true", [{"name": "web", "image": "profileapp-test/nowhere:1"}])
    assert outcome.code == 3 and "profileapp-test/nowhere:1" in outcome.err


def test_services_need_a_container(tmp_path: Path) -> None:
    configure(tmp_path, [{"name": "a"}], services=[{"name": "web", "image": "x"}])
    outcome = run(tmp_path, "--runtime", "process", "--command", "true")
    assert outcome.code == 3 and "service web needs a container" in outcome.err


def test_a_killed_worker_leaves_nothing_after_the_next_run(
    tmp_path: Path, docker_client: docker.DockerClient, busybox_image: str, state: Path
) -> None:
    configure(
        tmp_path,
        [{"name": "a", "args": ["sh", "-c", "while :; do sleep 0.1; done"]}],
        services=[service("web", busybox_image, SERVE, ready={"tcp": 8000})],
        metrics=["container"],
        defaults={"interval": "50ms"},
    )
    dead = start(tmp_path, "--image", busybox_image)
    wait_until(lambda: is_measuring(tmp_path, "a"))
    dead.kill()
    dead.wait()
    # The app, its service, their network, and the image that probed the service.
    assert len(left_of(docker_client, state)) == 4
    configure(tmp_path, [{"name": "b", "args": ["true"]}])
    assert run(tmp_path, "--image", busybox_image).code == 0


@pytest.mark.parametrize("ready", [{"tcp": 1}, {"tcp": 8000}])
def test_a_stopped_worker_stops_its_services(
    tmp_path: Path, docker_client: docker.DockerClient, busybox_image: str, state: Path, ready: dict[str, int]
) -> None:
    configure(
        tmp_path,
        [{"name": "a", "args": ["sh", "-c", "while :; do sleep 0.1; done"]}],
        services=[service("web", busybox_image, SERVE, ready=ready)],
        metrics=["container"],
        defaults={"interval": "50ms"},
    )
    worker = start(tmp_path, "--image", busybox_image)
    # Nothing listens on port 1, so the worker waits for the service once the probe image exists.
    is_waiting_for_it = ready["tcp"] == 1
    wait_until(lambda: len(left_of(docker_client, state)) >= 3 if is_waiting_for_it else is_measuring(tmp_path, "a"))
    worker.terminate()
    assert worker.wait(60) == 143
    assert json.loads((tmp_path / "profile/a/run.json").read_text())["exit_reason"] == "aborted"


def test_a_missing_image_of_a_later_target_loses_no_measurements(tmp_path: Path, busybox_image: str) -> None:
    missing = service("web", "profileapp-test/no-such-image:1", SERVE)
    app = {"args": ["sh", "-c", "sleep 0.3"]}
    configure(
        tmp_path, [{"name": "first", **app}, {"name": "second", **app, "services": [missing]}, {"name": "third", **app}]
    )
    outcome = run(tmp_path, "--image", busybox_image, "--json")
    assert outcome.code == 3 and "second: image 'profileapp-test/no-such-image:1'" in outcome.err
    assert outcome.run("first")["exit_reason"] == outcome.run("third")["exit_reason"] == "completed"
    assert '"exit_code":3' in outcome.out
