"""Retries: which errors, and for how long."""

from __future__ import annotations

import errno
import socket
import time
from typing import Any

import docker.errors
import psycopg
import pytest
import requests
from urllib3.exceptions import MaxRetryError, NewConnectionError, ProtocolError

from profileapp.retry import LONGEST_PAUSE_S, Patience
from profileapp.run.net.deadline import Deadline, TooLate
from profileapp.transient import is_transient


def _daemon(text: str, status: int = 500) -> docker.errors.APIError:
    answer = requests.Response()
    answer.status_code = status
    return docker.errors.APIError("500 Server Error", response=answer, explanation=text)


def _http(status: int) -> requests.HTTPError:
    answer = requests.Response()
    answer.status_code = status
    return requests.HTTPError("x", response=answer)


def _refused() -> requests.ConnectionError:
    cause = NewConnectionError(None, "Failed to establish a new connection: [Errno 111] Connection refused")  # type: ignore[arg-type]
    return requests.ConnectionError(MaxRetryError(None, "/", cause))  # type: ignore[arg-type]


def _psycopg(state: str) -> Exception:
    return psycopg.errors.lookup(state)("x")


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (_daemon('Get "https://r/v2/": net/http: TLS handshake timeout'), True),
        (_daemon("dial tcp 10.0.0.1:443: i/o timeout"), True),
        (_daemon("read tcp: connection reset by peer"), True),
        (_daemon("dial tcp 10.0.0.1:443: connect: connection refused"), True),
        (_daemon("toomanyrequests: You have reached your pull rate limit"), True),
        (_daemon("received unexpected HTTP status: 503 Service Unavailable"), True),
        (_daemon("lookup r on 10.0.0.2:53: server misbehaving"), True),
        (_daemon("lookup r: Temporary failure in name resolution"), True),
        (_daemon("context deadline exceeded"), True),
        (_daemon("unexpected EOF"), True),
        (_daemon("net/http: request canceled while waiting for connection (Client.Timeout exceeded)"), True),
        (_daemon("manifest unknown: manifest unknown"), False),
        (_daemon("manifest for app:1 not found: manifest unknown", 404), False),
        (_daemon("pull access denied for app, repository does not exist or may require 'docker login'", 404), False),
        (_daemon("unauthorized: authentication required (timeout)"), False),
        (_daemon("x509: certificate signed by unknown authority"), False),
        (_daemon("lookup registry.exmaple.org: no such host"), False),
        (_daemon("no matching manifest for linux/arm64/v8"), False),
        (_daemon("something that nobody has heard of"), False),
        *((_http(status), True) for status in (408, 425, 429, 500, 502, 503, 504)),
        *((_http(status), False) for status in (400, 401, 403, 404, 410, 416, 501)),
        (_refused(), True),
        (requests.ReadTimeout("Read timed out."), True),
        (requests.ConnectionError(ProtocolError("Connection aborted.", ConnectionResetError(104, "reset"))), True),
        (requests.exceptions.SSLError("certificate verify failed"), False),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"), True),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), False),
        (TimeoutError(), True),
        (OSError(errno.EHOSTUNREACH, "No route to host"), True),
        (OSError(errno.ENOSPC, "No space left on device"), False),
        (PermissionError(errno.EACCES, "denied"), False),
        *((_psycopg(state), True) for state in ("08006", "40001", "40P01", "57P01", "53300")),
        *((_psycopg(state), False) for state in ("28P01", "3D000", "42501", "53100", "23505")),
        (psycopg.OperationalError("connection failed: Connection refused"), True),
        (psycopg.OperationalError("FATAL:  the database system is starting up"), True),
        (psycopg.OperationalError('FATAL:  password authentication failed for user "ann"'), False),
        (psycopg.OperationalError('FATAL:  database "profiles" does not exist'), False),
        (ValueError("x"), False),
    ],
    ids=lambda value: None if isinstance(value, bool) else f"{type(value).__name__}: {value}"[:70],
)
def test_temporary_errors(error: Exception, passes: bool) -> None:
    assert is_transient(error) is passes


def test_an_error_names_its_cause() -> None:
    try:
        try:
            raise ConnectionResetError(errno.ECONNRESET, "reset")
        except OSError as cause:
            raise RuntimeError("our own words") from cause
    except RuntimeError as error:
        assert is_transient(error)


class Clock:
    """A clock that advances only in pauses."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.pauses: list[float] = []

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now_s += seconds

    def patience(self, timeout_s: float, chance: float = 1.0, **more: Any) -> Patience:
        return Patience(timeout_s, pause=self.pause, now=lambda: self.now_s, chance=lambda: chance, **more)


def _failing(times: int, error: Exception) -> Any:
    calls = iter([error] * times)

    def act() -> str:
        for each in calls:
            raise each
        return "done"

    return act


def test_pauses_grow_up_to_a_limit() -> None:
    clock, notes = Clock(), list[str]()
    assert clock.patience(200).call(_failing(7, TimeoutError("slow")), notes.append) == "done"
    assert clock.pauses == [1, 2, 4, 8, LONGEST_PAUSE_S, LONGEST_PAUSE_S, LONGEST_PAUSE_S]
    assert notes[0] == "slow; trying again in 1.0 s"


def test_half_of_a_pause_is_random() -> None:
    clock = Clock()
    clock.patience(200, chance=0.0).call(_failing(3, TimeoutError()), lambda _: None)
    assert clock.pauses == [0.5, 1, 2]


def test_it_ends_before_the_deadline_with_the_last_error() -> None:
    clock, error = Clock(), TimeoutError("slow")
    with pytest.raises(TimeoutError) as raised:
        clock.patience(10).call(_failing(99, error), lambda _: None)
    assert raised.value is error
    assert clock.now_s <= 10 and clock.pauses == [1, 2, 4]


def test_permanent_errors_are_raised_at_once() -> None:
    clock = Clock()
    with pytest.raises(ValueError, match="x"):
        clock.patience(10).call(_failing(1, ValueError("x")), lambda _: None)
    assert clock.pauses == []


def test_a_stop_in_a_pause_is_raised_at_once() -> None:
    class Stopped(Exception):
        pass

    def stop(_: float) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        Patience(60, pause=stop).call(_failing(9, TimeoutError()), lambda _: None)


def test_progress_restarts_the_deadline() -> None:
    clock = Clock()
    attempts = clock.patience(10).begin(lambda _: None)
    for _ in range(20):
        attempts.failed(TimeoutError())
        attempts.progressed()
    assert clock.pauses == [1.0] * 20


def test_a_waiting_download_can_be_stopped() -> None:
    class Stopped(Exception):
        pass

    def tick() -> None:
        if time.monotonic() > began_s + 0.2:
            raise Stopped

    began_s = time.monotonic()
    with pytest.raises(Stopped):
        Deadline(600, tick).pause(300)
    with pytest.raises(TooLate):
        Deadline(0.2).pause(300)
