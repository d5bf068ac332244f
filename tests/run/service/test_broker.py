"""The broker's files, and the variables that give the app its address. The tests have no image of the broker itself."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import pytest

from profileapp.run.service.broker import PASSWORD, write_broker_files
from tests.helpers.worker_process import configure, run


def test_the_definitions_contain_what_pywaggle_uses(tmp_path: Path) -> None:
    conf, definitions = write_broker_files(tmp_path)
    assert Path(conf.host_path).read_text() == f"load_definitions = {definitions.container_path}\n"
    loaded = json.loads(Path(definitions.host_path).read_text())
    assert [(each["name"], each["type"]) for each in loaded["exchanges"]] == [
        ("to-validator", "fanout"),
        ("data.topic", "topic"),
    ]
    hashed = base64.b64decode(loaded["users"][0]["password_hash"])
    assert hashed[4:] == hashlib.sha256(hashed[:4] + PASSWORD.encode()).digest()


@pytest.mark.docker
def test_an_image_without_a_broker_is_an_error(tmp_path: Path, busybox_image: str) -> None:
    configure(tmp_path, [{"name": "a"}], services=[{"broker": "rabbitmq", "image": busybox_image}])
    outcome = run(tmp_path, "--image", busybox_image)
    assert outcome.code == 4 and "service rabbitmq stopped early" in outcome.run("a")["message"]
