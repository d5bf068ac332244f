"""Unpacks an untrusted archive in a separate process: its memory is bounded whatever the formats and their libraries
do, and it can be killed at any moment.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from profileapp.errors import DatasetError
from profileapp.model.text import printable
from profileapp.run.dataset.unpacker import Outcome
from profileapp.run.net.deadline import POLL_S, Deadline, TooLate

TIMEOUT_S = 3600.0
_OUTPUT_LIMIT_BYTES = 64 * 1024


def unpack(
    archive: Path,
    folder: Path,
    limit_bytes: int,
    tick: Callable[[], object] = lambda: None,
    timeout_s: float = TIMEOUT_S,
) -> None:
    """Unpacks a zip or tar archive into `folder`, which must be empty; calls `tick` meanwhile, which may raise.

    Raises DatasetError (without the archive's name) if it is not an archive, is corrupt, points outside the folder,
    contains links or devices, exceeds its memory or time limit, or unpacks to more than `limit_bytes` or than is
    plausible for its size; OSError if the disk fails.
    """
    # Isolated (-I): the current folder is the app's. From the environment, which has the agent's secrets, only what
    # the program itself may need to be started.
    environ = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
    argv = [sys.executable, "-I", "-X", "utf8", "-m", "profileapp.run.dataset.unpacker"]
    argv += [str(archive.resolve()), str(folder.resolve()), str(limit_bytes), str(os.getpid())]
    process = subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environ, cwd="/"
    )
    try:
        _wait(process, Deadline(timeout_s, tick))
        output = process.stdout.read(_OUTPUT_LIMIT_BYTES) if process.stdout else b""
    except TooLate as error:
        raise DatasetError(f"was not unpacked within {timeout_s:g} s") from error
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()
    _raise_outcome(output, process.returncode)


def _wait(process: subprocess.Popen[bytes], deadline: Deadline) -> None:
    while True:
        try:
            process.wait(min(POLL_S, deadline.check()))
        except subprocess.TimeoutExpired:
            continue
        return


def _raise_outcome(output: bytes, code: int) -> None:
    try:
        outcome = msgspec.json.decode(output, type=Outcome)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        raise DatasetError(f"makes the unpacker crash ({how})") from error
    if outcome.disk_error:
        raise OSError(outcome.disk_error, os.strerror(outcome.disk_error))
    if outcome.refused:
        raise DatasetError(printable(outcome.refused, 400))
