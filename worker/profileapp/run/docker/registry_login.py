"""The login of a registry: from this process's environment to the daemon, and to this worker's `docker build`."""

from __future__ import annotations

from collections.abc import MutableMapping

import msgspec

from profileapp.errors import ConfigError
from profileapp.run.secrets import problem_of

REGISTRY_VARIABLE = "PROFILEAPP_REGISTRY"
USER_VARIABLE = "PROFILEAPP_REGISTRY_USER"
PASSWORD_VARIABLE = "PROFILEAPP_REGISTRY_PASSWORD"  # noqa: S105  (a variable's name)
DEFAULT_REGISTRY = "docker.io"


class RegistryLogin(msgspec.Struct, frozen=True):
    """Credentials for a registry: `registry` is the prefix of image names (`registry.example.org:5000`)."""

    registry: str
    user: str
    password: str

    def __repr__(self) -> str:
        return f"RegistryLogin({self.registry!r}, …)"

    @property
    def secrets(self) -> tuple[str, str]:
        """Values that no log may show: the password, and the encoded credentials."""
        return self.password, f"{self.user}:{self.password}"


def take_login(environ: MutableMapping[str, str]) -> RegistryLogin | None:
    """Removes the login from the environment, so that child processes do not inherit it. None if there is none.

    Raises ConfigError if half of it is missing, or it cannot be masked.
    """
    registry, user, password = (environ.pop(name, "") for name in (REGISTRY_VARIABLE, USER_VARIABLE, PASSWORD_VARIABLE))
    if not user and not password:
        return None
    if not user or not password:
        raise ConfigError(f"{USER_VARIABLE} and {PASSWORD_VARIABLE} must be set together")
    problem = problem_of(password)
    if problem:
        raise ConfigError(f"{PASSWORD_VARIABLE}: the password {problem}")
    return RegistryLogin(registry.strip() or DEFAULT_REGISTRY, user, password)
