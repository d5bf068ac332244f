"""`outcome.json`: how a command's result affects a build."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
import msgspec

from profileapp.errors import AgentError, ExitCode, ProfileappError
from profileapp.judge.outcome import failed_outcome
from profileapp.model.outcome import Outcome, Policy
from profileapp.model.text import printable
from profileapp.record.files import is_folder, remove_file, write_atomic


class OutcomeFile:
    """The file at `path`; an earlier command's file is removed at once, so that no stale result is read.

    `planned` names the targets, as soon as they are known. Raises AgentError if the old file cannot be removed.
    """

    def __init__(self, path: Path, policy: Policy) -> None:
        self.planned: Sequence[str] = ()
        self.policy = policy
        self._path = path
        try:
            remove_file(path)
        except NotADirectoryError:
            # The folder is a file; the code that creates the folder reports it.
            return
        except (OSError, ValueError) as error:
            # ValueError: a NUL in the name.
            reason = error.strerror if isinstance(error, OSError) else error
            raise AgentError(f"{printable(str(path), 200)}: cannot be replaced ({reason}); remove it") from error

    def write(self, outcome: Outcome) -> None:
        """Writes it atomically. Prints a line if that fails: without the file the build counts as not measured."""
        # Without a folder no results were requested yet.
        if not is_folder(self._path.parent):
            return
        try:
            write_atomic(self._path, msgspec.json.format(msgspec.json.encode(outcome), indent=1) + b"\n")
        except OSError as error:
            click.echo(f"profileapp: {self._path}: cannot be written ({error.strerror})", err=True)

    @contextmanager
    def records_failures(
        self, failed: Callable[[ExitCode, str, Sequence[str], Policy], Outcome] = failed_outcome
    ) -> Iterator[None]:
        """Writes how an error in the block affects the build, and raises it again."""
        try:
            yield
        except ProfileappError as error:
            self.write(failed(error.exit_code, str(error), self.planned, self.policy))
            raise
        except Exception as error:
            text = f"an error of profileapp itself ({type(error).__name__})"
            self.write(failed(ExitCode.NOT_MEASURED, text, self.planned, self.policy))
            raise
