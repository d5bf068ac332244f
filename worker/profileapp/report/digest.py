"""All targets in one record, for programs: `profileapp report --format json`."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from profileapp.errors import ExitCode, worst
from profileapp.judge.device import device_of
from profileapp.judge.headline import Headline
from profileapp.judge.verdict import JudgedRun
from profileapp.model.run import BudgetResult, Build, MetricStatus, SeriesSummary
from profileapp.report.one_line import summary_line
from profileapp.report.page_data import duration_s, measured_repeats, remarks

DIGEST_VERSION = 1


class TargetDigest(msgspec.Struct, frozen=True):
    """One target. `device` is the model with its power mode; `remarks` are caveats for readers of the numbers."""

    name: str
    verdict: str
    exit_code: int
    message: str
    run: str
    device: str
    agent: str
    image: str
    build: Build
    started_ns: int
    duration_s: float
    repeats: int
    headlines: tuple[Headline, ...]
    budgets: tuple[BudgetResult, ...]
    metrics: tuple[MetricStatus, ...]
    remarks: tuple[str, ...]
    statistics: tuple[SeriesSummary, ...]


class Digest(msgspec.Struct, frozen=True):
    """All targets; `exit_code` is for all of them together."""

    app: str
    app_version: str
    summary: str
    exit_code: int
    targets: tuple[TargetDigest, ...]
    version: int = DIGEST_VERSION


def digest(judged: Sequence[JudgedRun]) -> Digest:
    """The content of the pages as numbers."""
    app = judged[0].run.app if judged else None
    return Digest(
        app=app.name if app else "",
        app_version=app.version if app else "",
        summary=summary_line(judged),
        exit_code=worst([ExitCode.OK, *(each.exit_code for each in judged)]),
        targets=tuple(_target(each) for each in judged),
    )


def digest_json(judged: Sequence[JudgedRun]) -> bytes:
    """The same as one line of JSON."""
    return msgspec.json.encode(digest(judged))


def _target(judged: JudgedRun) -> TargetDigest:
    run = judged.run
    return TargetDigest(
        name=run.target.name,
        verdict=judged.verdict,
        exit_code=judged.exit_code,
        message=run.message,
        run=run.id,
        device=device_of(run),
        agent=run.agent.hostname,
        image=run.image.name if run.image else "",
        build=run.build,
        started_ns=run.started_ns,
        duration_s=round(duration_s(judged), 3),
        repeats=len(measured_repeats(run)),
        headlines=judged.headline,
        budgets=run.budgets,
        metrics=run.metrics,
        remarks=remarks(judged),
        statistics=run.summary,
    )
