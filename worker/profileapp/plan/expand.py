"""Expands a sage.yaml into the plan: fills in defaults, splits arguments, expands agents, names targets."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

import msgspec
from msgspec import UnsetType

from profileapp.config.document import DataPath, Place
from profileapp.config.issue import ConfigIssue, raise_issues
from profileapp.config.load import SageYaml
from profileapp.config.schema import CoolDown, TargetSection
from profileapp.config.services import DatasetSection
from profileapp.config.validate import did_you_mean, show
from profileapp.config.values import AUTO, COOLEST_C, HOTTEST_C, Args, Env, Secrets, optional
from profileapp.errors import ConfigError
from profileapp.model.budget import parse_budget
from profileapp.model.quantity import parse_temperature_c
from profileapp.model.target import SECRET_PREFIX, App, Dataset, Plan, Secret, Service, Target
from profileapp.plan.dataset import ant_patterns, check_dataset, check_url, is_archive
from profileapp.plan.duration import duration_s
from profileapp.plan.names import RESERVED, derived_name, first_free, slug, with_suffix
from profileapp.plan.services import ServiceParts, expand_services

INTERVAL_MIN_S = 0.01
INTERVAL_MAX_S = 600.0
TARGET_LIMIT = 500
LABEL_LIMIT = 200
ARGUMENT_LIMIT_BYTES = 128 * 1024 - 1
"""Linux's limit of one argument, or one variable with its name. Source: execve(2)."""


def make_plan(sage: SageYaml, image: str | None) -> Plan:
    """The plan of a sage.yaml. Raises ConfigError with every issue that the schema alone cannot detect."""
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
    """The path of a dataset next to the configuration; "" if it comes from a URL."""
    return dataset.path if isinstance(dataset, Dataset) else dataset or ""


def default_image(sage: SageYaml) -> str | None:
    """The image's name in Sage's app store, `namespace/name:version`; None if a part is missing.

    Source: Waggle Edge App Tutorials, "Publishing to ECR".
    """
    if not (sage.namespace and sage.version):
        return None
    return f"{sage.namespace}/{sage.name}:{sage.version}".lower()


class _Expansion:
    """Expands the targets of a file; collects issues on the way."""

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
            if isinstance(section.name, UnsetType):
                continue
            if section.name in self._taken:
                self._report_issue(
                    ("targets", index, "name"), f"is '{section.name}', the name of another target; names must be unique"
                )
            if section.name in RESERVED:
                self._report_issue(
                    ("targets", index, "name"), f"is '{section.name}', the name of one of profileapp's own files"
                )
            self._taken.add(section.name)

    def _expand(self, index: int, section: TargetSection) -> list[Target]:
        args = self._args(("targets", index, "args"), section.args)
        labels = [section.agent] if isinstance(section.agent, str) else section.agent
        where = self._sage.place(index, "agent")
        if not labels:
            self._report_issue(where, "is an empty list; leave it out to run on any agent")
        if any(len(label) > LABEL_LIMIT or not label.isprintable() for label in labels):
            self._report_issue(where, f"is not a Jenkins label: one line of at most {LABEL_LIMIT} characters")
        name = optional(section.name) or ""
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
        if len(set(section.metrics)) < len(section.metrics):
            self._report_issue(self._sage.place(index, "metrics"), "lists a metric twice")
        timeout_s = self._duration(index, "timeout", section.timeout)
        is_auto = section.warmup == AUTO
        warmup_s = 0.0 if is_auto else self._duration(index, "warmup", section.warmup)
        if timeout_s and warmup_s >= timeout_s:
            self._report_issue(
                self._sage.place(index, "warmup"),
                f"lasts {warmup_s:g} s, so nothing is left to measure of the timeout's {timeout_s:g} s",
            )
        target = Target(
            name=name,
            args=args,
            agent=agent.strip(),
            env=self._env(lambda key: self._sage.place(index, "env", key), section.env),
            secrets=self._secrets(index, section),
            dataset=None
            if isinstance(section.dataset, UnsetType)
            else self._dataset(self._sage.place(index, "dataset"), section.dataset),
            services=self._services(index, section),
            internet=optional(section.internet),
            timeout_s=timeout_s,
            on_timeout=section.on_timeout,
            grace_s=self._duration(index, "grace", section.grace),
            warmup_s=warmup_s,
            warmup_auto=is_auto,
            repeat=section.repeat,
            interval_s=self._interval(index, section),
            metrics=tuple(dict.fromkeys(section.metrics)),
            function_clock=section.function_clock,
            native_frames=section.native_frames,
            budgets=self._budgets(index, section),
        )
        if isinstance(section.cool_down, UnsetType):
            return target
        return self._cooled(index, section.cool_down, target)

    def _cooled(self, index: int, given: float | str | CoolDown, target: Target) -> Target:
        """A target that waits until the device is cool."""
        where = self._sage.place(index, "cool-down")
        if isinstance(given, CoolDown):
            where = (*where, "below")
        else:
            given = CoolDown(below=given)
        below_c = parse_temperature_c(given.below)
        if not COOLEST_C <= below_c <= HOTTEST_C:
            self._report_issue(where, f"is {below_c:g} °C, but must be from {COOLEST_C} to {HOTTEST_C} °C")
        timeout_s = duration_s((*where[:-1], "timeout"), given.timeout, self._report_issue)
        return msgspec.structs.replace(target, cool_below_c=below_c, cool_timeout_s=timeout_s)

    def _args(self, where: DataPath, given: Args) -> tuple[str, ...]:
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
                where, f"contains an argument of more than {ARGUMENT_LIMIT_BYTES} bytes, the limit of Linux"
            )
        if any("\0" in arg for arg in args):
            self._report_issue(where, "contains a NUL character, which a program cannot receive")
        return args

    def _env(self, place: Place, given: Env) -> dict[str, str]:
        """The variables; each as it is written in the file."""
        env = {key: self._sage.raw_scalar(place(key)) for key in given}
        for key, value in env.items():
            if key.startswith("PROFILEAPP_"):
                self._report_issue(place(key), "is a variable that profileapp itself sets", of_key=True)
            if len(f"{key}={value}".encode()) > ARGUMENT_LIMIT_BYTES:
                self._report_issue(place(key), f"has more than {ARGUMENT_LIMIT_BYTES} bytes, the limit of Linux")
            if "\0" in value:
                self._report_issue(place(key), "contains a NUL character, which a program cannot receive")
        return env

    def _secrets(self, index: int, section: TargetSection) -> tuple[Secret, ...]:
        for name in section.secrets.keys() & section.env.keys():
            where: DataPath = ("targets", index, "env", name)
            if self._sage.has(where):
                self._report_issue(where, "is also a credential in `secrets`", of_key=True)
        return self._credentials_of(lambda key: self._sage.place(index, "secrets", key), section.secrets)

    def _credentials_of(self, place: Place, given: Secrets) -> tuple[Secret, ...]:
        secrets = []
        for variable, credential in given.items():
            if variable.startswith("PROFILEAPP_"):
                self._report_issue(place(variable), "is a variable that profileapp itself sets", of_key=True)
            env_var = SECRET_PREFIX + re.sub("[^A-Za-z0-9]", "_", credential)
            if self._credentials.setdefault(env_var, credential) != credential:
                other = self._credentials[env_var]
                self._report_issue(place(variable), f"is '{credential}', which is too similar to '{other}'")
            secrets.append(Secret(variable, credential, env_var))
        return tuple(secrets)

    def _services(self, index: int, section: TargetSection) -> tuple[Service, ...]:
        parts = ServiceParts(
            self._dataset, self._args, self._env, self._credentials_of, self._sage.has, self._report_issue
        )
        return expand_services(
            [(("services",), self._profiling.services), (("targets", index, "services"), section.services)], parts
        )

    def _dataset(self, where: DataPath, given: str | DatasetSection) -> str | Dataset:
        if isinstance(given, str):
            given = DatasetSection(path=given, unpack=False)
        path, url, sha256 = (optional(value) or "" for value in (given.path, given.url, given.sha256))
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
        for key, condition in section.budgets.items():
            try:
                parse_budget(key, condition)
            except ValueError as error:
                where = self._sage.place(index, "budgets", key)
                self._report_issue(where, str(error), of_key="statistics" in str(error))
        return section.budgets

    def _interval(self, index: int, section: TargetSection) -> float:
        interval_s = self._duration(index, "interval", section.interval)
        if not INTERVAL_MIN_S <= interval_s <= INTERVAL_MAX_S:
            self._report_issue(
                self._sage.place(index, "interval"), f"is {interval_s:g} s, but must be from 10ms to 10m"
            )
        return interval_s

    def _duration(self, index: int, key: str, given: float | str) -> float:
        return duration_s(self._sage.place(index, key), given, self._report_issue)

    def _report_issue(self, path: DataPath, text: str, *, of_key: bool = False) -> None:
        issue = ConfigIssue((*self._sage.section.at, *path), text, of_key)
        if issue not in self.issues:
            self.issues.append(issue)


def select(plan: Plan, names: Sequence[str]) -> Plan:
    """The plan with only the named targets, in the plan's order; all if no name is given.

    Raises ConfigError for an unknown name.
    """
    if not names:
        return plan
    known = [target.name for target in plan.targets]
    for name in names:
        if name not in known:
            raise ConfigError(f"no target is named {show(name)}{did_you_mean(name, known)}")
    return msgspec.structs.replace(plan, targets=tuple(each for each in plan.targets if each.name in names))
