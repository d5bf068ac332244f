"""Credentials that an app is given: from this process's own environment to the app's, and nowhere else.

Source: Jenkins, "Credentials Binding": `withCredentials` sets a variable for what is run within.
"""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping

from profileapp.errors import ConfigError
from profileapp.model.target import SECRET_PREFIX, Secret, Target
from profileapp.run.mask import Mask

SHORTEST = 4
LONGEST_BYTES = 16 * 1024


class Secrets:
    """The values of credentials by their ids. Its text says nothing of them."""

    def __init__(self, values: dict[str, str], also_masked: Iterable[str] = ()) -> None:
        self._values = values
        self.mask = Mask((*values.values(), *also_masked))

    def env_of(self, secrets: Iterable[Secret]) -> dict[str, str]:
        """The variables of an app or a service."""
        return {secret.variable: self._values[secret.credential] for secret in secrets}


def take_secrets(
    targets: Iterable[Target], environ: MutableMapping[str, str], also_masked: Iterable[str] = ()
) -> Secrets:
    """What the targets ask for, out of the environment: what we start ourselves does not inherit it.

    `also_masked` no app is given, but no log may show it either.

    Raises ConfigError where one is missing, or cannot be kept secret.
    """
    given = {name: environ.pop(name) for name in list(environ) if name.startswith(SECRET_PREFIX)}
    values: dict[str, str] = {}
    for target in targets:
        for secret in target.all_secrets:
            value = given.get(secret.env_var)
            if value is None:
                raise ConfigError(
                    f"{target.name}: {secret.variable} is the credential {secret.credential}, which was not given: "
                    f"allow it in profileApp(credentialsIds: ['{secret.credential}']), or set {secret.env_var}"
                )
            problem = problem_of(value)
            if problem:
                raise ConfigError(f"{target.name}: {secret.variable}: the credential {secret.credential} {problem}")
            values[secret.credential] = value
    return Secrets(values, also_masked)


def problem_of(value: str) -> str:
    """Why a value cannot be kept secret; "" where it can."""
    if len(value.strip()) < SHORTEST:
        return f"is shorter than {SHORTEST} characters, too short to be masked in logs"
    if len(value.encode("utf-8", "surrogateescape")) > LONGEST_BYTES:
        return f"is longer than {LONGEST_BYTES} bytes"
    return ""
