"""The types of values in a `profiling:` section, and how a key is declared."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from msgspec import Meta, UnsetType

from profileapp.model.quantity import DURATION_PATTERN, TEMPERATURE_PATTERN

LONGEST_S = 31_536_000
"""The longest duration: a year."""
COOLEST_C, HOTTEST_C = 1, 120
"""The temperatures that a device may be waited for."""


T = TypeVar("T")


def optional(value: T | UnsetType) -> T | None:
    """The value of a key without a default; None where it is not given."""
    return None if isinstance(value, UnsetType) else value


def key(description: str | None = None, *, allowed: str = "", max_keys: int | None = None, **limits: Any) -> Meta:
    """What a key is for, and its `limits` and examples, as `Meta` has them.

    `allowed` describes values that their pattern describes badly; a mapping has at most `max_keys`.
    """
    extra = {"x-allowed": allowed or None, "maxProperties": max_keys}
    given = {name: value for name, value in extra.items() if value is not None}
    return Meta(description=description, extra_json_schema=given or None, **limits)


Scalar = str | int | float | bool
"""A text value for the app. Numbers and words like `on` keep their spelling, so they need no quotes."""

AUTO = "auto"
"""In place of a duration: found in the samples."""

_Seconds = Annotated[int, key(ge=0, le=LONGEST_S)] | Annotated[float, key(ge=0, le=LONGEST_S)]
Duration = (
    _Seconds
    | Annotated[str, key(pattern=DURATION_PATTERN, max_length=20, allowed="text such as 500ms, 90s, 2m or 1.5h")]
)
DurationOrAuto = (
    _Seconds
    | Annotated[
        str,
        key(
            pattern=f"{DURATION_PATTERN}|^{AUTO}$",
            max_length=20,
            allowed="text such as 500ms, 90s, 2m or 1.5h, or auto",
        ),
    ]
)
Temperature = (
    Annotated[int, key(ge=COOLEST_C, le=HOTTEST_C)]
    | Annotated[float, key(ge=COOLEST_C, le=HOTTEST_C)]
    | Annotated[str, key(pattern=TEMPERATURE_PATTERN, max_length=20, allowed="text such as 45 °C")]
)

_Variable = Annotated[
    str,
    key(
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        max_length=200,
        allowed="letters, digits and '_', the first no digit",
    ),
]
_Credential = Annotated[
    str,
    key(
        pattern=r"^[A-Za-z0-9_.-]{1,200}$",
        allowed="the id of a credential: letters, digits, '_', '.' and '-'",
    ),
]

Args = Annotated[
    str | list[Scalar],
    key(
        "The app's arguments: one line, split as a shell would split it (no shell runs it), or a list.",
        examples=["--use-gpu -interval 1", ["--use-gpu", "-interval", 1]],
    ),
]
Env = Annotated[
    dict[_Variable, Scalar],
    key("The app's environment variables.", examples=[{"OMP_NUM_THREADS": 4}], max_keys=200),
]
Secrets = Annotated[
    dict[_Variable, _Credential],
    key(
        "Environment variables whose values are Jenkins credentials (secret texts), given by ID; "
        "profileApp() must allow them. The values are masked in everything that is stored.",
        examples=[{"API_KEY": "weather-api"}],
        max_keys=50,
    ),
]
