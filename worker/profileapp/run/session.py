"""What all targets of one invocation share."""

from __future__ import annotations

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
    """What all targets of one invocation share."""

    app: App
    runtime: Runtime
    limits: Limits
    build: Build
    find_sources: Find
    secrets: Secrets
    hottest_c: Thermometer
    progress: Progress
    stop: Stop
    wake: Wake
