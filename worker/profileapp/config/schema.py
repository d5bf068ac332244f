"""The `profiling:` section: the one source of truth of its keys.

Validation, `profileapp schema config` and the reference table in the docs are all made from these records.
"""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from profileapp.model.quantity import DURATION_PATTERN, TEMPERATURE_PATTERN
from profileapp.model.series import METRICS
from profileapp.model.target import ARCHIVE_SUFFIXES, NAME_PATTERN, Target

_TARGET = Target("")
"""Of which each default is, so that it stands in one place: the plan's."""


def _default(value: str | float | bool) -> dict[str, str | float | bool]:
    """The default of a key, as JSON Schema has it; 10.0 as people write it."""
    return {"default": int(value) if isinstance(value, float) and value.is_integer() else value}


Metric = Literal["system", "container", "gpu-memory", "gpu-summary", "energy", "tau", "functions", "custom"]

Scalar = str | int | float | bool
"""A text value for the app. Numbers and words like `on` keep their spelling, so they need no quotes."""

Duration = (
    Annotated[int, Meta(ge=0, le=31_536_000)]
    | Annotated[float, Meta(ge=0, le=31_536_000)]
    | Annotated[
        str,
        Meta(
            pattern=DURATION_PATTERN,
            max_length=20,
            extra_json_schema={"x-allowed": "text such as 500ms, 90s, 2m or 1.5h"},
        ),
    ]
)

Args = Annotated[
    str | list[Scalar],
    Meta(
        description="The app's arguments: one line, split as a shell would split it (no shell runs it), or a list.",
        examples=["--use-gpu -interval 1", ["--use-gpu", "-interval", 1]],
    ),
]
Agent = Annotated[
    str | list[str],
    Meta(
        description="Jenkins label of the agents to run on. With a list, each label becomes a separate target. "
        "Default: any agent.",
        examples=["jetson-orin", ["jetson-nano", "jetson-orin"]],
    ),
]
Env = Annotated[
    dict[
        Annotated[
            str,
            Meta(
                pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
                max_length=200,
                extra_json_schema={"x-allowed": "letters, digits and '_', the first no digit"},
            ),
        ],
        Scalar,
    ],
    Meta(
        description="The app's environment variables.",
        examples=[{"OMP_NUM_THREADS": 4}],
        extra_json_schema={"maxProperties": 200},
    ),
]
Secrets = Annotated[
    dict[
        Annotated[
            str,
            Meta(
                pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
                max_length=200,
                extra_json_schema={"x-allowed": "letters, digits and '_', the first no digit"},
            ),
        ],
        Annotated[
            str,
            Meta(
                pattern=r"^[A-Za-z0-9_.-]{1,200}$",
                extra_json_schema={"x-allowed": "the id of a credential: letters, digits, '_', '.' and '-'"},
            ),
        ],
    ],
    Meta(
        description="Environment variables whose values are Jenkins credentials (secret texts), given by ID; "
        "profileApp() must allow them. The values are masked in everything that is stored.",
        examples=[{"API_KEY": "weather-api"}],
        extra_json_schema={"maxProperties": 50},
    ),
]
Sha256 = Annotated[
    str,
    Meta(
        pattern=r"^[0-9a-fA-F]{64}$",
        description="SHA-256 of the file, as `sha256sum` prints it; required with `url`.",
        extra_json_schema={"x-allowed": "64 hexadecimal digits"},
    ),
]


class DatasetSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """A dataset that the agent gets or unpacks."""

    path: (
        Annotated[
            str,
            Meta(
                max_length=500, description="A folder, file or archive next to the sage.yaml.", examples=["traffic.zip"]
            ),
        ]
        | UnsetType
    ) = UNSET
    url: (
        Annotated[
            str,
            Meta(
                max_length=2000,
                description="URL of a file or archive: http, https, or s3 and gs (with the worker's `s3` extra). "
                "The agent caches it by checksum.",
                examples=["https://data.example.org/traffic.tar.gz"],
            ),
        ]
        | UnsetType
    ) = UNSET
    sha256: Sha256 | UnsetType = UNSET
    unpack: (
        Annotated[
            bool,
            Meta(
                description="Whether to unpack a zip or tar archive. Default: yes, if its name ends in one of "
                f"{', '.join(ARCHIVE_SUFFIXES)}."
            ),
        ]
        | UnsetType
    ) = UNSET


Dataset = Annotated[
    Annotated[str, Meta(max_length=500)] | DatasetSection,
    Meta(
        description="A folder or file next to the sage.yaml, or where to download one; the app sees it read-only at "
        "/dataset.",
        examples=["traffic/", {"url": "https://data.example.org/traffic.tar.gz", "sha256": "9f86…"}],
        extra_json_schema={"x-allowed": "a path, or a mapping (see below)"},
    ),
]
ServiceName = Annotated[
    str,
    Meta(
        pattern=r"^[a-z][a-z0-9-]{0,30}$",
        extra_json_schema={"x-allowed": "1 to 31 of a-z, 0-9 and '-', the first a letter"},
    ),
]


class ReadySection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """When a service is ready: one of `http`, `tcp`, `log` and `file`."""

    http: (
        Annotated[
            str,
            Meta(
                pattern=r"^[1-9][0-9]{0,4}(/[!-~]{0,500})?$",
                description="A port and path that answer with a status below 400.",
                examples=["8080/health"],
                extra_json_schema={"x-allowed": "a port and a path, such as 8080/health"},
            ),
        ]
        | UnsetType
    ) = UNSET
    tcp: Annotated[int, Meta(ge=1, le=65535, description="A port that accepts connections.")] | UnsetType = UNSET
    log: (
        Annotated[str, Meta(min_length=1, max_length=200, description="A text in the service's output.")] | UnsetType
    ) = UNSET
    file: (
        Annotated[
            str,
            Meta(
                pattern=r"^/[^\x00]{1,500}$",
                description="A file in its container.",
                examples=["/tmp/ready"],  # noqa: S108
                extra_json_schema={"x-allowed": "an absolute path"},
            ),
        ]
        | UnsetType
    ) = UNSET
    timeout: (
        Annotated[
            Duration,
            Meta(description="How long that may take; then the run fails.", extra_json_schema={"default": 60}),
        ]
        | UnsetType
    ) = UNSET


class StreamSection(DatasetSection, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """What a playback service plays under one name: a dataset, and how fast."""

    rate: (
        Annotated[
            float,
            Meta(
                ge=0.001,
                le=1000,
                description="Images (or audio recordings) per second; a video has its own rate.",
                extra_json_schema={"default": 1},
            ),
        ]
        | UnsetType
    ) = UNSET


class ServiceSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """What an app needs beside it while it runs."""

    name: (
        Annotated[
            ServiceName,
            Meta(
                description="The host name at which the app reaches it. Default: `playback` for a playback, `rabbitmq` "
                "for a broker."
            ),
        ]
        | UnsetType
    ) = UNSET
    image: (
        Annotated[
            str,
            Meta(
                pattern=r"^\s*[A-Za-z0-9][A-Za-z0-9._/:@-]{0,298}\s*$",
                extra_json_schema={"x-allowed": "the name of an image, such as redis:7"},
                description="Its image. Default: built in for a playback, `rabbitmq:3` for a broker.",
                examples=["redis:7"],
            ),
        ]
        | UnsetType
    ) = UNSET
    args: Annotated[Args, Meta(description="Its arguments, written like those of a target.")] | UnsetType = UNSET
    env: Annotated[Env, Meta(description="Its environment variables.")] | UnsetType = UNSET
    secrets: Annotated[Secrets, Meta(description="Its variables whose values are credentials.")] | UnsetType = UNSET
    dataset: Dataset | UnsetType = UNSET
    ready: (
        Annotated[
            ReadySection,
            Meta(description="When it is ready; what needs it starts after that. Default: as soon as it runs."),
        ]
        | UnsetType
    ) = UNSET
    needs: (
        Annotated[list[ServiceName], Meta(description="Services that must be ready before it.", examples=[["broker"]])]
        | UnsetType
    ) = UNSET
    playback: (
        Annotated[
            dict[ServiceName, Annotated[str, Meta(max_length=500)] | StreamSection],
            Meta(
                description="Cameras and microphones by name, and the recording that each plays; see docs/cookbook.md.",
                examples=[{"camera-left": "traffic/"}],
                extra_json_schema={"maxProperties": 50, "x-allowed": "a mapping of names to datasets"},
            ),
        ]
        | UnsetType
    ) = UNSET
    broker: (
        Annotated[
            Literal["rabbitmq"],
            Meta(
                description="A message broker configured as on a Waggle node, with the user and the exchanges that "
                "pywaggle's Plugin expects."
            ),
        ]
        | UnsetType
    ) = UNSET


Services = Annotated[
    list[ServiceSection],
    Meta(
        max_length=20,
        description="Containers that run beside the app on its private network, and the playback of recordings.",
        examples=[[{"playback": {"camera-left": "traffic/"}}, {"name": "broker", "image": "redis:7"}]],
    ),
]
Internet = Annotated[
    bool,
    Meta(
        description="Whether the app and its services can reach hosts outside the agent. Default: no. "
        "If they can, they also reach ports that listen on all of the agent's addresses."
    ),
]
Timeout = Annotated[
    Duration,
    Meta(
        description="How long the app runs, in seconds or as text; 0: until it exits by itself.",
        examples=[120, "2m"],
        extra_json_schema=_default(_TARGET.timeout_s),
    ),
]
OnTimeout = Annotated[
    Literal["end", "fail"],
    Meta(
        description="Whether reaching the timeout is the normal end of the profile or a failure of the app.",
        extra_json_schema=_default(_TARGET.on_timeout),
    ),
]
Grace = Annotated[
    Duration,
    Meta(
        description="Time between the SIGTERM at the timeout and the SIGKILL.",
        examples=[10, "30s"],
        extra_json_schema=_default(_TARGET.grace_s),
    ),
]
AUTO = "auto"
Warmup = Annotated[
    Annotated[int, Meta(ge=0, le=31_536_000)]
    | Annotated[float, Meta(ge=0, le=31_536_000)]
    | Annotated[
        str,
        Meta(
            pattern=f"{DURATION_PATTERN}|^{AUTO}$",
            max_length=20,
            extra_json_schema={"x-allowed": "text such as 500ms, 90s, 2m or 1.5h, or auto"},
        ),
    ],
    Meta(
        description="Time at the start of each repeat that is recorded but excluded from summary and budgets; `auto`: "
        "until the repeat's samples settle.",
        extra_json_schema=_default(_TARGET.warmup_s),
    ),
]
Temperature = (
    Annotated[int, Meta(ge=1, le=120)]
    | Annotated[float, Meta(ge=1, le=120)]
    | Annotated[
        str, Meta(pattern=TEMPERATURE_PATTERN, max_length=20, extra_json_schema={"x-allowed": "text such as 45 °C"})
    ]
)


class CoolDown(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """How cool the device must be, and how long that may take."""

    below: Annotated[Temperature, Meta(description="The temperature to reach, in °C.", examples=["45 °C"])]
    timeout: (
        Annotated[
            Duration,
            Meta(
                description="How long to wait; after that, the repeat starts anyway, with a warning.",
                extra_json_schema=_default(_TARGET.cool_timeout_s),
            ),
        ]
        | UnsetType
    ) = UNSET


CoolDownGiven = Annotated[
    Temperature | CoolDown,
    Meta(
        description="Before each repeat, wait until the hottest sensor of the device (the kernel's thermal zones, "
        "GPUs through NVML) is below this temperature. Default: do not wait.",
        examples=["45 °C", {"below": "45 °C", "timeout": "5m"}],
    ),
]
RepeatCount = Annotated[
    int,
    Meta(
        ge=1,
        le=1000,
        description="How many times to start and measure the app. The repeats of several targets are interleaved: "
        "the first of each, then the second of each.",
        extra_json_schema=_default(_TARGET.repeat),
    ),
]
Interval = Annotated[
    Duration,
    Meta(
        description="Time between two samples, 10ms to 10m.",
        examples=[1, "100ms"],
        extra_json_schema=_default(_TARGET.interval_s),
    ),
]
Metrics = Annotated[
    list[Metric],
    Meta(description="What to measure. " + "; ".join(f"`{word}`: {text}" for word, text in METRICS.items()) + "."),
]
FunctionClock = Annotated[
    Literal["cpu", "wall"],
    Meta(
        description="For `functions`: whether a function's time is CPU time or wall-clock time, which includes waiting "
        "and sleeping.",
        extra_json_schema=_default(_TARGET.function_clock),
    ),
]
NativeFrames = Annotated[
    bool,
    Meta(
        description="For `functions`: also show the frames of C, C++ and Rust. py-spy then pauses the app for each "
        "sample, which slows it down by a few percent; otherwise it reads the memory of the running app.",
        extra_json_schema=_default(_TARGET.native_frames),
    ),
]
Budgets = Annotated[
    dict[Annotated[str, Meta(max_length=300)], Annotated[str, Meta(max_length=100)]],
    Meta(
        description="Limits: a statistic of a series (count, mean, stddev, min, p50, p90, p95, p99, max, last) "
        "and a condition. `@PHASE` after the statistic limits it to that phase of the app, `@!PHASE` to the time "
        "outside it.",
        examples=[{"fps.mean": ">= 10", "container.memory.used.max": "<= 2 GiB", "fps.mean@inference": ">= 25"}],
    ),
]
Name = Annotated[
    str,
    Meta(
        pattern=NAME_PATTERN,
        description="The target's name: up to 63 lower-case letters, digits, '.', '_' and '-'. "
        "Default: derived from the arguments.",
        examples=["gpu"],
        extra_json_schema={"x-allowed": "1 to 63 of a-z, 0-9, '.', '_' and '-', the first a letter or digit"},
    ),
]


class Defaults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """Default values for every target."""

    agent: Agent | UnsetType = UNSET
    env: Env | UnsetType = UNSET
    secrets: Secrets | UnsetType = UNSET
    dataset: Dataset | UnsetType = UNSET
    internet: Internet | UnsetType = UNSET
    timeout: Timeout | UnsetType = UNSET
    on_timeout: OnTimeout | UnsetType = UNSET
    grace: Grace | UnsetType = UNSET
    warmup: Warmup | UnsetType = UNSET
    cool_down: CoolDownGiven | UnsetType = UNSET
    repeat: RepeatCount | UnsetType = UNSET
    interval: Interval | UnsetType = UNSET
    metrics: Metrics | UnsetType = UNSET
    function_clock: FunctionClock | UnsetType = UNSET
    native_frames: NativeFrames | UnsetType = UNSET
    budgets: Budgets | UnsetType = UNSET


class TargetSection(Defaults, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """One way of running the app."""

    args: Args | UnsetType = UNSET
    name: Name | UnsetType = UNSET
    services: Services | UnsetType = UNSET


class Profiling(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """The `profiling:` section of a sage.yaml."""

    targets: Annotated[list[TargetSection], Meta(min_length=1, max_length=500, description="The ways to run the app.")]
    metrics: Metrics | UnsetType = UNSET
    services: Services | UnsetType = UNSET
    defaults: Annotated[Defaults, Meta(description="Default values for the keys of every target.")] | UnsetType = UNSET


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
