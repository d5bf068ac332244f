"""The pure functions of the checks."""

from __future__ import annotations

import pytest

from tests.jenkins.checks import POLICIES, count_cases, files_to_fetch, parse_policy
from tests.jenkins.evidence import Counts
from tests.jenkins.page import read_page


def test_cases_are_counted_as_jenkins_counts_them() -> None:
    junit = b"""<testsuites><testsuite>
        <testcase name="a"/><testcase name="b"><system-out>x</system-out></testcase>
        <testcase name="c"><failure/></testcase><testcase name="d"><error/></testcase>
        <testcase name="e"><skipped/></testcase></testsuite>
        <testsuite><testcase name="f"/></testsuite></testsuites>"""
    assert count_cases(junit) == Counts(passed=3, failed=2, skipped=1)


@pytest.mark.parametrize(
    "header",
    [
        "sandbox; default-src 'none'; img-src 'self'; style-src 'self';",
        "style-src 'self';img-src 'self' ; default-src 'none'; sandbox",
        "sandbox allow-same-origin; default-src 'none'; img-src 'self'; style-src 'self';",
    ],
)
def test_the_policy_in_any_order(header: str) -> None:
    assert parse_policy(header) in POLICIES


@pytest.mark.parametrize(
    "header",
    [
        "",
        "sandbox",
        "sandbox allow-scripts; default-src 'none'; img-src 'self'",
        "sandbox allow-same-origin allow-scripts; default-src 'none'; img-src 'self'; style-src 'self';",
    ],
)
def test_another_policy(header: str) -> None:
    assert parse_policy(header) not in POLICIES


def test_only_checked_artifacts_are_fetched() -> None:
    artifacts = {
        "profile/summary.csv",
        "profile/t/series.csv",
        "profile/t/metrics.ndjson",
        "profile/t/junit.xml",
        "profile/t/app.log",
        "profile/t/report/index.html",
        "profile/report/style.css",
    }
    assert files_to_fetch(frozenset(artifacts)) == [
        "profile/report/style.css",
        "profile/summary.csv",
        "profile/t/junit.xml",
        "profile/t/report/index.html",
    ]


class TestPage:
    def test_addresses_are_paths_of_artifacts(self) -> None:
        page = read_page(
            "profile/t/report/index.html",
            """<link rel=stylesheet href="../../report/style.css"><img src="a%20b.svg"><img src='a%20b.svg?x=1#y'>
            <a href="#top">top</a> <a href="../run.json">data</a> <a href="https://example.org/">elsewhere</a>""",
        )
        assert page.loads == ("profile/report/style.css", "profile/t/report/a b.svg")
        assert page.links == ("profile/t/run.json",)
        assert page.forbidden == ()

    def test_content_that_the_policy_blocks(self) -> None:
        page = read_page(
            "p.html",
            "<style>a{}</style><p style='x'>y</p><IMG SRC='//cdn.example.org/a.png' ONERROR=x>"
            "<img src='data:image/png;base64,AA=='><iframe src=x></iframe><form action=x></form>",
        )
        assert page.forbidden == (
            "<style>",
            "<p style=…>",
            "<img> from //cdn.example.org/a.png",
            "<img onerror=…>",
            "<img> from data:image/png;base64,AA==",
            "<iframe>",
            "<form>",
        )
