"""What is to be run: the plan's records, as `profileapp plan --json` prints them."""

from __future__ import annotations

from typing import Literal

import msgspec

from profileapp.model.text import printable

OnTimeout = Literal["end", "fail"]
FunctionClock = Literal["cpu", "wall"]
NAME_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,62}$"
"""What a target may be named."""


class App(msgspec.Struct, frozen=True):
    """Whose profile it is."""

    name: str
    version: str = ""


ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
"""Archives that are unpacked by default."""


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
    """When a service is ready: one of the four holds, within `timeout_s`.

    `http` is `PORT/PATH`, answered with a status below 400; `tcp` a port that takes connections (0: none); `log` a text
    in what the service prints; `file` a path in its container.
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
    """What a playback service plays under one name: a video, images or recordings; `rate` a second of the latter."""

    name: str
    dataset: str | Dataset
    rate: float = 1.0


SECRET_PREFIX = "PROFILEAPP_SECRET_"  # noqa: S105  (the beginning of a name)


class Secret(msgspec.Struct, frozen=True):
    """A variable of the app's environment whose value is a credential; the value itself is in no record.

    `credential` is its id in Jenkins, `env_var` the variable in which the worker gets it.
    """

    variable: str
    credential: str
    env_var: str


class Service(msgspec.Struct, frozen=True):
    """A service that an app needs: a container of `image`, or (with `streams`) a playback of recordings.

    `needs` names the services that must be ready before it starts. With `streams` and no `image` it is our own. With
    `broker` it is the message broker that pywaggle knows, made ready by us.
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

    `name` matches `[a-z0-9][a-z0-9._-]{0,62}`; `shared_name` is what a target that was spread over several agents is
    called without the agent, "" for any other. `agent` is a Jenkins label expression, "" for any. `timeout_s` 0: the
    app ends by itself. `dataset` is a path relative to the folder of the configuration file, taken as it is, or one
    that the agent makes ready. `services` are in the order in which they start. `internet`: whether the app reaches
    what is outside the agent; None: it does not. Before each repeat it is waited until the device is below
    `cool_below_c` (None: it is not), for `cool_timeout_s` at most. `warmup_auto`: the warm-up of a repeat ends
    where its samples settle. `function_clock`: whether `functions` counts time on
    a CPU, or time that passes. `native_frames`: whether it has those of C and C++. `budgets` maps a statistic of a
    series to a condition, in the text of the YAML.
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
        """Every dataset that is needed, its own first, each once."""
        services = [
            each for one in self.services for each in (one.dataset, *(stream.dataset for stream in one.streams))
        ]
        return tuple(dict.fromkeys(each for each in (self.dataset, *services) if each))

    @property
    def all_secrets(self) -> tuple[Secret, ...]:
        """Those of the app and of its services."""
        return (*self.secrets, *(each for service in self.services for each in service.secrets))


class Group(msgspec.Struct, frozen=True):
    """Targets, by name, that run on one agent after another or in alternation; `agent` is its label, "" for any.

    `secrets` are all of their credentials, each once.
    """

    name: str
    agent: str
    targets: tuple[str, ...]
    secrets: tuple[Secret, ...] = ()


class Plan(msgspec.Struct, frozen=True):
    """All that is to be run. `files` are Ant patterns, relative to the configuration's folder, an agent needs.

    `groups` say which targets share a stage and an agent.
    `warnings` list what this agent cannot measure of the targets that would run on it, where the agent was checked.
    """

    app: App
    image: str | None
    targets: tuple[Target, ...]
    files: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    groups: tuple[Group, ...] = ()
    version: int = 1
