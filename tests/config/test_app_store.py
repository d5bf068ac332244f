"""What Sage's app store (ECR) accepts of a sage.yaml, and that a profiled app stays acceptable.

The rule, in our own words, of waggle-sensor/sage-ecr at 0e708ee: `config.py` (`valid_fields`, `required_fields`,
`input_fields_valid`, `input_valid_types`) and `ecr_api.py` (`submit_app`).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from profileapp.commands.init import command as init
from profileapp.commands.plan import app_store_warnings
from profileapp.config.load import load

ROOT = Path(__file__).parents[2]
RECORDED = sorted((ROOT.parent / "shared/recorded/sage-yaml/given").glob("*.yaml"))
EXAMPLES = sorted(ROOT.glob("examples/*/sage.yaml"))
PAGES = [page for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")] if "profile" not in page.parts]
SECTION = "\nprofiling:\n  targets: [{name: one}]\n"

TOP_LEVEL = (
    *("namespace", "name", "version", "description", "keywords", "authors", "collaborators", "homepage", "funding"),
    *("license", "source", "depends_on", "baseCommand", "arguments", "inputs", "resources", "metadata", "frozen"),
    "testing",
)
INPUT_TYPES = frozenset({"boolean", "int", "long", "float", "double", "string", "File"})


def refusal(app: dict[str, Any]) -> str:
    """Why the app store refuses an app; "" if it does not."""
    for key in app:
        if key not in TOP_LEVEL:
            return f"Field {key} not supported"
    for key, kind in (("description", str), ("source", dict)):
        if not isinstance(app.get(key), kind) or not app[key]:
            return f"Required field {key} is missing"
    for each in app.get("inputs") or ():
        if each.keys() != {"id", "type"} or each["type"] not in INPUT_TYPES:
            return "Input field not supported"
    if not isinstance(app.get("metadata", {}), dict) or not isinstance(app.get("resources", []), list):
        return "metadata has to be an object"
    return ""


def complete_apps() -> list[Any]:
    """Every complete sage.yaml of this repository and of those recorded, as text."""
    blocks = [
        pytest.param(block, id=f"{page.relative_to(ROOT)}:{number}")
        for page in PAGES
        for number, block in enumerate(re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.S | re.M))
        if re.search(r"^source:", block, re.M)
    ]
    return [*blocks, *(pytest.param(path.read_text(), id=path.name) for path in [*EXAMPLES, *RECORDED])]


@pytest.mark.parametrize("text", complete_apps())
def test_a_configured_app_is_as_acceptable_as_without(text: str, tmp_path: Path) -> None:
    given = yaml.safe_load(text)
    assert "profiling" not in given, "Field profiling not supported"
    metadata = {**(given.get("metadata") or {}), "profiling": {"targets": [{"name": "one"}]}}
    assert refusal(given | {"metadata": metadata}) == refusal(given)
    # The founding form is refused, the plan warns of it, and `init` makes the file what it was.
    path = tmp_path / "sage.yaml"
    path.write_text(
        re.sub(r"^metadata:\n  profiling:\n(    .*\n)+", "", text, flags=re.M).rstrip("\n") + "\n" + SECTION
    )
    assert "profiling not supported" in refusal(yaml.safe_load(path.read_text()))
    (warning,) = app_store_warnings(load(path))
    assert "Sage's app store refuses this key" in warning and f"{path}:" in warning
    before = load(path).profiling
    assert CliRunner().invoke(init, [str(path)], catch_exceptions=False).exit_code == 0
    assert load(path).profiling == before and app_store_warnings(load(path)) == ()
    assert "profiling" not in yaml.safe_load(path.read_text())


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_the_examples_are_accepted(path: Path) -> None:
    assert refusal(yaml.safe_load(path.read_text())) == ""


def test_the_rule_refuses_what_the_store_refuses() -> None:
    app = {"description": "x", "source": {"url": "y"}}
    assert refusal(app) == ""
    assert refusal(app | {"profiling": {}}) == "Field profiling not supported"
    assert refusal({"description": "x"}) and refusal(app | {"metadata": []})
    assert refusal(app | {"inputs": [{"id": "a", "type": "int", "description": "b"}]})


def test_an_app_without_sources_is_not_for_the_store(tmp_path: Path) -> None:
    path = tmp_path / "sage.yaml"
    path.write_text("name: app" + SECTION)
    assert app_store_warnings(load(path)) == ()
