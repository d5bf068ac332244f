"""CSV: one row per target overall, and one row per series for each target (RFC 4180)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from profileapp.judge.verdict import JudgedRun
from profileapp.model.budget import STATISTICS
from profileapp.report.clean import clean
from profileapp.report.page_data import duration_s

_RUN_COLUMNS = (
    "target",
    "verdict",
    "exit_code",
    "duration_s",
    "app",
    "version",
    "image",
    "board",
    "agent",
    "commit",
    "run",
)
_INTERVALS = tuple((name, bound) for name in ("p50", "p90", "p95", "p99") for bound in (0, 1))
_SERIES_COLUMNS = (
    *("series", "labels", "metric", "kind", "unit", *STATISTICS),
    *(f"{name}_{('low', 'high')[bound]}" for name, bound in _INTERVALS),
)
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
_CELL_LIMIT = 1000


def summary_csv(judged: Sequence[JudgedRun]) -> str:
    """One row per target. Each headline number has a column `SERIES STATISTIC [UNIT]`."""
    headings = dict.fromkeys(
        (f"{each.series_title} {each.statistic} [{each.unit}]" for one in judged for each in one.headline),
    )
    rows = []
    for one in judged:
        run = one.run
        numbers = {f"{each.series_title} {each.statistic} [{each.unit}]": each.value for each in one.headline}
        rows.append(
            (
                run.target.name,
                one.verdict,
                int(one.exit_code),
                round(duration_s(one), 3),
                run.app.name,
                run.app.version,
                run.image.name if run.image else "",
                run.agent.board,
                run.agent.hostname,
                run.build.commit,
                run.id,
                *(numbers.get(heading, "") for heading in headings),
            )
        )
    return csv_text((*_RUN_COLUMNS, *headings), rows)


def series_csv(judged: JudgedRun) -> str:
    """One row per series with all its statistics."""
    return csv_text(
        _SERIES_COLUMNS,
        (
            (
                summary.name,
                " ".join(f"{key}={value}" for key, value in summary.labels.items()),
                summary.metric,
                summary.kind,
                summary.unit,
                *(getattr(summary, statistic) for statistic in STATISTICS),
                *(summary.intervals.get(name, (None, None))[bound] for name, bound in _INTERVALS),
            )
            for summary in judged.run.summary
        ),
    )


def csv_text(heading: Iterable[object], rows: Iterable[Iterable[object]]) -> str:
    """A header and rows; spreadsheets treat no cell as a formula."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerow([_cell(cell) for cell in heading])
    writer.writerows([_cell(cell) for cell in row] for row in rows)
    return stream.getvalue()


def _cell(value: object) -> object:
    """Prefixes text that a spreadsheet would treat as a formula with a quote (OWASP, "CSV Injection")."""
    if not isinstance(value, str):
        return value
    text = clean(value[:_CELL_LIMIT])
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA_STARTS) else text
