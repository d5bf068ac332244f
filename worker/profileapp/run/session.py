"""State that all targets of one invocation share."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from profileapp.model.run import Build
from profileapp.model.target import App
from profileapp.run.cool_down import Thermometer
from profileapp.run.launch import Limits
from profileapp.run.progress import Progress
from profileapp.run.runtime import Runtime
from profileapp.run.secrets import Secrets
from profileapp.run.sources import Find
from profileapp.run.stop import Stop, Wake


class Session(msgspec.Struct, frozen=True):
    """The state shared by all targets of one run. `is_watched`: whether a `profileapp live` watches this agent now."""

    app: App
    runtime: Runtime
    limits: Limits
    build: Build
    find_sources: Find
    secrets: Secrets
    hottest_c: Thermometer
    progress: Progress
    is_watched: Callable[[], bool]
    stop: Stop
    wake: Wake
