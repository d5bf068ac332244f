"""Generates the pages of a folder of runs in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import msgspec

from profileapp.report.write import report_extra_is_installed


def make_report(out: Path) -> Path | None:
    """Creates the pages in a separate process, so that the memory of plots does not stay in the worker.

    None, after printing what to install, if this machine lacks the report extra.
    """
    if not report_extra_is_installed():
        click.echo(
            f"profileapp: pages and plots need the report extra; make them anywhere with `profileapp report {out}`",
            err=True,
        )
        return None
    # Isolated (-I): the current folder is the app's, and its modules must not be imported.
    argv = [sys.executable, "-I", "-m", "profileapp", "report", str(out), "--json"]
    done = subprocess.run(argv, capture_output=True, check=False)
    try:
        return Path(msgspec.json.decode(done.stdout)["report"])
    except (msgspec.DecodeError, KeyError, TypeError):
        click.echo(done.stderr.decode(errors="replace"), err=True, nl=False)
        return None
