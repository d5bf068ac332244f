"""Measures the targets of a plan on this agent: state, lock, signals, one session."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from profileapp.collect.board_heat import hottest_c
from profileapp.collect.registry import sources
from profileapp.commands.progress import make_progress
from profileapp.commands.report import write_target
from profileapp.commands.runtime import runtime_to_sweep
from profileapp.errors import ConfigError, ImageError, ProfileappError
from profileapp.judge.verdict import JudgedRun, judge_folder
from profileapp.model.quantity import parse_duration_s, parse_quantity
from profileapp.model.target import Plan, Target
from profileapp.record.folder import RunFolder
from profileapp.run.agent.facts import build_facts
from profileapp.run.agent.state import State, open_state
from profileapp.run.agent.watchers import is_watched
from profileapp.run.docker.registry_login import RegistryLogin, take_login
from profileapp.run.launch import Limits
from profileapp.run.measuring import Measuring
from profileapp.run.progress import Progress
from profileapp.run.runtime import Runtime
from profileapp.run.secrets import take_secrets
from profileapp.run.session import Session
from profileapp.run.stop import Stop, StoppedError, Wake, stop_on_signals

if TYPE_CHECKING:
    from profileapp.run.dataset.cache import DatasetCache


class Means(NamedTuple):
    """Dependencies of a runtime."""

    state: State
    login: RegistryLogin | None
    stop: Stop
    progress: Progress


class Measured(NamedTuple):
    """The judged runs, the errors by target, and the signal that stopped the worker (0: none)."""

    judged: list[JudgedRun]
    failures: dict[str, ProfileappError]
    stop_signal: int


def measure(
    plan: Plan,
    config_folder: Path,
    out: Path,
    limits: Limits,
    make_runtime: Callable[[Means], Runtime],
    *,
    with_digest: bool = False,
) -> Measured:
    """Runs and judges the targets of a plan; their artifacts are in `out`. Raises ProfileappError if none can run.

    `with_digest`: with a digest of the samples, for a report that is made elsewhere.
    """
    state = open_state(os.environ)
    progress = make_progress(sys.stderr)
    wake = Wake()
    stop = Stop(wake)
    login = take_login(os.environ)
    session = Session(
        app=plan.app,
        runtime=make_runtime(Means(state, login, stop, progress)),
        limits=limits,
        build=build_facts(os.environ, config_folder),
        find_sources=sources,
        secrets=take_secrets(plan.targets, os.environ, login.secrets if login else ()),
        hottest_c=hottest_c,
        progress=progress,
        is_watched=partial(is_watched, state.lock_path),
        stop=stop,
        wake=wake,
    )
    folders: dict[str, RunFolder] = {}
    failures: dict[str, ProfileappError] = {}
    measuring = Measuring(
        session,
        plan.targets,
        config_folder,
        out,
        state,
        folders,
        other_runtime=lambda name: runtime_to_sweep(name, state),
        dataset_cache=_dataset_cache,
    )

    def failed(target: Target, error: ProfileappError) -> None:
        # An error of the first target usually affects all: stopping here loses no measurement.
        if isinstance(error, ConfigError | ImageError) and not folders:
            raise error
        error.args = (session.secrets.mask.text(str(error)),)
        is_new = str(error) not in map(str, failures.values())
        failures[target.name] = error
        if is_new:
            click.echo(f"profileapp: {target.name}: {error}", err=True)

    with stop_on_signals(stop), progress:
        try:
            measuring.measure(failed)
        except StoppedError:
            pass
        except ProfileappError as error:
            error.args = (session.secrets.mask.text(str(error)),)
            if session.secrets.mask:
                # --debug would show its cause, whose message comes from other programs and may contain a secret.
                raise error from None
            raise
        judged = [
            write_target(judge_folder(folder.path), failures, with_digest=with_digest) for folder in folders.values()
        ]
    return Measured(judged, failures, stop.signal)


def _dataset_cache() -> DatasetCache:
    # Only downloads of datasets need these imports.
    from profileapp.run.dataset.cache import (  # noqa: PLC0415
        DEFAULT_LIMIT_BYTES,
        LIMIT_VARIABLE,
        DatasetCache,
        cache_folder,
    )
    from profileapp.run.dataset.fetch import TIMEOUT_S, TIMEOUT_VARIABLE  # noqa: PLC0415
    from profileapp.run.net.reach import Reach  # noqa: PLC0415

    limit, timeout = os.environ.get(LIMIT_VARIABLE), os.environ.get(TIMEOUT_VARIABLE)
    return DatasetCache(
        cache_folder(os.environ),
        size_bytes(LIMIT_VARIABLE, limit) if limit else DEFAULT_LIMIT_BYTES,
        Reach.of(os.environ),
        _duration_s(TIMEOUT_VARIABLE, timeout) if timeout else TIMEOUT_S,
    )


def size_bytes(option: str, text: str) -> int:
    """The bytes of a size such as 2GiB. Raises ConfigError, which names `option`."""
    try:
        number, unit = parse_quantity(text)
    except ValueError as error:
        raise ConfigError(f"{option} {text!r}: {error}") from error
    if unit not in ("bytes", "") or number < 6 * 1024**2:
        raise ConfigError(f"{option} {text!r}: must be a size of at least 6MiB, such as 2GiB")
    return int(number)


def _duration_s(option: str, text: str) -> float:
    try:
        duration_s = parse_duration_s(text)
    except ValueError as error:
        raise ConfigError(f"{option} {text!r}: must be a duration such as 90m or 6h") from error
    if duration_s <= 0:
        raise ConfigError(f"{option} {text!r}: must be longer than 0")
    return duration_s
