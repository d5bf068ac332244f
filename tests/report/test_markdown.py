"""The comment for a pull request, rendered by a Markdown library as GitHub would."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from profileapp.judge.verdict import JudgedRun, judge_folder
from profileapp.model.run import Agent
from profileapp.report.clean import one_line
from profileapp.report.markdown import LINES_LIMIT, TARGETS_LIMIT, code_span, markdown
from tests.report.sample_runs import sample_run, write_target
from tests.report.test_pages import HOSTILE, hostile_run

RENDER = MarkdownIt("commonmark").enable("table")
INJECTIONS = [
    HOSTILE,
    "a|b\\|c | d\n| e | f |",
    "`code` ``` ~~~",
    "[text](https://evil.example) <https://evil.example> www.evil.example ![x](y)",
    "@maintainer #1 GH-1 **bold** _it_ ~~no~~",
    "<!-- </code></details><img src=x>",
    "\\",
    "&lt;b&gt; &#60;b&#62;",
]


def tags(text: str) -> set[str]:
    """Tags of rendered elements, and of HTML passed through unchanged."""
    found = set()
    for token in RENDER.parse(text):
        for each in (token, *(token.children or ())):
            found.add(each.content if each.type.startswith("html") else each.tag)
    return found - {""}


def test_it_has_the_content_of_the_overview(samples: list[JudgedRun]) -> None:
    html = RENDER.render(markdown(samples))
    for text in (
        "<th>Verdict</th>",
        "<td>▲ over budget</td>",
        '<td style="text-align:right">467 MiB</td>',
        '<td style="text-align:right">2 of 3 met</td>',
        "4 targets: 1 passed, 1 over budget, 1 app failed, 1 incomplete",
        "<code>467 MiB, limit &lt;= 400 MiB, missed by 66.7 MiB</code>",
        "no NVIDIA driver on this agent",
        '<a href="https://jenkins.example/job/object-counter/job/main/214/">build</a>',
    ):
        assert text in html, text
    assert html.count("<tr>") == 5
    assert "Device" not in html


def test_several_devices_have_a_column(tmp_path: Path, samples: list[JudgedRun]) -> None:
    write_target(tmp_path, sample_run("orin", agent=Agent(board="Orin | Nano")), {})
    html = RENDER.render(markdown([*samples, judge_folder(tmp_path / "orin")]))
    assert "<th>Device</th>" in html and "<code>Orin | Nano</code>" in html


@pytest.mark.parametrize("text", INJECTIONS)
def test_hostile_text_is_escaped(text: str, tmp_path: Path) -> None:
    written = markdown([hostile_run(tmp_path, text)])
    known = {"h3", "p", "table", "thead", "tbody", "tr", "th", "td", "ul", "li", "strong", "<code>", "</code>"}
    found = {each.strip() for each in tags(written)}
    assert {each for each in found if not each.startswith(("<details>", "</details>"))} <= known
    rows = [line for line in written.splitlines() if line.startswith("|")]
    assert len(rows) == 3 and len({line.count("|") for line in rows}) == 1
    assert "@maintainer" not in written and "https://evil" not in written


@given(st.text(max_size=80))
def test_any_text_is_rendered_unchanged(text: str) -> None:
    (inline,) = [token for token in RENDER.parse(f"x {code_span(text)}") if token.type == "inline"]
    output = "".join(each.content for each in inline.children or () if not each.type.startswith("html"))
    assert output.removeprefix("x ") in (one_line(text, 64), "–")


def test_its_size_is_bounded_for_any_number_of_targets(samples: list[JudgedRun]) -> None:
    long = msgspec.structs.replace(samples[1], problems=("x" * 5000,) * 500)
    written = markdown([long] * 300)
    assert len(written) < 65_536
    assert f"{300 - TARGETS_LIMIT} more targets" in written
    assert f"{500 * 300 + 300 - LINES_LIMIT} more" in written
    assert "nothing was measured" in markdown([])
