"""The program that runs a load and prints its account as the last line. Standard library only."""

from __future__ import annotations

import importlib
import json
import os
import sys

from profileapp.selftest.load import Account, CannotRun
from profileapp.selftest.own_times import cpu_s, lived_s

PREFIX = "selftest-account "
CODE = "import sys; sys.path.insert(0, sys.argv[1]); from profileapp.selftest.program import main; main()"
"""Run as `python -I -S -B -c CODE FOLDER MODULE ARGS`, where FOLDER contains the package."""


def main() -> None:
    """Runs the load that the command line names, then exits without Python's finalization."""
    try:
        account = importlib.import_module(f"profileapp.selftest.loads.{sys.argv[2]}").run(tuple(sys.argv[3:]))
    except CannotRun as reason:
        account = Account({}, skipped=str(reason))
    line = PREFIX + json.dumps(with_times(account, cpu_s(), lived_s())._asdict()) + "\n"
    os.write(1, line.encode())
    os._exit(0)


def with_times(account: Account, used_s: float, wall_s: float) -> Account:
    """Adds the CPU time of the load and its children, and its duration."""
    times = {"cpu_s": used_s, "wall_s": wall_s, "cpu_percent": used_s / wall_s * 100}
    return account._replace(values=account.values | times)
