"""Credentials of an app: passed from this process's environment to the app's, and nowhere else.

Source: Jenkins, "Credentials Binding": `withCredentials` sets a variable for the steps in its block.
"""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping

from profileapp.errors import ConfigError
from profileapp.model.target import SECRET_PREFIX, Secret, Target
from profileapp.run.mask import Mask

SHORTEST = 4
LONGEST_BYTES = 16 * 1024


class Secrets:
    """The values of credentials by their ids. Its repr does not show them."""

    def __init__(self, values: dict[str, str], also_masked: Iterable[str] = ()) -> None:
        self._values = values
        self.mask = Mask((*values.values(), *also_masked))

    def env_of(self, secrets: Iterable[Secret]) -> dict[str, str]:
        """The environment variables of an app or a service."""
        return {secret.variable: self._values[secret.credential] for secret in secrets}


def take_secrets(
    targets: Iterable[Target], environ: MutableMapping[str, str], also_masked: Iterable[str] = ()
) -> Secrets:
    """Removes the targets' credentials from the environment, so that child processes do not inherit them.

    `also_masked` are values that no app receives, but that no log may show either.

    Raises ConfigError if one is missing, or cannot be masked.
    """
    given = {name: environ.pop(name) for name in list(environ) if name.startswith(SECRET_PREFIX)}
    values: dict[str, str] = {}
    for target in targets:
        for secret in target.all_secrets:
            value = given.get(secret.env_var)
            if value is None:
                raise ConfigError(
                    f"{target.name}: {secret.variable} is the credential {secret.credential}, which was not passed: "
                    f"allow it in profileApp(credentialsIds: ['{secret.credential}']), or set {secret.env_var}"
                )
            problem = problem_of(value)
            if problem:
                raise ConfigError(f"{target.name}: {secret.variable}: the credential {secret.credential} {problem}")
            values[secret.credential] = value
    return Secrets(values, also_masked)


def problem_of(value: str) -> str:
    """Why a value cannot be masked; "" if it can."""
    if len(value.strip()) < SHORTEST:
        return f"is shorter than {SHORTEST} characters, too short to be masked in logs"
    if len(value.encode("utf-8", "surrogateescape")) > LONGEST_BYTES:
        return f"is longer than {LONGEST_BYTES} bytes"
    return ""
