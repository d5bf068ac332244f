"""The `profiling:` section: each of its keys is declared once, with its type, default, limits and meaning.

From these records come validation, `profileapp schema config`, the reference table in the docs, and the plan. A default
that a run's record has too is taken from there. UNSET stands for a key without a default.
"""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from profileapp.config.services import DatasetValue, Services
from profileapp.config.values import Args, Duration, DurationOrAuto, Env, Secrets, Temperature, key
from profileapp.model.series import METRICS
from profileapp.model.target import NAME_PATTERN, FunctionClock, OnTimeout, Target

Metric = Literal["system", "container", "gpu-memory", "gpu-summary", "energy", "tau", "functions", "custom"]
Metrics = Annotated[
    tuple[Metric, ...],
    key("What to measure. " + "; ".join(f"`{word}`: {text}" for word, text in METRICS.items()) + "."),
]
_DEFAULT_METRICS: tuple[Metric, ...] = ("system", "container")
_TARGET = Target("")


class CoolDown(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """How cool the device must be, and how long that may take."""

    below: Annotated[Temperature, key("The temperature to reach, in °C.", examples=["45 °C"])]
    timeout: Annotated[Duration, key("How long to wait; after that, the repeat starts anyway, with a warning.")] = (
        _TARGET.cool_timeout_s
    )


class Defaults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """Default values for every target."""

    agent: Annotated[
        str | list[str],
        key(
            "Jenkins label of the agents to run on. With a list, each label becomes a separate target. "
            "Default: any agent.",
            examples=["jetson-orin", ["jetson-nano", "jetson-orin"]],
        ),
    ] = _TARGET.agent
    env: Env = {}
    secrets: Secrets = {}
    dataset: DatasetValue | UnsetType = UNSET
    internet: (
        Annotated[
            bool,
            key(
                "Whether the app and its services can reach hosts outside the agent. Default: no. "
                "If they can, they also reach ports that listen on all of the agent's addresses."
            ),
        ]
        | UnsetType
    ) = UNSET
    timeout: Annotated[
        Duration,
        key("How long the app runs, in seconds or as text; 0: until it exits by itself.", examples=[120, "2m"]),
    ] = _TARGET.timeout_s
    on_timeout: Annotated[
        OnTimeout,
        key("Whether reaching the timeout is the normal end of the profile or a failure of the app."),
    ] = _TARGET.on_timeout
    grace: Annotated[
        Duration, key("Time between the SIGTERM at the timeout and the SIGKILL.", examples=[10, "30s"])
    ] = _TARGET.grace_s
    warmup: Annotated[
        DurationOrAuto,
        key(
            "Time at the start of each repeat that is recorded but excluded from summary and budgets; `auto`: until "
            "the repeat's samples settle."
        ),
    ] = _TARGET.warmup_s
    cool_down: (
        Annotated[
            Temperature | CoolDown,
            key(
                "Before each repeat, wait until the hottest sensor of the device (the kernel's thermal zones, "
                "GPUs through NVML) is below this temperature. Default: do not wait.",
                examples=["45 °C", {"below": "45 °C", "timeout": "5m"}],
            ),
        ]
        | UnsetType
    ) = UNSET
    repeat: Annotated[
        int,
        key(
            "How many times to start and measure the app. The repeats of several targets are interleaved: "
            "the first of each, then the second of each.",
            ge=1,
            le=1000,
        ),
    ] = _TARGET.repeat
    interval: Annotated[Duration, key("Time between two samples, 10ms to 10m.", examples=[1, "100ms"])] = (
        _TARGET.interval_s
    )
    metrics: Metrics = _DEFAULT_METRICS
    function_clock: Annotated[
        FunctionClock,
        key(
            "For `functions`: whether a function's time is CPU time or wall-clock time, which includes waiting "
            "and sleeping."
        ),
    ] = _TARGET.function_clock
    native_frames: Annotated[
        bool,
        key(
            "For `functions`: also show the frames of C, C++ and Rust. py-spy then pauses the app for each "
            "sample, which slows it down by a few percent; otherwise it reads the memory of the running app."
        ),
    ] = _TARGET.native_frames
    budgets: Annotated[
        dict[Annotated[str, key(max_length=300)], Annotated[str, key(max_length=100)]],
        key(
            "Limits: a statistic of a series (count, mean, stddev, min, p50, p90, p95, p99, max, last) "
            "and a condition. `@PHASE` after the statistic limits it to that phase of the app, `@!PHASE` to the time "
            "outside it.",
            examples=[{"fps.mean": ">= 10", "container.memory.used.max": "<= 2 GiB", "fps.mean@inference": ">= 25"}],
        ),
    ] = {}


class TargetSection(Defaults, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """One way of running the app."""

    args: Args = ""
    name: (
        Annotated[
            str,
            key(
                "The target's name: up to 63 lower-case letters, digits, '.', '_' and '-'. "
                "Default: derived from the arguments.",
                pattern=NAME_PATTERN,
                examples=["gpu"],
                allowed="1 to 63 of a-z, 0-9, '.', '_' and '-', the first a letter or digit",
            ),
        ]
        | UnsetType
    ) = UNSET
    services: Services = []


class Profiling(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """The `profiling:` section of a sage.yaml."""

    targets: Annotated[list[TargetSection], key("The ways to run the app.", min_length=1, max_length=500)]
    metrics: Metrics = _DEFAULT_METRICS
    services: Services = []
    defaults: Annotated[Defaults, key("Default values for the keys of every target.")] | UnsetType = UNSET


@cache
def profiling_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of the `profiling:` section."""
    return msgspec.json.schema(Profiling)


@cache
def overlay_schema() -> dict[str, Any]:
    """JSON Schema of a saved configuration: the same keys, of which none need be there."""
    schema = deepcopy(profiling_schema())
    schema["$defs"]["Profiling"]["required"] = []
    return schema
