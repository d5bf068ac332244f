"""From a sage.yaml to the plan: defaults filled in, arguments split, agents spread, names given."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from profileapp.config.document import DataPath
from profileapp.config.issue import ConfigIssue, raise_issues
from profileapp.config.load import SageYaml
from profileapp.config.schema import AUTO, Args, CoolDown, DatasetSection, Defaults, Env, Secrets, TargetSection
from profileapp.config.validate import did_you_mean, show
from profileapp.errors import ConfigError
from profileapp.model.budget import parse_budget
from profileapp.model.quantity import parse_temperature_c
from profileapp.model.target import SECRET_PREFIX, App, Dataset, FunctionClock, OnTimeout, Plan, Secret, Service, Target
from profileapp.plan.dataset import ant_patterns, check_dataset, check_url, is_archive
from profileapp.plan.duration import duration_s
from profileapp.plan.names import RESERVED, derived_name, first_free, slug, with_suffix
from profileapp.plan.services import ServiceParts, expand_services

INTERVAL_MIN_S = 0.01
INTERVAL_MAX_S = 600.0
TARGET_LIMIT = 500
LABEL_LIMIT = 200
ARGUMENT_LIMIT_BYTES = 128 * 1024 - 1
"""What Linux takes as one argument, or as one variable with its name. Source: execve(2)."""

_DEFAULT = Target("")

T = TypeVar("T")


@dataclass(frozen=True)
class _Key(Generic[T]):
    """A key of a target that `defaults` may have too: its name, how it is read, and what it is where neither has it."""

    name: str
    of: Callable[[Defaults], T | UnsetType]
    default: T


_AGENT: _Key[str | list[str]] = _Key("agent", lambda scope: scope.agent, "")
_DATASET: _Key[str | DatasetSection | None] = _Key("dataset", lambda scope: scope.dataset, None)
_INTERNET: _Key[bool | None] = _Key("internet", lambda scope: scope.internet, _DEFAULT.internet)
_TIMEOUT: _Key[float | str] = _Key("timeout", lambda scope: scope.timeout, _DEFAULT.timeout_s)
_ON_TIMEOUT: _Key[OnTimeout] = _Key("on-timeout", lambda scope: scope.on_timeout, _DEFAULT.on_timeout)
_GRACE: _Key[float | str] = _Key("grace", lambda scope: scope.grace, _DEFAULT.grace_s)
_WARMUP: _Key[float | str] = _Key("warmup", lambda scope: scope.warmup, _DEFAULT.warmup_s)
_COOL_DOWN: _Key[str | float | CoolDown | None] = _Key("cool-down", lambda scope: scope.cool_down, None)
_REPEAT: _Key[int] = _Key("repeat", lambda scope: scope.repeat, _DEFAULT.repeat)
_INTERVAL: _Key[float | str] = _Key("interval", lambda scope: scope.interval, _DEFAULT.interval_s)
_METRICS: _Key[Sequence[str] | None] = _Key("metrics", lambda scope: scope.metrics, None)
_FUNCTION_CLOCK: _Key[FunctionClock] = _Key(
    "function-clock", lambda scope: scope.function_clock, _DEFAULT.function_clock
)
_NATIVE_FRAMES: _Key[bool] = _Key("native-frames", lambda scope: scope.native_frames, _DEFAULT.native_frames)


def make_plan(sage: SageYaml, image: str | None) -> Plan:
    """The plan of a sage.yaml. Raises ConfigError with every mistake that the schema alone cannot see."""
    expansion = _Expansion(sage)
    targets = expansion.targets()
    raise_issues(sage.section.path, sage.section.document, expansion.issues)
    datasets = sorted({path for target in targets for each in target.datasets for path in [_local_path(each)] if path})
    return Plan(
        app=App(sage.name, sage.version),
        image=image or default_image(sage),
        targets=targets,
        files=(*(path.name for path in sage.files), *ant_patterns(sage.path.parent, datasets)),
    )


def _local_path(dataset: str | Dataset | None) -> str:
    """The path of a dataset beside the configuration; "" where it comes from elsewhere."""
    return dataset.path if isinstance(dataset, Dataset) else dataset or ""


def default_image(sage: SageYaml) -> str | None:
    """The image as Sage's app store names it, `namespace/name:version`; None where one of the three is missing.

    Source: Waggle Edge App Tutorials, "Publishing to ECR".
    """
    if not (sage.namespace and sage.version):
        return None
    return f"{sage.namespace}/{sage.name}:{sage.version}".lower()


class _Expansion:
    """One walk over the targets of a file; collects issues on the way."""

    def __init__(self, sage: SageYaml) -> None:
        self.issues: list[ConfigIssue] = []
        self._sage = sage
        self._profiling = sage.profiling
        self._taken: set[str] = set()
        self._credentials: dict[str, str] = {}

    def targets(self) -> tuple[Target, ...]:
        sections = self._profiling.targets
        self._take_given_names(sections)
        targets = [each for index, section in enumerate(sections) for each in self._expand(index, section)]
        if len(targets) > TARGET_LIMIT:
            self._report_issue(("targets",), f"expands to {len(targets)} targets, but may to at most {TARGET_LIMIT}")
        return tuple(targets)

    def _take_given_names(self, sections: Sequence[TargetSection]) -> None:
        for index, section in enumerate(sections):
            if section.name is UNSET:
                continue
            if section.name in self._taken:
                self._report_issue(
                    ("targets", index, "name"), f"is '{section.name}', as another target is; names are unique"
                )
            if section.name in RESERVED:
                self._report_issue(("targets", index, "name"), f"is '{section.name}', a name of profileapp's own files")
            self._taken.add(section.name)

    def _expand(self, index: int, section: TargetSection) -> list[Target]:
        args = self._args(("targets", index, "args"), section.args)
        where, agents = self._given(index, section, _AGENT)
        labels = [agents] if isinstance(agents, str) else agents
        if not labels:
            self._report_issue(where, "is an empty list; leave it out to run on any agent")
        if any(len(label) > LABEL_LIMIT or not label.isprintable() for label in labels):
            self._report_issue(where, f"is no label of Jenkins: one line of at most {LABEL_LIMIT} characters")
        name = section.name if section.name is not UNSET else ""
        targets = []
        for label in labels:
            shared = name or derived_name(args)
            base = with_suffix(shared, slug(label) or "any") if len(labels) > 1 else shared
            unique = base if name and len(labels) == 1 else first_free(base, self._taken)
            self._taken.add(unique)
            target = self._target(index, section, unique, args, label)
            targets.append(msgspec.structs.replace(target, shared_name=shared) if len(labels) > 1 else target)
        return targets

    def _target(self, index: int, section: TargetSection, name: str, args: tuple[str, ...], agent: str) -> Target:
        metrics_at, metrics = self._given(index, section, _METRICS)
        if metrics is None:
            metrics_at = ("metrics",)
            shared = self._profiling.metrics
            metrics = ["system", "container"] if isinstance(shared, UnsetType) else shared
        if len(set(metrics)) < len(metrics):
            self._report_issue(metrics_at, "names a metric twice")
        timeout_s = self._duration(index, section, _TIMEOUT)
        is_auto = self._given(index, section, _WARMUP)[1] == AUTO
        warmup_s = 0.0 if is_auto else self._duration(index, section, _WARMUP)
        if timeout_s and warmup_s >= timeout_s:
            self._report_issue(
                self._given(index, section, _WARMUP)[0],
                f"lasts {warmup_s:g} s, so nothing is left to measure of the timeout's {timeout_s:g} s",
            )
        cool_below_c, cool_timeout_s = self._cool_down(index, section)
        return Target(
            name=name,
            args=args,
            agent=agent.strip(),
            env=self._env(index, section),
            secrets=self._secrets(index, section),
            dataset=self._dataset(index, section),
            services=self._services(index, section),
            internet=self._given(index, section, _INTERNET)[1],
            timeout_s=timeout_s,
            on_timeout=self._given(index, section, _ON_TIMEOUT)[1],
            grace_s=self._duration(index, section, _GRACE),
            warmup_s=warmup_s,
            warmup_auto=is_auto,
            cool_below_c=cool_below_c,
            cool_timeout_s=cool_timeout_s,
            repeat=self._given(index, section, _REPEAT)[1],
            interval_s=self._interval(index, section),
            metrics=tuple(dict.fromkeys(metrics)),
            function_clock=self._given(index, section, _FUNCTION_CLOCK)[1],
            native_frames=self._given(index, section, _NATIVE_FRAMES)[1],
            budgets=self._budgets(index, section),
        )

    def _cool_down(self, index: int, section: TargetSection) -> tuple[float | None, float]:
        where, given = self._given(index, section, _COOL_DOWN)
        if given is None:
            return None, _DEFAULT.cool_timeout_s
        if not isinstance(given, CoolDown):
            given = CoolDown(below=given)
        else:
            where = (*where, "below")
        below_c = parse_temperature_c(given.below)
        if not 1 <= below_c <= 120:
            self._report_issue(where, f"is {below_c:g} °C, but must be from 1 to 120 °C")
        timeout = given.timeout
        if isinstance(timeout, UnsetType):
            return below_c, _DEFAULT.cool_timeout_s
        return below_c, duration_s((*where[:-1], "timeout"), timeout, self._report_issue)

    def _args(self, where: DataPath, given: Args | UnsetType) -> tuple[str, ...]:
        if isinstance(given, UnsetType):
            return ()
        if isinstance(given, str):
            try:
                args = tuple(shlex.split(given))
            except ValueError as error:
                self._report_issue(where, f"is {show(given)}, which a shell cannot split ({error}); write a list")
                return ()
        else:
            args = tuple(self._sage.raw_scalar((*where, position)) for position in range(len(given)))
        if any(len(arg.encode()) > ARGUMENT_LIMIT_BYTES for arg in args):
            self._report_issue(
                where, f"holds an argument of more than {ARGUMENT_LIMIT_BYTES} bytes, which no program can be given"
            )
        if any("\0" in arg for arg in args):
            self._report_issue(where, "contains a NUL character, which a program cannot receive")
        return args

    def _env(self, index: int, section: TargetSection) -> dict[str, str]:
        """The defaults' variables, and the target's own over them; each as it is written."""
        env: dict[str, str] = {}
        for where, scope in (self._defaults_scope(), (("targets", index), section)):
            if scope is not None:
                env |= self._one_env((*where, "env"), scope.env)
        return env

    def _one_env(self, where: DataPath, given: Env | UnsetType) -> dict[str, str]:
        env = {} if isinstance(given, UnsetType) else {key: self._sage.raw_scalar((*where, key)) for key in given}
        for key, value in env.items():
            if key.startswith("PROFILEAPP_"):
                self._report_issue((*where, key), "is a variable that profileapp itself sets", of_key=True)
            if len(f"{key}={value}".encode()) > ARGUMENT_LIMIT_BYTES:
                self._report_issue(
                    (*where, key), f"has more than {ARGUMENT_LIMIT_BYTES} bytes, which no program can be given"
                )
            if "\0" in value:
                self._report_issue((*where, key), "contains a NUL character, which a program cannot receive")
        return env

    def _secrets(self, index: int, section: TargetSection) -> tuple[Secret, ...]:
        """The defaults' credentials, and the target's own over them."""
        secrets: dict[str, Secret] = {}
        for where, scope in (self._defaults_scope(), (("targets", index), section)):
            if scope is not None:
                secrets |= self._one_secrets((*where, "secrets"), scope.secrets)
        env = {} if isinstance(section.env, UnsetType) else section.env
        for name in secrets.keys() & env.keys():
            self._report_issue(("targets", index, "env", name), "is a credential too, by `secrets`", of_key=True)
        return tuple(secrets.values())

    def _one_secrets(self, where: DataPath, given: Secrets | UnsetType) -> dict[str, Secret]:
        secrets: dict[str, Secret] = {}
        for variable, credential in ({} if isinstance(given, UnsetType) else given).items():
            if variable.startswith("PROFILEAPP_"):
                self._report_issue((*where, variable), "is a variable that profileapp itself sets", of_key=True)
            env_var = SECRET_PREFIX + re.sub("[^A-Za-z0-9]", "_", credential)
            if self._credentials.setdefault(env_var, credential) != credential:
                other = self._credentials[env_var]
                self._report_issue((*where, variable), f"is '{credential}', too like '{other}' to be told apart")
            secrets[variable] = Secret(variable, credential, env_var)
        return secrets

    def _services(self, index: int, section: TargetSection) -> tuple[Service, ...]:
        lists = (("services",), self._profiling.services), (("targets", index, "services"), section.services)
        parts = ServiceParts(self._one_dataset, self._args, self._one_env, self._one_secrets, self._report_issue)
        return expand_services([(where, given) for where, given in lists if not isinstance(given, UnsetType)], parts)

    def _dataset(self, index: int, section: TargetSection) -> str | Dataset | None:
        where, given = self._given(index, section, _DATASET)
        return self._one_dataset(where, given) if given is not None else None

    def _one_dataset(self, where: DataPath, given: str | DatasetSection) -> str | Dataset:
        if isinstance(given, str):
            given = DatasetSection(path=given, unpack=False)
        path, url, sha256 = (value if value is not UNSET else "" for value in (given.path, given.url, given.sha256))
        if bool(path) == bool(url):
            self._report_issue(where, "must have either a path or a url")
        unpack = is_archive(path or url.partition("?")[0]) if isinstance(given.unpack, UnsetType) else given.unpack
        dataset = Dataset(path.rstrip("/"), url, sha256.lower(), unpack)
        problem = check_url(dataset) if url else check_dataset(self._sage.path.parent, path)
        if problem:
            self._report_issue(where, f"is {show(path or url)}{problem}")
        elif path and (unpack or sha256) and not (self._sage.path.parent / path).is_file():
            self._report_issue(where, f"is {show(path)}, a folder, which has no checksum and cannot be unpacked")
        return dataset if url or unpack or sha256 else dataset.path

    def _budgets(self, index: int, section: TargetSection) -> dict[str, str]:
        budgets: dict[str, str] = {}
        for where, scope in (self._defaults_scope(), (("targets", index), section)):
            if scope is None or isinstance(scope.budgets, UnsetType):
                continue
            for key, condition in scope.budgets.items():
                try:
                    parse_budget(key, condition)
                except ValueError as error:
                    self._report_issue((*where, "budgets", key), str(error), of_key="statistics" in str(error))
            budgets |= scope.budgets
        return budgets

    def _interval(self, index: int, section: TargetSection) -> float:
        interval_s = self._duration(index, section, _INTERVAL)
        if not INTERVAL_MIN_S <= interval_s <= INTERVAL_MAX_S:
            where = self._given(index, section, _INTERVAL)[0]
            self._report_issue(where, f"is {interval_s:g} s, but must be from 10ms to 10m")
        return interval_s

    def _duration(self, index: int, section: TargetSection, key: _Key[float | str]) -> float:
        where, value = self._given(index, section, key)
        return duration_s(where, value, self._report_issue)

    def _defaults_scope(self) -> tuple[DataPath, Defaults | None]:
        defaults = self._profiling.defaults
        return ("defaults",), None if isinstance(defaults, UnsetType) else defaults

    def _given(self, index: int, section: TargetSection, key: _Key[T]) -> tuple[DataPath, T]:
        """The path and value of a key: from the target, else from the defaults, else its default."""
        for where, scope in ((("targets", index), section), self._defaults_scope()):
            value = UNSET if scope is None else key.of(scope)
            if not isinstance(value, UnsetType):
                return (*where, key.name), value
        return ("targets", index), key.default

    def _report_issue(self, path: DataPath, text: str, *, of_key: bool = False) -> None:
        issue = ConfigIssue((*self._sage.section.at, *path), text, of_key)
        if issue not in self.issues:
            self.issues.append(issue)


def select(plan: Plan, names: Sequence[str]) -> Plan:
    """The plan with only the targets named, in the plan's order; all where none is named.

    Raises ConfigError for an unknown name.
    """
    if not names:
        return plan
    known = [target.name for target in plan.targets]
    for name in names:
        if name not in known:
            raise ConfigError(f"no target is named {show(name)}{did_you_mean(name, known)}")
    return msgspec.structs.replace(plan, targets=tuple(each for each in plan.targets if each.name in names))
