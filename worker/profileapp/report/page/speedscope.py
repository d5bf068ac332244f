"""Stacks as a file for the interactive viewer speedscope: https://www.speedscope.app.

Source: https://www.speedscope.app/file-format-schema.json, a "sampled" profile with shared frames.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from profileapp import __version__
from profileapp.model.stacks import FoldedStacks
from profileapp.report.clean import one_line

SCHEMA = "https://www.speedscope.app/file-format-schema.json"
TEXT_LIMIT = 500


class _Frame(msgspec.Struct, frozen=True, omit_defaults=True):
    name: str
    file: str | None = None
    line: int | None = None


class _Shared(msgspec.Struct, frozen=True):
    frames: tuple[_Frame, ...]


class _Profile(msgspec.Struct, frozen=True, rename="camel", tag="sampled", tag_field="type"):
    name: str
    unit: Literal["none", "seconds"]
    start_value: float
    end_value: float
    samples: tuple[tuple[int, ...], ...]
    weights: tuple[float, ...]


class _File(msgspec.Struct, frozen=True, rename="camel"):
    schema: str = msgspec.field(name="$schema")
    shared: _Shared
    profiles: tuple[_Profile, ...]
    name: str
    exporter: str
    active_profile_index: int = 0


def speedscope_json(stacks: FoldedStacks, title: str, rate_hz: float | None = None) -> bytes:
    """The file's content. Weights are seconds if `rate_hz`, the samples per second, is known; else sample counts.

    Unlike in the flame graph, frames differ by line. The order of stacks in time is unknown.
    """
    weight = 1.0 / rate_hz if rate_hz else 1.0
    name = one_line(title, TEXT_LIMIT)
    profile = _Profile(
        name=name,
        unit="seconds" if rate_hz else "none",
        start_value=0.0,
        end_value=stacks.samples * weight,
        samples=tuple(stack for stack, _ in stacks.stacks),
        weights=tuple(count * weight for _, count in stacks.stacks),
    )
    frames = tuple(
        _Frame(
            one_line(frame.name, TEXT_LIMIT),
            one_line(frame.file, TEXT_LIMIT) or None,
            frame.line or None,
        )
        for frame in stacks.frames
    )
    return msgspec.json.encode(_File(SCHEMA, _Shared(frames), (profile,), name, f"profileapp@{__version__}"))
