"""Checks of a build that ran `profileApp()`: pure functions of the build's evidence."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from tests.jenkins.evidence import Build, Counts, Served
from tests.jenkins.page import read_page

OVERVIEW = "profile/index.html"
SUMMARY = "profile/summary.csv"
OF_A_TARGET = ("run.json", "metrics.ndjson", "junit.xml", "app.log")
_SOURCES = {"default-src": "'none'", "img-src": "'self'", "style-src": "'self'"}
# The default policy that Jenkins sends with artifacts (class DirectoryBrowserSupport); the first since 2.417.
POLICIES = ({"sandbox": "allow-same-origin", **_SOURCES}, {"sandbox": "", **_SOURCES})


@dataclass(frozen=True)
class Finding:
    """What was checked, and the problem: "" if there is none."""

    what: str
    problem: str = ""


def check(build: Build, targets: Sequence[str]) -> list[Finding]:
    """All findings about `build`, whose plan had these targets."""
    return [
        _result(build),
        *_stages(build, targets),
        _counts(build, targets),
        *_artifacts(build, targets),
        _summary(build, targets),
        *_pages(build, targets),
        _description(build),
    ]


def files_to_fetch(artifacts: frozenset[str]) -> list[str]:
    """Paths of the artifacts that `check` reads, in alphabetical order."""
    ends = (".html", ".css", ".svg", ".png", "/junit.xml")
    return sorted(path for path in artifacts if path == SUMMARY or path.endswith(ends))


def _result(build: Build) -> Finding:
    what = f"the build ended {build.result}"
    failed = build.counts.failed if build.counts else 0
    if build.result not in ("SUCCESS", "UNSTABLE"):
        return Finding(what, "must be SUCCESS, or UNSTABLE where a budget is broken")
    if (build.result == "UNSTABLE") != bool(failed):
        return Finding(what, f"does not go with {failed} failed test cases")
    return Finding(what)


def _stages(build: Build, targets: Sequence[str]) -> Iterator[Finding]:
    statuses = {stage.name: stage.status for stage in build.stages}
    for name in ("Profile: plan", *targets, "Profile: summary"):
        status = statuses.get(name)
        if status is None:
            problem = "missing; there are: " + (", ".join(statuses) or "none")
        else:
            problem = "" if status in ("SUCCESS", "UNSTABLE") else f"ended {status}"
        yield Finding(f"stage {name}", problem)


def _counts(build: Build, targets: Sequence[str]) -> Finding:
    if build.counts is None:
        return Finding("test results", "none were published")
    files = [build.served.get(f"profile/{target}/junit.xml") for target in targets]
    try:
        expected = _sum(count_cases(file.body) for file in files if file)
    except ET.ParseError as error:
        return Finding("test results", f"a junit.xml is no XML: {error}")
    what = f"test results: {build.counts}"
    if build.counts != expected:
        return Finding(what, f"the targets' junit.xml hold {expected}")
    return Finding(what, "" if build.counts.passed + build.counts.failed else "nothing was tested")


def count_cases(junit: bytes) -> Counts:
    """The number of cases in a junit.xml, as Jenkins counts them. Raises ParseError for invalid XML."""
    cases = list(ET.fromstring(junit).iter("testcase"))  # noqa: S314 of a build that we have started ourselves
    skipped = sum(case.find("skipped") is not None for case in cases)
    failed = sum(case.find("failure") is not None or case.find("error") is not None for case in cases)
    return Counts(len(cases) - skipped - failed, failed, skipped)


def _sum(counts: Iterator[Counts]) -> Counts:
    every = list(counts)
    return Counts(
        sum(each.passed for each in every), sum(each.failed for each in every), sum(each.skipped for each in every)
    )


def _artifacts(build: Build, targets: Sequence[str]) -> Iterator[Finding]:
    expected = [f"profile/{target}/{name}" for target in targets for name in OF_A_TARGET] + [OVERVIEW, SUMMARY]
    missing = [path for path in expected if path not in build.artifacts and f"{path}.gz" not in build.artifacts]
    what = f"artifacts: {len(build.artifacts)}"
    yield Finding(what, f"missing: {', '.join(missing)}" if missing else "")


def _summary(build: Build, targets: Sequence[str]) -> Finding:
    served = build.served.get(SUMMARY)
    if served is None:
        return Finding(SUMMARY, "could not be fetched")
    named = [row.get("target") for row in csv.DictReader(io.StringIO(served.text))]
    if sorted(map(str, named)) != sorted(targets):
        return Finding(SUMMARY, f"has rows for {named}, the plan has {list(targets)}")
    return Finding(f"{SUMMARY}: {len(named)} rows")


def _pages(build: Build, targets: Sequence[str]) -> Iterator[Finding]:
    pages = [path for path in build.served if path.endswith(".html")]
    for path in pages:
        yield Finding(f"page {path}", "; ".join(_page_problems(build, path)))
    if OVERVIEW not in pages:
        yield Finding(f"page {OVERVIEW}", "could not be fetched")
        return
    overview = build.served[OVERVIEW].text
    unnamed = [target for target in targets if target not in overview]
    yield Finding(f"page {OVERVIEW} names every target", f"not named: {', '.join(unnamed)}" if unnamed else "")


def _page_problems(build: Build, path: str) -> Iterator[str]:
    served = build.served[path]
    if not served.content_type.startswith("text/html"):
        yield f"served as {served.content_type}"
    if not served.elsewhere and parse_policy(served.policy) not in POLICIES:
        yield (
            f"served with the policy {served.policy!r} in place of Jenkins' own, which the page is to be proven under;"
            " unset hudson.model.DirectoryBrowserSupport.CSP"
        )
    page = read_page(path, served.text)
    if page.forbidden:
        yield f"the policy forbids: {', '.join(page.forbidden)}"
    for loaded in page.loads:
        problem = _load_problem(build.served.get(loaded))
        if problem:
            yield f"{loaded} {problem}"
    dead = [link for link in page.links if link not in build.artifacts]
    if dead:
        yield f"links to no artifact: {', '.join(dead)}"


def _load_problem(served: Served | None) -> str:
    if served is None:
        return "is missing"
    return "" if served.content_type.startswith(("image/", "text/css")) else f"is served as {served.content_type}"


def parse_policy(header: str) -> dict[str, str]:
    """`sandbox; img-src 'self';` → {"sandbox": "", "img-src": "'self'"}."""
    directives = (directive.strip().partition(" ") for directive in header.split(";"))
    return {name: value.strip() for name, _, value in directives if name}


def _description(build: Build) -> Finding:
    what = f"description: {build.description}"
    return Finding(what, "" if f"artifact/{OVERVIEW}" in build.description else f"has no link to {OVERVIEW}")
