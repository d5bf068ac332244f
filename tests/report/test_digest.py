"""All targets as machine-readable JSON."""

from __future__ import annotations

import json

import jsonschema
import msgspec

from profileapp.commands.schema import schema_of
from profileapp.judge.verdict import JudgedRun
from profileapp.report.digest import Digest, digest_json


def test_it_follows_the_published_schema(samples: list[JudgedRun]) -> None:
    output = json.loads(digest_json(samples))
    jsonschema.validate(output, schema_of("report"))
    assert output["exit_code"] == 4 and output["version"] == 1 and output["app"] == "object-counter"
    target = output["targets"][1]
    assert (target["verdict"], target["repeats"], target["duration_s"]) == ("over budget", 2, 120.0)
    assert [each["state"] for each in target["budgets"]] == ["met", "violated", "met"]
    assert {each["name"] for each in target["statistics"]} >= {"fps", "container.cpu.util"}
    assert msgspec.json.decode(digest_json(samples), type=Digest).targets[0].headlines == samples[0].headline


def test_without_targets_it_is_complete() -> None:
    output = json.loads(digest_json([]))
    assert output["targets"] == [] and output["exit_code"] == 0
