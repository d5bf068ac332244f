"""A configuration folder for the `docker` command: the user's settings plus a registry login.

Source: Docker's documentation of the `docker` command, "Configuration files", and of `docker login`, "Credential
stores".
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from profileapp.errors import AgentError
from profileapp.record.tree import remove_tree
from profileapp.run.docker.registry_login import DEFAULT_REGISTRY, RegistryLogin

VARIABLE = "DOCKER_CONFIG"
_FILE = "config.json"
_DOCKER_HUB = "https://index.docker.io/v1/"


@contextmanager
def folder_with_login(at: Path, login: RegistryLogin, environ: Mapping[str, str]) -> Iterator[Path]:
    """Creates the folder at `at`, which no other user can access, for the duration of the block.

    It also has the rest of the user's folder (plugins, contexts). Raises AgentError if that cannot be read.
    """
    own = Path(environ.get(VARIABLE) or Path.home() / ".docker").absolute()
    config = _own_config(own / _FILE)
    registry = _DOCKER_HUB if login.registry == DEFAULT_REGISTRY else login.registry
    answer = base64.b64encode(f"{login.user}:{login.password}".encode()).decode()
    config["auths"] = {**_table(config, "auths"), registry: {"auth": answer}}
    # Empty: no credential helper is used for this registry.
    config["credHelpers"] = {**_table(config, "credHelpers"), registry: ""}
    at.mkdir(mode=0o700)
    try:
        for each in own.iterdir() if own.is_dir() else ():
            if each.name != _FILE:
                (at / each.name).symlink_to(each)
        (at / _FILE).touch(mode=0o600)
        (at / _FILE).write_text(json.dumps(config))
        yield at
    finally:
        with suppress(OSError):
            remove_tree(at)


def _own_config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise AgentError(f"{path}: the docker command's configuration cannot be read ({error})") from error
    if not isinstance(config, dict):
        raise AgentError(f"{path}: the docker command's configuration is not a JSON object")
    return config


def _table(config: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = config.get(key)
    return found if isinstance(found, dict) else {}
