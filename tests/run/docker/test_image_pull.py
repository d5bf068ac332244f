"""Pulling an image over a network that is not always there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from docker.errors import APIError, ImageNotFound

from profileapp.errors import AgentError, ExitCode, ImageError
from profileapp.retry import Patience
from profileapp.run.docker.image import get_image
from profileapp.run.stop import Stop, StoppedError, Wake, patience_of

TLS = "Get https://registry.example.org/v2/: net/http: TLS handshake timeout"


class Progress:
    """Keeps the notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def pulling(self, *_: object) -> None:
        """Of no interest here."""


class Daemon:
    """Has the image after a pull that went well; `faults` are what pulls before that end with."""

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
def test_what_passes_is_tried_again(fault: str | Exception) -> None:
    daemon, progress = Daemon(fault, fault), Progress()
    assert get(daemon, quick(), progress)["Id"] == "sha256:1"
    assert daemon.pulls == 3
    assert len(progress.notes) == 2 and "TLS handshake timeout" in progress.notes[0]


@pytest.mark.parametrize("fault", [TLS, _api_error(TLS)], ids=["in the stream", "of the call"])
def test_what_never_passes_is_the_agents_fault(fault: str | Exception) -> None:
    daemon = Daemon(fault)
    daemon.for_ever = True
    with pytest.raises(AgentError, match="TLS handshake timeout") as raised:
        get(daemon, quick())
    assert raised.value.exit_code == ExitCode.NOT_MEASURED
    assert daemon.pulls > 3


@pytest.mark.parametrize("text", ["manifest unknown", "pull access denied for app", "no matching manifest for arm"])
def test_what_lasts_is_a_wrong_configuration_at_once(text: str) -> None:
    for fault in (text, _api_error(text)):
        daemon = Daemon(fault)
        daemon.for_ever = True
        with pytest.raises(ImageError):
            get(daemon, quick())
        assert daemon.pulls == 1


def test_sigterm_in_a_pause_ends_it() -> None:
    stop = Stop(Wake())
    daemon = Daemon(TLS)
    daemon.for_ever = True
    stop.request(15)
    with pytest.raises(StoppedError):
        get(daemon, patience_of(stop, {}))


def test_an_administrator_says_for_how_long() -> None:
    stop = Stop(Wake())
    assert patience_of(stop, {"PROFILEAPP_RETRY_TIMEOUT": "7"}).timeout_s == 7
    assert patience_of(stop, {}).timeout_s == 120
    assert patience_of(stop, {"PROFILEAPP_RETRY_TIMEOUT": "soon"}).timeout_s == 120
