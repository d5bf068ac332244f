"""The file for speedscope, checked against its schema."""

from __future__ import annotations

import io
import json

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profileapp.model.stacks import FoldedStacks, read_folded
from profileapp.report.page.speedscope import SCHEMA, speedscope_json

RAW = """\
thread (1): Main;<module> (app.py:10);work (job.py:4) 60
thread (1): Main;<module> (app.py:10);memcpy (libc.so.6) 40
"""
# The part of speedscope's schema for sampled profiles, written by us.
SAMPLED = {
    "type": "object",
    "required": ["$schema", "shared", "profiles"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"const": "https://www.speedscope.app/file-format-schema.json"},
        "name": {"type": "string"},
        "exporter": {"type": "string"},
        "activeProfileIndex": {"type": "number"},
        "shared": {
            "required": ["frames"],
            "properties": {
                "frames": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["name"],
                        "additionalProperties": False,
                        "properties": {
                            "name": {"type": "string"},
                            "file": {"type": "string"},
                            "line": {"type": "number"},
                        },
                    },
                }
            },
        },
        "profiles": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["type", "name", "unit", "startValue", "endValue", "samples", "weights"],
                "additionalProperties": False,
                "properties": {
                    "type": {"const": "sampled"},
                    "name": {"type": "string"},
                    "unit": {"enum": ["none", "nanoseconds", "microseconds", "milliseconds", "seconds", "bytes"]},
                    "startValue": {"type": "number"},
                    "endValue": {"type": "number"},
                    "samples": {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}},
                    "weights": {"type": "array", "items": {"type": "number"}},
                },
            },
        },
    },
}


def read(text: str) -> FoldedStacks:
    return read_folded(io.BytesIO(text.encode()))


def test_a_profile_by_samples() -> None:
    file = json.loads(speedscope_json(read(RAW), "use-gpu"))
    jsonschema.validate(file, SAMPLED)
    assert file["shared"]["frames"] == [
        {"name": "thread (1): Main"},
        {"name": "<module>", "file": "app.py", "line": 10},
        {"name": "work", "file": "job.py", "line": 4},
        {"name": "memcpy", "file": "libc.so.6"},
    ]
    [profile] = file["profiles"]
    assert (profile["unit"], profile["startValue"], profile["endValue"]) == ("none", 0, 100)
    assert profile["samples"] == [[0, 1, 2], [0, 1, 3]]
    assert profile["weights"] == [60, 40]
    assert file["$schema"] == SCHEMA and file["exporter"].startswith("profileapp@")


def test_weights_are_seconds_if_the_rate_is_known() -> None:
    [profile] = json.loads(speedscope_json(read(RAW), "x", rate_hz=100))["profiles"]
    assert (profile["unit"], profile["endValue"]) == ("seconds", 1.0)
    assert profile["weights"] == pytest.approx([0.6, 0.4])


@given(st.lists(st.text(max_size=20), max_size=8).map("\n".join), st.text(max_size=10), st.none() | st.floats(1, 1000))
def test_the_file_is_valid_for_any_stacks(text: str, title: str, rate_hz: float | None) -> None:
    stacks = read_folded(io.BytesIO((RAW + text + " 3\n").encode("utf-8", errors="replace")))
    file = json.loads(speedscope_json(stacks, title, rate_hz))
    jsonschema.validate(file, SAMPLED)
    [profile] = file["profiles"]
    assert len(profile["samples"]) == len(profile["weights"])
    assert sum(profile["weights"]) == pytest.approx(profile["endValue"])
    assert max(index for stack in profile["samples"] for index in stack) < len(file["shared"]["frames"])
