"""Lines in a test case's output that make Jenkins' JUnit Attachments plugin attach files to that case.

The plugin treats `[[ATTACHMENT|PATH]]` anywhere in a case's output as a file of the agent, PATH relative to where the
`junit` step runs, and publishes it to every reader of the build (jenkinsci/junit-attachments-plugin,
`GetTestDataMethodObject`). So an app's text, which is part of that output, must never contain such a line.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

from profileapp.judge.verdict import JudgedRun

PLOTS_LIMIT = 12
"""Plots of a target that are attached, the first ones; the page has all."""
_MARK = re.compile(r"\[\[(?=\s*ATTACHMENT)", re.IGNORECASE)
_PLAIN_PATH = re.compile(r"[^\n\r|\[\]]+")
_WEB_ADDRESS = re.compile(r"https?://[^\s<>\"'\[\]]+/")


def harmless(text: str) -> str:
    """The text without anything that the plugin would treat as an attachment."""
    return _MARK.sub("[ [", text)


def attached(paths: Iterable[Path]) -> list[str]:
    """A line for each path that is a file, not a link, and whose name is valid in such a line."""
    return [
        f"[[ATTACHMENT|{path.as_posix()}]]"
        for path in paths
        if _PLAIN_PATH.fullmatch(path.as_posix()) and path.is_file() and not path.is_symlink()
    ]


def attached_plots(report: Path) -> list[str]:
    """Lines for the flame graph and the first plots in a target's report folder, those for light pages."""
    try:
        plots = sorted(each for each in report.glob("[0-9][0-9]-*.svg") if not each.name.endswith(".dark.svg"))
    except OSError:
        plots = []
    return attached([*plots[:PLOTS_LIMIT], report / "flame-graph.svg"])


def page_address(judged: JudgedRun) -> str:
    """The URL of the target's page in the build's artifacts; "" if the build's URL is unknown."""
    build = judged.run.build.url
    if not _WEB_ADDRESS.fullmatch(build):
        return ""
    folder = judged.folder
    return (
        f"{build}artifact/{quote(os.fsencode(folder.parent.name))}/{quote(os.fsencode(folder.name))}/report/index.html"
    )
