"""The services of a target: those of all targets and its own, in the order in which they start."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import UNSET, UnsetType

from profileapp.config.document import DataPath
from profileapp.config.schema import Args, DatasetSection, Env, ReadySection, ServiceSection
from profileapp.config.schema import Secrets as SecretsSection
from profileapp.config.validate import did_you_mean
from profileapp.model.target import Dataset, Ready, Secret, Service, Stream
from profileapp.plan.duration import duration_s

APP_NAME = "app"
"""The host name of the app itself."""
PLAYBACK_NAME = "playback"
BROKER_IMAGE = "rabbitmq:3"
_BROKER_READY = Ready(tcp=5672, timeout_s=120.0)


class ServiceParts:
    """Expands the parts that services share with targets; each call gets the path of its value."""

    def __init__(
        self,
        dataset: Callable[[DataPath, str | DatasetSection], str | Dataset],
        args: Callable[[DataPath, Args | UnsetType], tuple[str, ...]],
        env: Callable[[DataPath, Env | UnsetType], dict[str, str]],
        secrets: Callable[[DataPath, SecretsSection | UnsetType], dict[str, Secret]],
        report_issue: Callable[[DataPath, str], None],
    ) -> None:
        self.dataset = dataset
        self.args = args
        self.env = env
        self.secrets = secrets
        self.report_issue = report_issue


def expand_services(
    lists: Sequence[tuple[DataPath, Sequence[ServiceSection]]], parts: ServiceParts
) -> tuple[Service, ...]:
    """The services of one target. Of two with one name in two `lists`, that of the later one holds."""
    services: dict[str, tuple[DataPath, Service]] = {}
    for where, sections in lists:
        here: set[str] = set()
        for index, section in enumerate(sections):
            service = _expand((*where, index), section, parts)
            if service.name in here:
                parts.report_issue(
                    (*where, index), f"is named '{service.name}', as another service is; names are unique"
                )
            here.add(service.name)
            services[service.name] = (*where, index), service
    players = [(where, service) for where, service in services.values() if service.streams]
    for where, _ in players[1:]:
        parts.report_issue((*where, "playback"), "is a second playback; one plays any number of names")
    return _in_order(services, parts)


def _expand(where: DataPath, section: ServiceSection, parts: ServiceParts) -> Service:
    streams = () if isinstance(section.playback, UnsetType) else section.playback
    if not streams and not isinstance(section.playback, UnsetType):
        parts.report_issue((*where, "playback"), "is empty, but must name what it plays")
    broker = "" if isinstance(section.broker, UnsetType) else section.broker
    given_name = PLAYBACK_NAME if streams else broker
    name = section.name if section.name is not UNSET else given_name
    image = "" if isinstance(section.image, UnsetType) else section.image.strip()
    if broker:
        image = image or BROKER_IMAGE
        for key in ("playback", "args", "dataset", "ready"):
            if getattr(section, key) is not UNSET:
                parts.report_issue((*where, key), "does not go with a broker, which is ready-made")
    if not name and not isinstance(section.playback, dict):
        parts.report_issue(where, "has no name, under which the app would reach it")
    if name == APP_NAME:
        parts.report_issue((*where, "name"), "is 'app', the name of the app itself")
    if not image and section.playback is UNSET:
        parts.report_issue(where, "has neither an image nor a playback nor a broker")
    if not image:
        for key in ("args", "env", "secrets", "dataset", "ready"):
            if getattr(section, key) is not UNSET and section.playback is not UNSET:
                parts.report_issue((*where, key), "is for a service with an image; the built-in playback needs none")
    return Service(
        name=name,
        image=image,
        args=parts.args((*where, "args"), section.args),
        env=parts.env((*where, "env"), section.env),
        secrets=tuple(parts.secrets((*where, "secrets"), section.secrets).values()),
        dataset=None if section.dataset is UNSET else parts.dataset((*where, "dataset"), section.dataset),
        ready=_BROKER_READY if broker else _ready((*where, "ready"), section.ready, parts),
        needs=() if isinstance(section.needs, UnsetType) else tuple(dict.fromkeys(section.needs)),
        streams=tuple(
            Stream(
                stream,
                parts.dataset((*where, "playback", stream), given),
                1.0 if isinstance(given, str) or isinstance(given.rate, UnsetType) else float(given.rate),
            )
            for stream, given in (section.playback.items() if isinstance(section.playback, dict) else ())
        ),
        broker=broker,
    )


def _ready(where: DataPath, section: ReadySection | UnsetType, parts: ServiceParts) -> Ready | None:
    if isinstance(section, UnsetType):
        return None
    given = {key: getattr(section, key) for key in ("http", "tcp", "log", "file") if getattr(section, key) is not UNSET}
    if len(given) != 1:
        parts.report_issue(where, "must have one of http, tcp, log and file")
    port = int(given["http"].partition("/")[0]) if "http" in given else 1
    if port > 65535:
        parts.report_issue((*where, "http"), f"has port {port}, but ports end at 65535")
    timeout_s = Ready().timeout_s
    if not isinstance(section.timeout, UnsetType):
        timeout_s = duration_s((*where, "timeout"), section.timeout, parts.report_issue)
    return Ready(**given, timeout_s=timeout_s)


def _in_order(services: dict[str, tuple[DataPath, Service]], parts: ServiceParts) -> tuple[Service, ...]:
    """As they are listed, but each behind those it needs."""
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
            parts.report_issue((*where, "needs"), f"goes round in a circle: {', '.join(waiting)} wait for one another")
            ready = list(waiting)
        ordered[ready[0]] = waiting.pop(ready[0])[1]
    return tuple(ordered.values())
