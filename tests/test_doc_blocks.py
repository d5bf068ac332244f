"""Every block of README, docs and the examples' READMEs is checked: a block without a check fails.

`yaml` is validated by the schema, `sh` by bash and the commands' own parsers, `groovy` by the keys of profileApp()
(tests/pipeline compiles it as Jenkins does), `python` is compiled, `json` read. `console` is run by test_tutorial.py;
`c++`, `go` and `sql` by tests/collect and tests/store.
"""

from __future__ import annotations

import ast
import importlib
import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click
import jsonschema
import pytest
import yaml

from profileapp.commands.live_record import load_triggers
from profileapp.commands.main import commands
from profileapp.commands.schema import schema_of
from profileapp.config.load import load
from profileapp.config.schema import overlay_schema
from profileapp.config.validate import validate

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    page
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")]
    if "profile" not in page.relative_to(ROOT).parts
)
RUN_ELSEWHERE = {
    "c++": "tests/collect",
    "go": "tests/collect",
    "sql": "tests/store",
    "toml": "tests/collect",
    "console": "tests/test_tutorial.py",
}
PROGRAMS = ("profileapp", ".venv/bin/profileapp")


class Block(NamedTuple):
    page: Path
    line: int
    language: str
    text: str

    @property
    def id(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks_of(page: Path) -> Iterator[Block]:
    lines = page.read_text(encoding="utf-8").splitlines()
    fence, start, language = "", 0, ""
    for number, line in enumerate(lines, start=1):
        found = re.match(r" *(```+)(.*)$", line)
        if found and not fence:
            fence, start, language = found[1], number, found[2].strip()
        elif found and found[1] == fence:
            text = "\n".join(lines[start : number - 1])
            indent = min((len(each) - len(each.lstrip()) for each in text.splitlines() if each.strip()), default=0)
            yield Block(page, start, language, "\n".join(each[indent:] for each in text.splitlines()) + "\n")
            fence = ""
    assert not fence, f"{page}:{start}: the block does not end"


BLOCKS = [block for page in PAGES for block in blocks_of(page)]


def of(language: str) -> Any:
    found = [block for block in BLOCKS if block.language == language]
    return pytest.mark.parametrize("block", found, ids=lambda block: block.id)


def test_every_block_has_a_checked_language() -> None:
    checked = {"", "yaml", "sh", "groovy", "python", "json", *RUN_ELSEWHERE}
    assert [block.id for block in BLOCKS if block.language not in checked] == []


def complete(text: str) -> str:
    """Replaces digests that a page abbreviates (`9f86…`) with full ones."""
    return re.sub(r"[0-9a-f]{4,}…", lambda found: found[0][:-1].ljust(64, "0"), text)


@of("yaml")
def test_yaml_is_valid(block: Block, tmp_path: Path) -> None:
    data = yaml.safe_load(complete(block.text))
    if "rules" in data:  # of `profileapp live`
        (tmp_path / "rules.yaml").write_text(block.text)
        assert load_triggers(tmp_path / "rules.yaml", "64MB", "1GiB").rules
        return
    profiling = data.get("profiling")
    if "unclassified" in data:  # Jenkins Configuration as Code
        library = data["unclassified"]["globalLibraries"]["libraries"][0]
        assert library["name"] == "profileapp" and library["retriever"]["modernSCM"]["scm"]["git"]["remote"]
        return
    if profiling is None:  # the section's keys, or those of one target
        profiling = data if data.keys() & {"targets", "services"} else {"targets": [data]}
    if "name" in data or (profiling.get("targets") and "profiling" in data and not block.text.startswith("# night")):
        path = tmp_path / "sage.yaml"
        path.write_text(complete(block.text))
        load(path)
    issues = validate(profiling, overlay_schema())
    assert [issue.text for issue in issues] == []


@of("sh")
def test_shell_is_valid_and_its_commands_exist(block: Block) -> None:
    done = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for argv in command_lines(block.text):
        check_command(argv)


def command_lines(text: str) -> Iterator[list[str]]:
    """The simple commands of a script, without comments, assignments and redirections."""
    for line in text.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>()")
        lexer.whitespace_split = True
        argv: list[str] = []
        tokens = list(lexer)
        while tokens:
            token = tokens.pop(0)
            if set(token) <= set("<>"):
                tokens.pop(0)  # the file
            elif set(token) <= set("|&;()"):
                yield argv
                argv = []
            elif argv or not re.match(r"[A-Z_]+=", token):
                argv.append(token)
        if argv:
            yield argv


def check_command(argv: list[str]) -> None:
    if not argv:
        return
    program, *args = argv
    if program in PROGRAMS:
        parse(commands, args)
    elif program == "make" and args and not args[0].startswith("-"):
        assert re.search(rf"^{re.escape(args[0])}:", (ROOT / "Makefile").read_text(), re.MULTILINE), argv
    elif program.startswith(("scripts/", "tests/")):
        assert (ROOT / program).exists(), argv
    elif program.endswith("python") and args[0] == "-m" and args[1].startswith("tests."):
        assert (ROOT / args[1].replace(".", "/")).with_suffix(".py").exists() or (ROOT / "tests/bench").is_dir()


def parse(command: click.Command, args: list[str]) -> None:
    """Parses as the program would, without running anything. Raises click.UsageError."""
    while isinstance(command, click.Group):
        name, *args = args
        found = command.get_command(click.Context(command), name)
        assert found, f"no command {name!r}"
        command = found
    command.make_context(command.name, list(args))


def test_an_unknown_command_is_detected() -> None:
    for line in ("profileapp runs x", "profileapp run sage.yaml --imag x", "profileapp report", "make nothing-such"):
        with pytest.raises((AssertionError, click.UsageError)):
            check_command(shlex.split(line))


INLINE = [
    pytest.param(span, id=f"{page.relative_to(ROOT)}: {span[:60]}")
    for page in PAGES
    for span in re.findall(
        r"`(profileapp [a-z][^`]*)`", re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    )
]


@pytest.mark.parametrize("span", INLINE)
def test_commands_in_sentences_exist(span: str) -> None:
    command: click.Command = commands
    argv = span.split()[1:]
    while isinstance(command, click.Group) and argv and re.fullmatch(r"[a-z]+", argv[0]):
        found = command.get_command(click.Context(command), argv.pop(0))
        assert found, span
        command = found
    known = {name for each in command.params for name in each.opts} | {"--help"}
    assert set(re.findall(r"(?<=\s)--[a-z-]+", span)) <= known, span


def keys_of_the_step() -> set[str]:
    text = (ROOT / "src/org/profileapp/Keys.groovy").read_text(encoding="utf-8")
    return set(re.findall(r"^ +(\w+) *:", text.split("static Map defaults()")[1], re.MULTILINE))


@of("groovy")
def test_groovy_uses_keys_that_exist(block: Block) -> None:
    for call in re.findall(r"profileApp\(([^()]*)\)", re.sub(r"//[^\n]*", "", block.text)):
        given = set(re.findall(r"(?:^|[,\s])(\w+):\s", re.sub(r"'[^']*'", "''", call)))
        assert given <= keys_of_the_step(), given - keys_of_the_step()
    for line in re.findall(r"'(profileapp [^']*)'", block.text):
        check_command(shlex.split(line))


@of("python")
def test_python_compiles_and_its_imports_from_profileapp_exist(block: Block) -> None:
    for node in ast.walk(ast.parse(block.text)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("profileapp"):
            module = importlib.import_module(node.module)
            assert [name.name for name in node.names if not hasattr(module, name.name)] == []


@of("json")
def test_json_is_valid(block: Block) -> None:
    data = json.loads(block.text)
    kind = "outcome" if "exit_code" in data else "sample"
    if "metric" in data.get("meta", {"metric": ""}):  # otherwise it is a sample, which tests/collect sends
        jsonschema.validate(data, schema_of(kind))


def slug(title: str) -> str:
    """The anchor that GitHub generates for a heading."""
    return re.sub(r"[^\w\- ]", "", title.strip().lower().replace("`", "")).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_to_headings_resolve(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link, anchor in re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", text):
        if "://" in link:
            continue
        there = page.parent / link if link else page
        outside = re.sub(r"```.*?```", "", there.read_text(encoding="utf-8"), flags=re.DOTALL)
        assert anchor in {slug(title) for title in re.findall(r"^#+ (.*)$", outside, re.MULTILINE)}, f"{link}#{anchor}"
