"""All targets as a comment on a pull request: GitHub Flavored Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from profileapp.judge.device import device_of
from profileapp.judge.verdict import JudgedRun
from profileapp.report.clean import one_line
from profileapp.report.format import ABSENT, duration, quantity
from profileapp.report.one_line import summary_line
from profileapp.report.page_data import SYMBOLS, budget_text, count_met, duration_s, headline_labels, remarks

TARGETS_LIMIT = 50
LINES_LIMIT = 30
"""Limit of lines per list. GitHub accepts 65,536 characters per comment."""
_LABELS_LIMIT = 6
# Only a URL in which no Markdown can be hidden becomes a link.
_PLAIN_ADDRESS = re.compile(r"https?://[A-Za-z0-9._~:/%-]{1,400}")


def markdown(judged: Sequence[JudgedRun]) -> str:
    """A heading, a table with one row per target, violated budgets, unavailable metrics, and remarks."""
    app = judged[0].run.app if judged else None
    name = code_span(f"{app.name} {app.version}".strip(), 80) if app and app.name else "the app"
    parts = [f"### Profile of {name}", plain(summary_line(judged)) + _link(judged)]
    if judged:
        parts.append(_table(judged))
    if len(judged) > TARGETS_LIMIT:
        parts.append(f"{len(judged) - TARGETS_LIMIT} more targets are in the report.")
    parts += _list("Violated budgets", _violated(judged), is_open=True)
    parts += _list("Not measured", _skipped(judged))
    parts += _list(
        "Remarks",
        (f"{code_span(each.run.target.name)}: {code_span(line, 200)}" for each in judged for line in remarks(each)),
    )
    return "\n\n".join(parts) + "\n"


def code_span(text: str, limit: int = 64) -> str:
    """Untrusted text on one line, as code: no markup, mention or link, whatever it contains.

    Every character with a meaning in Markdown or HTML is written as its number, which cannot form structure
    (CommonMark 0.31, "Entity and numeric character references"); GitHub makes no mentions within `code`.
    """
    line = one_line(text, limit)
    return f"<code>{plain(line)}</code>" if line else ABSENT


def plain(text: str) -> str:
    """Letters, digits, spaces and hyphens unchanged, every other ASCII character by its number."""
    return "".join(
        letter if not letter.isascii() or letter.isalnum() or letter in " -" else f"&#{ord(letter)};" for letter in text
    )


def _table(judged: Sequence[JudgedRun]) -> str:
    labels = headline_labels(judged)[:_LABELS_LIMIT]
    devices = {device_of(each.run) for each in judged}
    several = len(devices) > 1
    head = ["Target", *(["Device"] if several else []), "Verdict", *(code_span(label, 40) for label in labels)]
    words = len(head) - len(labels)
    rows = [[*head, "Budgets", "Time"], [*["---"] * words, *["---:"] * (len(labels) + 2)]]
    for each in judged[:TARGETS_LIMIT]:
        numbers = {headline.label: quantity(headline.value, headline.unit) for headline in each.headline}
        budgets = each.run.budgets
        rows.append(
            [
                code_span(each.run.target.name),
                *([code_span(device_of(each.run), 80)] if several else []),
                f"{SYMBOLS[each.verdict]} {plain(each.verdict)}",
                *(plain(one_line(numbers.get(label, ABSENT), 40)) for label in labels),
                f"{count_met(budgets)} of {len(budgets)} met" if budgets else ABSENT,
                plain(duration(duration_s(each))),
            ]
        )
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _violated(judged: Sequence[JudgedRun]) -> list[str]:
    return [
        f"{SYMBOLS[budget.state]} {code_span(each.run.target.name)}: "
        f"{code_span(budget.key, 120)} {code_span(budget_text(budget), 200)}"
        for each in judged
        for budget in each.run.budgets
        if budget.state != "met"
    ]


def _skipped(judged: Sequence[JudgedRun]) -> list[str]:
    lines: dict[str, None] = {}
    for each in judged:
        for metric in each.run.metrics:
            if metric.state != "measured":
                lines[f"{code_span(metric.title)} {code_span(metric.reason, 200)}"] = None
    return list(lines)


def _list(title: str, lines: Iterable[str], *, is_open: bool = False) -> list[str]:
    every = list(lines)
    if not every:
        return []
    items = [f"- {line}" for line in every[:LINES_LIMIT]]
    if len(every) > LINES_LIMIT:
        items.append(f"- {len(every) - LINES_LIMIT} more")
    text = "\n".join(items)
    if is_open:
        return [f"**{title}**", text]
    return [f"<details><summary>{title} ({len(every)})</summary>\n\n{text}\n\n</details>"]


def _link(judged: Sequence[JudgedRun]) -> str:
    address = next((each.run.build.url for each in judged if _PLAIN_ADDRESS.fullmatch(each.run.build.url)), "")
    return f" · [build]({address})" if address else ""
