"""`profileapp schema`: JSON Schemas for editors and for programs that read the artifacts."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from profileapp.config.schema import profiling_schema
from profileapp.model.outcome import Outcome
from profileapp.model.run import Run
from profileapp.model.target import Plan
from profileapp.record.sample_reader import SampleLine
from profileapp.report.digest import Digest

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


@click.command(
    "schema",
    epilog="\b\nExamples:\n  profileapp schema > sage-profiling.schema.json\n  profileapp schema run",
)
@click.argument("of", type=click.Choice(["config", "run", "sample", "plan", "report", "outcome"]), default="config")
def command(of: str) -> None:
    """Print the JSON Schema of sage.yaml, run.json, a line of metrics.ndjson, outcome.json, plan --json or report
    --format json."""
    click.echo(msgspec.json.format(msgspec.json.encode(schema_of(of)), indent=2))


def schema_of(what: str) -> dict[str, Any]:
    """JSON Schema (2020-12) of `config`, `run`, `sample`, `plan`, `report` or `outcome`."""
    if what == "config":
        section = profiling_schema()
        return {
            "$schema": _DIALECT,
            "title": "sage.yaml with a profiling section",
            "type": "object",
            "required": ["profiling"],
            "properties": {"profiling": {"$ref": section["$ref"]}},
            "$defs": section["$defs"],
        }
    record = {"run": Run, "sample": SampleLine, "plan": Plan, "report": Digest, "outcome": Outcome}[what]
    return {"$schema": _DIALECT, **msgspec.json.schema(record)}
