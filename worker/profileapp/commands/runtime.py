"""The runtime of a `profileapp run`: a process, or a container with an image from one of three sources."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from profileapp.errors import AgentError, ConfigError
from profileapp.live.leftovers import LIVE_RUNTIME
from profileapp.run.agent.ownership import owner
from profileapp.run.agent.state import State, new_run_id
from profileapp.run.docker.registry_login import RegistryLogin
from profileapp.run.launch import BuildNetwork
from profileapp.run.process.environment_memory import hide_environment
from profileapp.run.process.runtime import ProcessRuntime
from profileapp.run.runtime import Runtime
from profileapp.run.stop import Stop, patience_of

if TYPE_CHECKING:
    from profileapp.run.docker.helper import HelperContainers
    from profileapp.run.docker.image_source import ImageSource

BUILD_LOG_FILE = "build.log"


def process_runtime(line: str | None, folder: Path, state: State, warn: Callable[[str], None]) -> Runtime:
    """Runs a command line, split like a shell does, in a folder. Raises ConfigError without one.

    It hides this worker's initial environment from other processes; calls `warn` if that fails.
    """
    try:
        argv = tuple(shlex.split(line or ""))
    except ValueError as error:
        raise ConfigError(f"--command {line!r}: a shell cannot split it ({error})") from error
    if not argv:
        raise ConfigError('--runtime process needs --command, such as --command "python3 app.py"')
    runtime = ProcessRuntime(argv, folder, os.environ, state.lock_path)
    problem = hide_environment()
    if problem:
        warn(f"the app can read the variables that this worker was started with: {problem}")
    return runtime


def image_source(
    name: str,
    is_asked_for: bool,
    image_archive: Path | None,
    build: Path | None,
    out: Path,
    login: RegistryLogin | None,
    stop: Stop,
    build_network: BuildNetwork,
) -> ImageSource:
    """The source of the image; `is_asked_for`: the user, not the sage.yaml, named it. Raises ConfigError."""
    # docker takes longer to import than everything else together.
    from profileapp.run.docker.image_build import BuiltImage  # noqa: PLC0415
    from profileapp.run.docker.image_source import NamedImage, SavedImage  # noqa: PLC0415

    if image_archive:
        return SavedImage(image_archive, name, stop, is_asked_for=is_asked_for)
    if build:
        return BuiltImage(build, name, out / BUILD_LOG_FILE, stop, login, build_network, patience_of(stop, os.environ))
    if not name:
        raise ConfigError(
            "no image: give --image, --image-archive or --build, or namespace, name and version in the sage.yaml"
        )
    return NamedImage(name, login, patience_of(stop, os.environ))


def docker_runtime(source: ImageSource, state: State, login: RegistryLogin | None, stop: Stop | None = None) -> Runtime:
    """The Docker runtime. Raises AgentError if no daemon responds."""
    from profileapp.run.docker.marks import Marks  # noqa: PLC0415
    from profileapp.run.docker.runtime import DockerRuntime  # noqa: PLC0415

    marks = Marks(owner(), state.folder, state.lock_path)
    return DockerRuntime(source, marks, login, patience_of(stop, os.environ) if stop else None)


def runtime_to_sweep(name: str, state: State) -> Runtime:
    """The runtime with this name, for removing the leftovers of its dead runs. Raises AgentError."""
    # A `profileapp live` starts nothing, so only its folder is left, which any runtime leaves to the sweeper.
    if name in (ProcessRuntime.name, LIVE_RUNTIME):
        return ProcessRuntime((), Path("/"), {}, state.lock_path)
    from profileapp.run.docker.image_source import NamedImage  # noqa: PLC0415

    return docker_runtime(NamedImage("", None), state, None)


def agent_helpers() -> HelperContainers | None:
    """Helper containers outside of a run, for checks; None if no daemon responds."""
    from profileapp.run.docker.image_source import NamedImage  # noqa: PLC0415
    from profileapp.run.docker.marks import Marks  # noqa: PLC0415
    from profileapp.run.docker.runtime import DockerRuntime  # noqa: PLC0415

    # Without the agent's lock: it measures nothing.
    marks = Marks(owner(), Path("/nonexistent"), Path("/nonexistent"))
    try:
        return DockerRuntime(NamedImage("", None), marks).helpers(new_run_id())
    except AgentError:
        return None
