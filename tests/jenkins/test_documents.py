"""docs/jenkins.md and Jenkins' help page agree with the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "jenkins.md").read_text(encoding="utf-8")
STEP = (ROOT / "vars" / "profileApp.groovy").read_text(encoding="utf-8")
KEYS = (ROOT / "src" / "org" / "profileapp" / "Keys.groovy").read_text(encoding="utf-8")
HELP = (ROOT / "vars" / "profileApp.txt").read_text(encoding="utf-8")


def defaults() -> dict[str, str]:
    """Each key of the step with its default in Groovy."""
    body = re.search(r"Map defaults\(\) \{\s*return \[\n(.*?)\n\s*\]", KEYS, re.DOTALL)
    assert body
    return dict(re.findall(r"^\s*(\w+)\s*: ('[^']*'|\[\]|\w+),", body[1], re.MULTILINE))


def rows(heading: str) -> list[list[str]]:
    """The cells of the tables below a heading."""
    section = re.split(r"^## ", PAGE.split(f"\n## {heading}\n")[1], maxsplit=1, flags=re.MULTILINE)[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]


def test_the_page_documents_every_key_and_its_default() -> None:
    documented = {row[0].strip("`"): row[1].strip("`") for row in rows("Every key")[2:]}
    assert documented == defaults()
    assert len(documented) >= 10


def test_the_help_page_documents_every_key() -> None:
    assert re.findall(r"<dt><code>(\w+)</code></dt>", HELP) == list(defaults())


def test_the_page_documents_every_setting_of_the_check() -> None:
    code = (ROOT / "tests" / "jenkins" / "check.py").read_text(encoding="utf-8")
    documented = {name for row in rows("Try it on your Jenkins") for name in re.findall(r"JENKINS_\w+", row[0])}
    assert documented == set(re.findall(r'"(JENKINS_\w+)"', code))


@pytest.mark.parametrize("stage", ["Profile: plan", "Profile: summary"])
def test_the_stages_have_the_names_that_the_step_uses(stage: str) -> None:
    assert f"stage(Plan.titleOf('{stage}', config))" in STEP
    assert f"*{stage}*" in PAGE


def test_links_within_the_page_resolve() -> None:
    headings = {re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-") for line in re.findall(r"^#+ (.*)", PAGE, re.M)}
    for link in re.findall(r"\]\(#([^)]+)\)", PAGE):
        assert link in headings


def test_variables_of_the_agent_are_used() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob("worker/**/*.py"))
    code += (ROOT / "resources" / "profileapp" / "worker.sh").read_text(encoding="utf-8")
    named = set(re.findall(r"`(PROFILEAPP_\w+)`", PAGE))
    assert named
    assert {name for name in named if name not in code} == set()
