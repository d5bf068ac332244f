"""Configures RabbitMQ as the message broker of a Waggle node, and pywaggle to use it.

Sources: pywaggle, `waggle.plugin` (names of variables and exchanges); RabbitMQ documentation, "Schema Definition Export
and Import" and "Credentials and Passwords" (hash: base64 of salt, and SHA-256 of salt and password).
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

from profileapp.collect.api import Mount

PORT = 5672
USER = PASSWORD = "plugin"  # noqa: S105  (pywaggle's own default; the network is private)
TO_VALIDATOR, DATA_TOPIC = "to-validator", "data.topic"
_CONF_PATH = "/etc/rabbitmq/conf.d/90-profileapp.conf"
_DEFINITIONS_PATH = "/etc/rabbitmq/profileapp.json"
_SALT = b"\x90\x8d\xc6\x0a"


def write_broker_files(folder: Path) -> tuple[Mount, ...]:
    """Writes the broker's configuration files; returns their mounts for the official image. Raises OSError."""
    contents = {
        _CONF_PATH: f"load_definitions = {_DEFINITIONS_PATH}\n",
        _DEFINITIONS_PATH: json.dumps(_definitions(), indent=1) + "\n",
    }
    mounts = []
    for where, content in contents.items():
        path = folder / f"rabbitmq{Path(where).suffix}"
        path.write_text(content, encoding="utf-8")
        path.chmod(0o644)
        mounts.append(Mount(str(path), where))
    return tuple(mounts)


def broker_env(host: str) -> dict[str, str]:
    """The environment variables from which pywaggle's Plugin finds the broker."""
    return {
        "WAGGLE_PLUGIN_HOST": host,
        "WAGGLE_PLUGIN_PORT": str(PORT),
        "WAGGLE_PLUGIN_USERNAME": USER,
        "WAGGLE_PLUGIN_PASSWORD": PASSWORD,
    }


def _definitions() -> dict[str, list[dict[str, object]]]:
    digest = hashlib.sha256(_SALT + PASSWORD.encode()).digest()
    user: dict[str, object] = {
        "name": USER,
        "password_hash": base64.b64encode(_SALT + digest).decode(),
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": "",
    }
    exchange: dict[str, object] = {
        "vhost": "/",
        "durable": True,
        "auto_delete": False,
        "internal": False,
        "arguments": {},
    }
    return {
        "users": [user],
        "vhosts": [{"name": "/"}],
        "permissions": [{"user": USER, "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}],
        "exchanges": [
            {"name": TO_VALIDATOR, "type": "fanout", **exchange},
            {"name": DATA_TOPIC, "type": "topic", **exchange},
        ],
    }
