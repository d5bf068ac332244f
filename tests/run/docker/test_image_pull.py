"""Pulling an image over an unreliable network."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from docker.errors import APIError, ImageNotFound

from profileapp.errors import AgentError, ExitCode, ImageError
from profileapp.retry import Patience
from profileapp.run.agent.state import open_state
from profileapp.run.docker.image import architectures_of, get_image
from profileapp.run.docker.image_build import BuiltImage, may_pass
from profileapp.run.stop import Stop, StoppedError, Wake, patience_of

TLS = "Get https://registry.example.org/v2/: net/http: TLS handshake timeout"


class Progress:
    """Records notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def pulling(self, *_: object) -> None:
        """Not tested here."""


class Daemon:
    """Has the image after a successful pull; `faults` are the errors of earlier pulls."""

    def __init__(self, *faults: str | Exception) -> None:
        self.faults = list(faults)
        self.pulls = 0

    def inspect_image(self, name: str) -> dict[str, Any]:
        if self.pulls <= 0 or self.faults:
            raise ImageNotFound("no such image")
        return {"Id": "sha256:1", "Architecture": "amd64"}

    def pull(self, *_: object, **__: object) -> Iterator[dict[str, Any]]:
        self.pulls += 1
        if not self.faults:
            yield {"status": "Pull complete"}
            return
        fault = self.faults.pop(0) if len(self.faults) > 1 or not self.for_ever else self.faults[0]
        if isinstance(fault, Exception):
            raise fault
        yield {"error": fault}

    for_ever = False


def get(daemon: Daemon, patience: Patience, progress: Progress | None = None) -> dict[str, Any]:
    return get_image(daemon, "app:1", "x86_64", progress or Progress(), patience=patience)  # type: ignore[arg-type]


def quick(timeout_s: float = 60.0) -> Patience:
    clock = [0.0]

    def pause(seconds: float) -> None:
        clock[0] += seconds

    return Patience(timeout_s, pause=pause, now=lambda: clock[0])


def _api_error(text: str) -> APIError:
    answer = requests.Response()
    answer.status_code = 500
    return APIError("500 Server Error", response=answer, explanation=text)


@pytest.mark.parametrize("fault", [TLS, _api_error(TLS)], ids=["in the stream", "of the call"])
def test_temporary_errors_are_retried(fault: str | Exception) -> None:
    daemon, progress = Daemon(fault, fault), Progress()
    assert get(daemon, quick(), progress)["Id"] == "sha256:1"
    assert daemon.pulls == 3
    assert len(progress.notes) == 2 and "TLS handshake timeout" in progress.notes[0]


@pytest.mark.parametrize("fault", [TLS, _api_error(TLS)], ids=["in the stream", "of the call"])
def test_persistent_network_errors_are_agent_errors(fault: str | Exception) -> None:
    daemon = Daemon(fault)
    daemon.for_ever = True
    with pytest.raises(AgentError, match="TLS handshake timeout") as raised:
        get(daemon, quick())
    assert raised.value.exit_code == ExitCode.NOT_MEASURED
    assert daemon.pulls > 3


@pytest.mark.parametrize("text", ["manifest unknown", "pull access denied for app", "no matching manifest for arm"])
def test_permanent_errors_are_config_errors_without_a_retry(text: str) -> None:
    for fault in (text, _api_error(text)):
        daemon = Daemon(fault)
        daemon.for_ever = True
        with pytest.raises(ImageError):
            get(daemon, quick())
        assert daemon.pulls == 1


def test_sigterm_ends_a_pause() -> None:
    stop = Stop(Wake())
    daemon = Daemon(TLS)
    daemon.for_ever = True
    stop.request(15)
    with pytest.raises(StoppedError):
        get(daemon, patience_of(stop, {}))


def test_the_administrator_sets_the_retry_time() -> None:
    stop = Stop(Wake())
    assert patience_of(stop, {"PROFILEAPP_RETRY_TIMEOUT": "7"}).timeout_s == 7
    assert patience_of(stop, {}).timeout_s == 120
    assert patience_of(stop, {"PROFILEAPP_RETRY_TIMEOUT": "soon"}).timeout_s == 120


LEGACY = f"Step 1/2 : FROM registry.example.org/base:1\n{TLS}\n"
BUILDKIT = (
    "#2 [internal] load metadata for registry.example.org/base:1\n#2 ERROR: failed\nERROR: failed to solve: "
    "registry.example.org/base:1: failed to resolve source metadata for registry.example.org/base:1: "
    "dial tcp 10.0.0.1:443: i/o timeout\n"
)


@pytest.mark.parametrize(
    ("tail", "expected"),
    [
        (LEGACY, True),
        (BUILDKIT, True),
        (LEGACY.replace("TLS handshake timeout", "manifest unknown"), False),
        ("Step 1/2 : FROM base\n ---> 1\nStep 2/2 : RUN make test\nconnection refused\n", False),
        ('ERROR: failed to solve: process "/bin/sh -c curl x" did not complete: i/o timeout\n', False),
        ("", False),
    ],
)
def test_only_pulls_of_base_images_are_retried(tail: str, expected: bool) -> None:
    assert may_pass(tail) is expected


@pytest.mark.parametrize("faults", [2, 10**6])
def test_a_build_is_retried_if_its_base_image_cannot_be_pulled(
    faults: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for `docker` fails a few times, then builds."""
    program = tmp_path / "bin/docker"
    program.parent.mkdir()
    (tmp_path / "said").write_text(LEGACY)
    program.write_text(
        f"#!/bin/sh\necho >>{tmp_path}/calls\ncat {tmp_path}/said\n"
        f'[ "$(wc -l <{tmp_path}/calls)" -gt {faults} ] || exit 1\n'
        'while [ "$1" != --iidfile ]; do shift; done\nprintf sha256:1 >"$2"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("PROFILEAPP_STATE", str(tmp_path / "state"))
    live = open_state(os.environ).begin_run()
    daemon, progress = Daemon(), Progress()
    daemon.pulls = 1
    built = BuiltImage(tmp_path, "app:1", tmp_path / "build.log", Stop(Wake()), patience=quick(40))

    def build() -> dict[str, Any]:
        return built.get(daemon, "x86_64", live, progress, "own:1")  # type: ignore[arg-type]

    try:
        if faults == 2:
            assert build()["Id"] == "sha256:1"
            assert len((tmp_path / "calls").read_text()) == 3
        else:
            with pytest.raises(AgentError, match="tried again for 40 s") as raised:
                build()
            assert raised.value.exit_code == ExitCode.NOT_MEASURED
        assert sum("trying again in" in note for note in progress.notes) >= 2
    finally:
        live.end()


class Distribution:
    """A daemon that queries a registry, which answers after two errors."""

    def __init__(self) -> None:
        self.asked = 0

    def inspect_image(self, name: str) -> dict[str, Any]:
        raise ImageNotFound("no such image")

    def inspect_distribution(self, name: str, auth_config: object) -> dict[str, Any]:
        self.asked += 1
        if self.asked < 3:
            raise _api_error(TLS)
        return {"Platforms": [{"architecture": "arm64"}, {"architecture": "amd64"}]}


def test_queries_for_an_images_architectures_are_retried() -> None:
    daemon, notes = Distribution(), list[str]()
    found = architectures_of(daemon, "app:1", None, quick(), notes.append)  # type: ignore[arg-type]
    assert found == ("arm64", "amd64") and daemon.asked == 3
    assert len(notes) == 2 and "TLS handshake timeout" in notes[0] and "trying again in" in notes[0]
    assert architectures_of(Distribution(), "app:1", None, Patience(0), notes.append) == ()  # type: ignore[arg-type]
