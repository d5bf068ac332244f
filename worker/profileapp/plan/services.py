"""The services of a target, common ones and its own, in starting order."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import UnsetType

from profileapp.config.document import DataPath, Place
from profileapp.config.services import (
    BROKER_IMAGE,
    PLAYBACK_NAME,
    DatasetSection,
    ReadySection,
    ServiceSection,
    StreamSection,
)
from profileapp.config.validate import did_you_mean
from profileapp.config.values import Args, Env, Secrets, optional
from profileapp.model.target import Dataset, Ready, Secret, Service, Stream
from profileapp.plan.duration import duration_s

APP_NAME = "app"
"""The host name of the app itself."""
_NOT_WITH_BROKER = "is not allowed with a broker, which is built in"
_NOT_WITHOUT_IMAGE = "needs an image; the built-in playback does not support it"
_BROKER_READY = Ready(tcp=5672, timeout_s=120.0)


class ServiceParts:
    """Expands the parts that services share with targets; each call gets the path of its value."""

    def __init__(
        self,
        dataset: Callable[[DataPath, str | DatasetSection], str | Dataset],
        args: Callable[[DataPath, Args], tuple[str, ...]],
        env: Callable[[Place, Env], dict[str, str]],
        secrets: Callable[[Place, Secrets], tuple[Secret, ...]],
        has: Callable[[DataPath], bool],
        report_issue: Callable[[DataPath, str], None],
    ) -> None:
        self.dataset = dataset
        self.args = args
        self.env = env
        self.secrets = secrets
        self.has = has
        self.report_issue = report_issue


def expand_services(
    lists: Sequence[tuple[DataPath, Sequence[ServiceSection]]], parts: ServiceParts
) -> tuple[Service, ...]:
    """The services of one target. If two `lists` have a service of the same name, the later list wins."""
    services: dict[str, tuple[DataPath, Service]] = {}
    for where, sections in lists:
        here: set[str] = set()
        for index, section in enumerate(sections):
            service = _expand((*where, index), section, parts)
            if service.name in here:
                parts.report_issue(
                    (*where, index), f"is named '{service.name}', like another service; names must be unique"
                )
            here.add(service.name)
            services[service.name] = (*where, index), service
    players = [(where, service) for where, service in services.values() if service.streams]
    for where, _ in players[1:]:
        parts.report_issue((*where, "playback"), "is a second playback; one playback plays any number of streams")
    return _in_order(services, parts)


def _expand(where: DataPath, section: ServiceSection, parts: ServiceParts) -> Service:
    playback = optional(section.playback)
    if playback == {}:
        parts.report_issue((*where, "playback"), "is empty, but must name its streams")
    broker = optional(section.broker) or ""
    name = optional(section.name) or (PLAYBACK_NAME if playback else broker)
    image = (optional(section.image) or "").strip() or (BROKER_IMAGE if broker else "")
    if broker:
        _report_given(where, ("playback", "args", "dataset", "ready"), _NOT_WITH_BROKER, parts)
    if not name and playback is None:
        parts.report_issue(where, "has no name, by which the app reaches it")
    if name == APP_NAME:
        parts.report_issue((*where, "name"), "is 'app', the name of the app itself")
    if not image and playback is None:
        parts.report_issue(where, "has no image, playback or broker")
    if not image and playback is not None:
        _report_given(where, ("args", "env", "secrets", "dataset", "ready"), _NOT_WITHOUT_IMAGE, parts)
    ready = optional(section.ready)
    return Service(
        name=name,
        image=image,
        args=parts.args((*where, "args"), section.args),
        env=parts.env(lambda key: (*where, "env", key), section.env),
        secrets=parts.secrets(lambda key: (*where, "secrets", key), section.secrets),
        dataset=None if isinstance(section.dataset, UnsetType) else parts.dataset((*where, "dataset"), section.dataset),
        ready=_BROKER_READY if broker else None if ready is None else _ready((*where, "ready"), ready, parts),
        needs=tuple(dict.fromkeys(section.needs)),
        streams=tuple(
            _stream((*where, "playback", stream), stream, given, parts) for stream, given in (playback or {}).items()
        ),
        broker=broker,
    )


def _report_given(where: DataPath, keys: Sequence[str], text: str, parts: ServiceParts) -> None:
    for key in keys:
        if parts.has((*where, key)):
            parts.report_issue((*where, key), text)


def _stream(where: DataPath, name: str, given: str | StreamSection, parts: ServiceParts) -> Stream:
    dataset = parts.dataset(where, given)
    return Stream(name, dataset) if isinstance(given, str) else Stream(name, dataset, given.rate)


def _ready(where: DataPath, section: ReadySection, parts: ServiceParts) -> Ready:
    ready = Ready(
        http=optional(section.http) or "",
        tcp=optional(section.tcp) or 0,
        log=optional(section.log) or "",
        file=optional(section.file) or "",
        timeout_s=duration_s((*where, "timeout"), section.timeout, parts.report_issue),
    )
    if sum(map(bool, (ready.http, ready.tcp, ready.log, ready.file))) != 1:
        parts.report_issue(where, "must have one of http, tcp, log and file")
    port = int(ready.http.partition("/")[0] or 0)
    if port > 65535:
        parts.report_issue((*where, "http"), f"has port {port}, but the highest port is 65535")
    return ready


def _in_order(services: dict[str, tuple[DataPath, Service]], parts: ServiceParts) -> tuple[Service, ...]:
    """In the listed order, but each after the services it needs."""
    for where, service in services.values():
        for index, needed in enumerate(service.needs):
            if needed not in services:
                parts.report_issue(
                    (*where, "needs", index),
                    f"is '{needed}', which is not a service{did_you_mean(needed, list(services))}",
                )
    ordered: dict[str, Service] = {}
    waiting = dict(services)
    while waiting:
        ready = [name for name, (_, one) in waiting.items() if all(each not in waiting for each in one.needs)]
        if not ready:
            where, _ = next(iter(waiting.values()))
            parts.report_issue((*where, "needs"), f"is circular: {', '.join(waiting)} wait for one another")
            ready = list(waiting)
        ordered[ready[0]] = waiting.pop(ready[0])[1]
    return tuple(ordered.values())
