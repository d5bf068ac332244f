"""A credential reaches the app and its services, and no artifact."""

from __future__ import annotations

import gzip
import json
import os
import sys
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.helpers.worker_process import Outcome, configure, is_measuring, run, start, wait_until

SECRET = 'open"sesame/1'  # noqa: S105
GIVEN = {"PROFILEAPP_SECRET_the_key": SECRET, "PROFILEAPP_SECRET_pin": "471147"}
SECRETS = {"API_KEY": "the-key", "PIN": "pin"}

# The app prints its key in every encoding, and in pieces.
TELLS = """
import base64, json, os, socket, sys, time
key, pin = os.environ['API_KEY'], os.environ['PIN']
for letter in key:
    sys.stdout.write(letter); sys.stdout.flush(); time.sleep(0.01)
print(); print(json.dumps({'key': key, 'pin': pin}), base64.b64encode(key.encode()).decode(), file=sys.stderr)
line = socket.socket(socket.AF_UNIX); line.connect(os.environ['PROFILEAPP_SOCKET'])
meta = {'key': key, key: 'x', 'unit': key}
for said in ({'name': 'n' + key, 'value': 1, 'meta': meta}, {'name': key}, {'name': 'pin', 'value': 471147}):
    line.sendall(json.dumps(said).encode() + b'\\n')
line.sendall(b'x' * 70 + key.encode() + b'\\n' + key.encode() * 20000 + b'\\n')
line.close()
statsd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
statsd.connect(os.environ['DD_DOGSTATSD_URL'][len('unix://'):])
statsd.send(('a.b:1|c|#key:' + key).encode()); statsd.send(key.encode())
with open(os.environ['PYWAGGLE_LOG_DIR'] + '/data.ndjson', 'a') as log:
    log.write(json.dumps({'name': 'w', 'value': 1, 'timestamp': '2026-01-01T00:00:00Z', 'meta': {'key': key}}) + '\\n')
time.sleep(1.5)
print('known:', key == os.environ['EXPECTED'][::-1])
"""


def assert_no_leak(outcome: Outcome) -> None:
    """No artifact and no output of the worker contains a value."""
    files = [path for path in outcome.folder.rglob("*") if path.is_file() and path.name not in ("sage.yaml", "app.py")]
    assert any(path.name == "run.json" for path in files)
    texts = {path.name: path.read_bytes() for path in files}
    texts |= {"stderr": outcome.err.encode(), "stdout": outcome.out.encode()}
    for name, content in texts.items():
        plain = gzip.decompress(content) if name.endswith(".gz") else content
        for form in (SECRET, json.dumps(SECRET)[1:-1], SECRET[:8], "b3BlbiJzZXNhbWUvM", "471147"):
            assert form.encode() not in plain, (name, form)


def test_the_app_gets_the_secret_and_no_artifact_contains_it(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(TELLS)
    configure(
        tmp_path,
        [{"name": "a", "env": {"EXPECTED": SECRET[::-1]}, "secrets": SECRETS}],
        metrics=["container"],
    )
    outcome = run(tmp_path, "--runtime", "process", "--command", f"{sys.executable} app.py", **GIVEN)
    assert outcome.code == 0, outcome.err
    assert b"known: True" in outcome.log("a")
    assert outcome.log("a").startswith(b"****")
    assert outcome.run("a")["target"]["secrets"] == [
        {"variable": "API_KEY", "credential": "the-key", "env_var": "PROFILEAPP_SECRET_the_key"},
        {"variable": "PIN", "credential": "pin", "env_var": "PROFILEAPP_SECRET_pin"},
    ]
    names = {each["name"] for each in outcome.samples("a")}
    assert "n****" in names and any("refused" in line for line in outcome.run("a")["warnings"])
    assert_no_leak(outcome)


@pytest.mark.docker
def test_containers_get_the_secret_and_no_command_line_has_it(
    tmp_path: Path, docker_client: docker.DockerClient, busybox_image: str, state: Path
) -> None:
    script = 'echo "key=$API_KEY"; [ -z "$PROFILEAPP_SECRET_the_key" ] && echo alone; while :; do sleep 0.1; done'
    web: dict[str, Any] = {"name": "web", "image": busybox_image, "args": ["sh", "-c", script], "secrets": SECRETS}
    configure(
        tmp_path,
        [{"name": "a", "args": ["sh", "-c", script], "secrets": {"API_KEY": "the-key"}, "timeout": 2}],
        services=[web],
        metrics=["container"],
        defaults={"interval": "50ms"},
    )
    worker = start(tmp_path, "--image", busybox_image, **GIVEN)
    try:
        wait_until(lambda: is_measuring(tmp_path, "a"))
        # No command line has it, of the worker's children or of any other process.
        lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if os.access(path, os.R_OK)]
        assert not any(SECRET.encode() in line for line in lines)
    finally:
        assert worker.wait(60) == 0
    folder = tmp_path / "profile/a"
    assert folder.joinpath("app.log").read_bytes() == b"key=****\nalone\n"
    assert folder.joinpath("services/web.log").read_bytes() == b"key=****\nalone\n"
    done = run(tmp_path, "--image", busybox_image, **GIVEN)
    assert done.code == 0
    assert_no_leak(done)


def test_a_missing_secret_is_reported_before_anything_runs(tmp_path: Path) -> None:
    configure(tmp_path, [{"name": "a", "secrets": SECRETS}])
    outcome = run(tmp_path, "--runtime", "process", "--command", "true", PROFILEAPP_SECRET_pin="471147")
    assert outcome.code == 3 and "a: API_KEY is the credential the-key, which was not passed" in outcome.err
    assert not (tmp_path / "profile").exists()
