"""Compares our validator with the `jsonschema` package, and checks its messages."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profileapp.config.schema import Defaults, TargetSection, profiling_schema
from profileapp.config.validate import validate
from profileapp.model.target import Target

SCHEMA = profiling_schema()

KEYS = ["args", "name", "agent", "env", "dataset", "timeout", "on-timeout", "grace", "warmup", "repeat", "interval"]
KEYS += ["metrics", "budgets", "timout", "x"]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-5, 2000)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["gpu", "2m", "10 s", "-1", "end", "fail", "system", "sytem", "../../etc", "", "A_B", ">= 10"])
    | st.text(max_size=8).filter(lambda text: not text.endswith("\n"))
)
VALUES = SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(st.sampled_from(["A", "1a", "fps.mean"]), SCALARS)
TARGETS = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=4)
SECTIONS = st.fixed_dictionaries(
    {},
    optional={
        "targets": st.lists(TARGETS, max_size=3) | SCALARS,
        "metrics": VALUES,
        "defaults": TARGETS,
        "other": SCALARS,
    },
)


@given(SECTIONS)
def test_agrees_with_jsonschema(section: dict[str, Any]) -> None:
    expected = jsonschema.Draft202012Validator(SCHEMA).is_valid(section)
    assert (not validate(section, SCHEMA)) == expected


def messages(section: Any) -> list[str]:
    return [f"{'.'.join(map(str, issue.path))} {issue.text}" for issue in validate(section, SCHEMA)]


def test_all_errors_are_reported_at_once_with_the_allowed_values() -> None:
    lines = messages(
        {"targets": [{"timout": 3, "timeout": -5}, {"metrics": ["sytem"], "name": "../../etc"}], "metric": []}
    )
    assert len(lines) == 5
    assert any("did you mean 'timeout'?" in line and "allowed: " in line for line in lines)
    assert any("targets.0.timeout is -5, but must be a number from 0" in line for line in lines)
    assert any("did you mean 'system'?" in line for line in lines)
    assert any("must be 1 to 63 of a-z" in line for line in lines)


@pytest.mark.parametrize(
    ("section", "line"),
    [
        (None, " is empty, but must be a mapping"),
        ({"targets": []}, "targets is empty, but must contain at least 1"),
        ({}, " has no key 'targets'"),
        ({"targets": [{"args": {"a": 1}}]}, "targets.0.args is a mapping, but must be text or a list"),
        ({"targets": [{"agent": True}]}, "targets.0.agent is true, but must be text or a list"),
        ({"targets": [{"repeat": 1.5}]}, "targets.0.repeat is 1.5, but must be a whole number from 1 to 1000"),
        ({"targets": [{"timeout": float("nan")}]}, "targets.0.timeout is nan, but must be a number"),
        ({"targets": [{"name": "a\n"}]}, "targets.0.name is 'a\\n', but must be"),
    ],
)
def test_messages(section: Any, line: str) -> None:
    assert any(each.startswith(line) for each in messages(section)), messages(section)


def test_defaults_of_schema_and_plan_are_equal() -> None:
    properties = SCHEMA["$defs"]["Defaults"]["properties"]
    for key, field in (("timeout", "timeout_s"), ("grace", "grace_s"), ("warmup", "warmup_s"), ("repeat", "repeat")):
        assert properties[key]["default"] == getattr(Target(""), field)
    assert properties["interval"]["default"] == Target("").interval_s
    assert properties["on-timeout"]["default"] == Target("").on_timeout


def test_a_target_may_override_every_default() -> None:
    assert set(Defaults.__struct_fields__) < set(TargetSection.__struct_fields__)
