"""Every error that a user can see, with its documented exit code.

ProfileappError
├── ConfigError     3  the configuration is wrong; lists every issue, each with file:line:column
├── ImageError      3  the named image or command is unavailable
├── DatasetError    3  the named dataset is unavailable, or does not match its description
├── AgentError      4  the agent could not measure (no daemon, no rights, disk full)
├── StoreError      4  the database cannot be reached, read or written
│   └── EmptyDatabaseError  nothing has been stored in it yet
└── Unavailable        a metric is unavailable here; its text is the reason of a skipped test case
    ├── MissingExtra   an extra of the worker is not installed
    └── AppEnded       only this time: the app ended before it could be sampled
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of the worker, as docs/reference/exit-codes.md lists them."""

    OK = 0
    BUDGET_VIOLATED = 1
    APP_FAILED = 2
    CONFIG_WRONG = 3
    NOT_MEASURED = 4
    INTERRUPTED = 130
    TERMINATED = 143


# In ascending order: the exit code for several targets is the worst one.
_SEVERITY = (
    ExitCode.OK,
    ExitCode.BUDGET_VIOLATED,
    ExitCode.APP_FAILED,
    ExitCode.NOT_MEASURED,
    ExitCode.CONFIG_WRONG,
    ExitCode.INTERRUPTED,
    ExitCode.TERMINATED,
)


def worst(codes: list[ExitCode]) -> ExitCode:
    """The worst of `codes`; OK if there are none."""
    return max(codes, key=_SEVERITY.index, default=ExitCode.OK)


class ProfileappError(Exception):
    """One clear line: what is wrong, where, and what to do."""

    exit_code = ExitCode.NOT_MEASURED


class ConfigError(ProfileappError):
    """The configuration is wrong. The text has one line per issue."""

    exit_code = ExitCode.CONFIG_WRONG


class ImageError(ProfileappError):
    """The image (or command) named for the app is unavailable or cannot be started."""

    exit_code = ExitCode.CONFIG_WRONG


class DatasetError(ProfileappError):
    """The named dataset is unavailable, or does not match its description."""

    exit_code = ExitCode.CONFIG_WRONG


class AgentError(ProfileappError):
    """This agent cannot measure."""

    exit_code = ExitCode.NOT_MEASURED


class StoreError(ProfileappError):
    """The database cannot be reached, read or written. The artifacts are unaffected."""

    exit_code = ExitCode.NOT_MEASURED


class EmptyDatabaseError(StoreError):
    """There is no database yet, or one without tables: nothing has been stored in it."""


class Unavailable(Exception):
    """A metric or one of its sources is unavailable on this agent; the text is the reason."""


class MissingExtra(Unavailable):
    """A source needs an extra of the worker that is not installed. `extra` is its name."""

    def __init__(self, text: str, extra: str) -> None:
        super().__init__(f"{text}; install the worker with profileapp[{extra}]")
        self.extra = extra


class AppEnded(Unavailable):
    """The app ended before it could be measured; the next repeat may still be measured."""

    def __init__(self, text: str = "the app ended before it could be measured") -> None:
        super().__init__(text)
