"""The plan's records, as `profileapp plan --json` prints them."""

from __future__ import annotations

from typing import Literal

import msgspec

from profileapp.model.text import printable

OnTimeout = Literal["end", "fail"]
FunctionClock = Literal["cpu", "wall"]
NAME_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,62}$"
"""The allowed names of targets."""


class App(msgspec.Struct, frozen=True):
    """The app that is profiled."""

    name: str
    version: str = ""


ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
"""Suffixes of archives that are unpacked by default."""


class Dataset(msgspec.Struct, frozen=True):
    """A dataset that the agent fetches or unpacks, and caches by its content.

    `path` is an archive, relative to the folder of the configuration file; or `url` is its address, and
    `sha256` (hexadecimal) its checksum.
    """

    path: str = ""
    url: str = ""
    sha256: str = ""
    unpack: bool = False

    def __str__(self) -> str:
        return self.path or self.url


class Ready(msgspec.Struct, frozen=True):
    """The readiness check of a service: one of four conditions, with the deadline `timeout_s`.

    `http` is a `PORT/PATH` that answers with a status below 400; `tcp` a port that accepts connections (0: none); `log`
    a text in the service's output; `file` a path in its container.
    """

    http: str = ""
    tcp: int = 0
    log: str = ""
    file: str = ""
    timeout_s: float = 60.0

    def __str__(self) -> str:
        if self.http:
            return f"http :{self.http}"
        return f"tcp :{self.tcp}" if self.tcp else f"log {self.log!r}" if self.log else f"file {printable(self.file)}"


class Stream(msgspec.Struct, frozen=True):
    """A stream that a playback service plays: a video, or images or audio recordings at `rate` per second."""

    name: str
    dataset: str | Dataset
    rate: float = 1.0


SECRET_PREFIX = "PROFILEAPP_SECRET_"  # noqa: S105  (the beginning of a name)


class Secret(msgspec.Struct, frozen=True):
    """An environment variable of the app whose value is a credential; the value itself is never recorded.

    `credential` is its id in Jenkins, `env_var` the variable in which the worker receives it.
    """

    variable: str
    credential: str
    env_var: str


class Service(msgspec.Struct, frozen=True):
    """A service for an app: a container of `image`, or (with `streams`) a playback of recordings.

    `needs` names the services that must be ready before it starts. With `streams` and no `image` it is the built-in
    playback. With `broker` it is a message broker, configured for pywaggle.
    """

    name: str
    image: str = ""
    args: tuple[str, ...] = ()
    env: dict[str, str] = {}
    secrets: tuple[Secret, ...] = ()
    dataset: str | Dataset | None = None
    ready: Ready | None = None
    needs: tuple[str, ...] = ()
    streams: tuple[Stream, ...] = ()
    broker: str = ""


class Target(msgspec.Struct, frozen=True):
    """One configuration of the app on one kind of agent, with every default filled in.

    `name` matches `[a-z0-9][a-z0-9._-]{0,62}`; `shared_name` is the name without the agent's suffix of a target that
    was expanded over several agents, else "". `agent` is a Jenkins label expression, "" for any. `timeout_s` 0: the app
    ends by itself. `dataset` is a path relative to the folder of the configuration file, taken as it is, or one that
    the agent makes ready. `services` are in the order in which they start. `internet`: whether the app reaches what is
    outside the agent; None: it does not. Before each repeat it is waited until the device is below `cool_below_c`
    (None: it is not), for `cool_timeout_s` at most. `warmup_auto`: the warm-up of a repeat ends where its samples
    settle. `function_clock`: whether `functions` counts time on a CPU, or time that passes. `native_frames`: whether it
    has those of C and C++. `budgets` maps a statistic of a series to a condition, in the text of the YAML.
    """

    name: str
    args: tuple[str, ...] = ()
    agent: str = ""
    env: dict[str, str] = {}
    secrets: tuple[Secret, ...] = ()
    dataset: str | Dataset | None = None
    services: tuple[Service, ...] = ()
    internet: bool | None = None
    timeout_s: float = 0.0
    on_timeout: OnTimeout = "end"
    grace_s: float = 10.0
    warmup_s: float = 0.0
    warmup_auto: bool = False
    cool_below_c: float | None = None
    cool_timeout_s: float = 600.0
    repeat: int = 1
    interval_s: float = 1.0
    metrics: tuple[str, ...] = ()
    function_clock: FunctionClock = "cpu"
    native_frames: bool = False
    budgets: dict[str, str] = {}
    shared_name: str = ""

    @property
    def datasets(self) -> tuple[str | Dataset, ...]:
        """Every dataset of the target and its services, the target's first, each once."""
        services = [
            each for one in self.services for each in (one.dataset, *(stream.dataset for stream in one.streams))
        ]
        return tuple(dict.fromkeys(each for each in (self.dataset, *services) if each))

    @property
    def all_secrets(self) -> tuple[Secret, ...]:
        """The secrets of the app and its services."""
        return (*self.secrets, *(each for service in self.services for each in service.secrets))


class Group(msgspec.Struct, frozen=True):
    """Targets, by name, that run on one agent, interleaved or one after another; `agent` is its label, "" for any.

    `secrets` are the credentials of all of them, each once. `extras` are the worker's extras that they need.
    """

    name: str
    agent: str
    targets: tuple[str, ...]
    secrets: tuple[Secret, ...] = ()
    extras: tuple[str, ...] = ()


class Plan(msgspec.Struct, frozen=True):
    """All targets to run. `files` are Ant patterns, relative to the configuration's folder, of files an agent needs.

    `groups` are the targets that share a stage and an agent. `warnings`, if the agent was checked, list metrics that
    are unavailable on it for the targets that would run there.
    """

    app: App
    image: str | None
    targets: tuple[Target, ...]
    files: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    groups: tuple[Group, ...] = ()
    version: int = 1
