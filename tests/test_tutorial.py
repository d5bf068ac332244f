"""docs/tutorial.md, from an empty folder to a red build: its files are written and its commands run, in order."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs/tutorial.md"
TIMEOUT_S = 60


def pattern_of(line: str) -> str:
    """A regular expression for a line of the page: `…` is any text; numbers with units, and spaces, may differ."""
    text = re.escape(line.strip())
    text = text.replace("…", ".*")
    text = re.sub(r"[\d.\\]*\d[\d.\\]*(\\ (%|[µmkMG]?i?[sB]))?", r"\\S+(\\s+\\S+)?", text)
    return re.sub(r"(\\ )+", r"\\s+", text)


def check_output(expected: list[str], output: list[str]) -> None:
    """Each line of the page is in the output, in order; no other line is, except at `…`."""
    rest = list(output)
    skip = False
    for line in filter(str.strip, expected):
        if line.strip() == "…":
            skip = True
            continue
        while rest and skip and not re.fullmatch(pattern_of(line), rest[0].strip()):
            rest.pop(0)
        assert rest, f"not printed: {line}"
        assert re.fullmatch(pattern_of(line), rest[0].strip()), f"{line!r} was to be printed, not {rest[0]!r}"
        rest.pop(0)
        skip = False
    assert skip or not rest, f"not in the tutorial: {rest}"


def test_the_tutorial(tmp_path: Path) -> None:
    # This environment's programs precede others on the PATH, as in the tutorial's environment.
    with tempfile.TemporaryDirectory(prefix="pa-") as state:
        environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("PROFILEAPP_", "COLUMNS"))},
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PROFILEAPP_STATE": state,
            "COLUMNS": "200",
        }
        code = 0
        for language, text in re.findall(r"^```(\w+)\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE):
            name = re.match(r"# (\S+\.(?:py|yaml))\n", text)
            if language in ("python", "yaml") and name:
                (tmp_path / name[1]).write_text(text)
            elif language == "console":
                for command, expected in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE):
                    done = subprocess.run(
                        ["bash", "-c", f"(exit {code}); {command}"],
                        cwd=tmp_path,
                        env=environ,
                        stdout=subprocess.PIPE,
                        stderr=subprocess.STDOUT,
                        text=True,
                        timeout=TIMEOUT_S,
                        check=False,
                    )
                    check_output(expected.splitlines(), [line for line in done.stdout.splitlines() if line.strip()])
                    code = done.returncode
                    if command == "echo $?":
                        assert done.stdout == expected, "the exit code is that of the page"
    assert (tmp_path / "profile/index.html").exists()
    assert "VIOLATED" in (tmp_path / "profile/junit.xml").read_text().upper()
