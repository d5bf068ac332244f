"""Prerequisites of tests: a Docker daemon, images that need no registry, a browser, PostgreSQL.

A test without its prerequisite is skipped with a reason; under `make test` it fails, so that nothing is skipped
unnoticed (PROFILEAPP_REQUIRE_DOCKER=1, PROFILEAPP_REQUIRE_BROWSER=1, PROFILEAPP_REQUIRE_POSTGRES=1).
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import docker
import pytest
from docker.errors import DockerException
from hypothesis import settings

from tests.helpers.private_postgres import PrivatePostgres

ROOT = Path(__file__).parents[1]
# What cannot be reached is tried again for minutes elsewhere; a test that means to reach nothing need not wait so long.
os.environ.setdefault("PROFILEAPP_RETRY_TIMEOUT", "1")

# A loaded machine may take long over any example.
settings.register_profile("profileapp", deadline=None)
settings.load_profile("profileapp")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Attacks and faults that take minutes run only in `make hostile`."""
    if os.environ.get("PROFILEAPP_HOSTILE") != "1":
        long = [item for item in items if item.get_closest_marker("hostile_long")]
        items[:] = [item for item in items if item not in long]
        config.hook.pytest_deselected(items=long)


@pytest.fixture(scope="session")
def docker_client() -> Iterator[docker.DockerClient]:
    """The machine's Docker daemon, which answers."""
    try:
        client = docker.from_env(timeout=60)
        client.ping()
    except (DockerException, OSError) as error:
        _missing("DOCKER", f"no Docker daemon answers: {error}")
    yield client
    client.close()


@pytest.fixture(scope="session")
def busybox_image(docker_client: docker.DockerClient) -> str:
    """Name of an image with a shell and busybox's applets in /bin, no entrypoint, and a user 1000."""
    return _image("DOCKER", ROOT / "tests" / "images" / "busybox-image")


@pytest.fixture(scope="session")
def python_image(docker_client: docker.DockerClient) -> str:
    """Name of an image with python3 on Debian: the base image of the example if there is no registry."""
    return _image("DOCKER", ROOT / "scripts" / "base-image")


@pytest.fixture(scope="session")
def chromium() -> Path:
    """Path of a Chromium, or of a Chrome. As root it needs --no-sandbox."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    return Path(found or _missing("BROWSER", "no chromium is on the PATH"))


@pytest.fixture(scope="session")
def postgres() -> Iterator[PrivatePostgres]:
    """A separate PostgreSQL server."""
    try:
        server = PrivatePostgres()
    except (OSError, subprocess.SubprocessError) as error:
        _missing("POSTGRES", f"no PostgreSQL server can be started: {error}")
    yield server
    server.remove()


def _image(what: str, script: Path) -> str:
    made = subprocess.run([script], capture_output=True, text=True, timeout=600, check=False, stdin=subprocess.DEVNULL)
    if made.returncode:
        _missing(what, f"{script.name} could not make its image: {made.stderr.strip()}")
    return made.stdout.strip()


def _missing(what: str, reason: str) -> NoReturn:
    if os.environ.get(f"PROFILEAPP_REQUIRE_{what}") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
