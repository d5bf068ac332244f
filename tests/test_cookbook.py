"""Every sage.yaml of docs/cookbook.md is planned, and run with a similar app, without a GPU or a registry."""

from __future__ import annotations

import json
import re
import tempfile
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

import profileapp.client
from profileapp.config.load import load
from profileapp.model.target import Plan
from profileapp.plan.expand import make_plan
from tests.helpers.tiny_mp4 import tiny_mp4
from tests.helpers.worker_process import Outcome, run

PAGE = Path(__file__).parent.parent / "docs/cookbook.md"
RECIPES: dict[str, str] = {
    re.search(r"^name: (.*)$", block, re.MULTILINE)[1]: block  # type: ignore[index]
    for block in re.findall(r"```yaml\n(name: .*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
}

# Each stands in for a similar app; it gets the arguments of the recipe, and fails if they are others.
SAMPLER = """
import json, sys, time, urllib.request
sys.path.insert(0, '/dataset'); from client import counter
assert sys.argv[1:3] == ['--stream', 'camera-left'], sys.argv
(camera,) = json.load(open('/run/waggle/data-config.json'))
stream = urllib.request.urlopen(camera['handler']['args']['url'])
for line in stream:
    if line.startswith(b'Content-Length'): counter('pictures')
"""
COUNTER = """
import json, sys, time, urllib.request
sys.path.insert(0, '/dataset'); from client import counter, timer
assert sys.argv[1:3] == ['--stream', 'traffic'], sys.argv
(camera,) = json.load(open('/run/waggle/data-config.json'))
assert camera['match'] == {'id': 'traffic'}
stream = urllib.request.urlopen(camera['handler']['args']['url'])
rest = b''
while True:
    rest += stream.read1(65536)
    *parts, rest = rest.split(b'moof')
    for part in parts:
        with timer('inference'): time.sleep(0.001)
        counter('frames')
"""
CLASSIFIER = """
import os, pathlib, sys, wave
sys.path.insert(0, '/client'); import socket, json, time
assert sys.argv[1:] == ['--input', '/dataset', '--model', 'small'], sys.argv
line = socket.socket(socket.AF_UNIX); line.connect(os.environ['PROFILEAPP_SOCKET'])
def send(name, value, **meta): line.sendall(json.dumps({'name': name, 'value': value, 'meta': meta}).encode() + b'\\n')
files = sorted(pathlib.Path(sys.argv[2]).glob('*.wav'))
for path in files:
    began = time.perf_counter()
    with wave.open(str(path)) as recording: assert recording.readframes(100)
    send('inference', time.perf_counter() - began, unit='s', kind='timer')
send('accuracy', 100.0 * len(files) / 3, unit='%'); time.sleep(1.2)
"""
STRESS = "import sys\nassert sys.argv[1] == '--load'\nwhile True: pass"


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A lock that no other run waits for; the path must be short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="pa-") as folder:
        monkeypatch.setenv("PROFILEAPP_STATE", folder)
        yield


def prepared(folder: Path, name: str) -> dict[str, Any]:
    """Creates the files of a recipe."""
    (folder / "sage.yaml").write_text(RECIPES[name])
    (folder / "crossroads").mkdir()
    for number in range(20):
        (folder / f"crossroads/{number}.jpg").write_bytes(b"\xff\xd8 %d" % number)
    (folder / "traffic.mp4").write_bytes(tiny_mp4([b"frame %d" % number for number in range(50)]))
    (folder / "birds").mkdir()
    for number in range(3):
        with wave.open(str(folder / f"birds/{number}.wav"), "wb") as recording:
            recording.setparams((1, 2, 8000, 0, "NONE", ""))
            recording.writeframes(bytes(800))
    (folder / "client").mkdir()
    (folder / "client/client.py").write_text(Path(profileapp.client.__file__).read_text())
    return yaml.safe_load(RECIPES[name])


def tried(folder: Path, name: str, image: str, code: str, **changes: Any) -> Outcome:
    """Runs the first target of a recipe with `code` as its app, shortened by `changes`."""
    sage = prepared(folder, name)
    profiling = sage["profiling"]
    args = make_plan(load(folder / "sage.yaml"), None).targets[0].args
    target = {**profiling["targets"][0], "name": "a", "args": ["python3", "-c", code, *args], **changes}
    defaults = {**profiling.get("defaults", {}), "warmup": 0, "repeat": 1, "interval": "200ms"}
    (folder / "sage.yaml").write_text(
        json.dumps({**sage, "profiling": {**profiling, "defaults": defaults, "targets": [target]}})
    )
    return run(folder, "--image", image)


def totals_of(outcome: Outcome) -> dict[str, float]:
    return {each["name"]: each["value"] for each in outcome.samples("a")}


def test_there_are_five() -> None:
    assert list(RECIPES) == ["image-sampler", "object-counter", "bird-classifier", "gpu-stress", "plate-reader"]


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_planned(tmp_path: Path, name: str) -> None:
    prepared(tmp_path, name)
    plan = make_plan(load(tmp_path / "sage.yaml"), None)
    assert plan.image and plan.image.startswith(f"waggle/{name}:")
    assert msgspec.json.decode(msgspec.json.encode(plan), type=Plan) == plan


@pytest.mark.docker
def test_the_image_sampler(tmp_path: Path, python_image: str) -> None:
    outcome = tried(tmp_path, "image-sampler", python_image, SAMPLER, timeout=3, dataset="client")
    assert outcome.code == 0, outcome.err + outcome.log("a").decode()
    totals = totals_of(outcome)
    assert 2 <= totals["pictures"] <= totals["playback.served"] <= 20
    assert totals["playback.offered"] >= 3


@pytest.mark.docker
def test_the_object_counter(tmp_path: Path, python_image: str) -> None:
    outcome = tried(tmp_path, "object-counter", python_image, COUNTER, timeout=4, dataset="client")
    # The GPU's values are unavailable here and reported so; the budgets are met.
    assert outcome.code == 0, outcome.err + outcome.log("a").decode()
    totals = totals_of(outcome)
    assert 10 <= totals["frames"] <= totals["playback.served"]


@pytest.mark.docker
def test_the_audio_classifier(tmp_path: Path, python_image: str) -> None:
    outcome = tried(tmp_path, "bird-classifier", python_image, CLASSIFIER)
    assert outcome.code == 0, outcome.err + outcome.log("a").decode()
    assert totals_of(outcome)["accuracy"] == 100


@pytest.mark.docker
def test_the_stress(tmp_path: Path, python_image: str) -> None:
    outcome = tried(tmp_path, "gpu-stress", python_image, STRESS, timeout=2)
    assert outcome.code == 0, outcome.err + outcome.log("a").decode()
    assert outcome.run("a")["exit_reason"] == "timeout"
    assert totals_of(outcome)["container.cpu.util"] > 20


@pytest.mark.docker
def test_the_two_services(tmp_path: Path, busybox_image: str) -> None:
    sage = prepared(tmp_path, "plate-reader")
    profiling = sage["profiling"]
    queue, model = profiling["services"]
    serve = 'mkdir -p /tmp/www; echo "$MODEL_KEY" > /tmp/www/health; exec httpd -f -p 8000 -h /tmp/www'
    queue |= {"image": busybox_image, "args": ["sh", "-c", "exec httpd -f -p 6379 -h /tmp"]}
    model |= {"image": busybox_image, "args": ["sh", "-c", f"nc -w 5 queue 6379 </dev/null && {serve}"]}
    ask = 'wget -q -O - "$1/health"; sleep 1'
    (args,) = (each.args for each in make_plan(load(tmp_path / "sage.yaml"), None).targets)
    target = {**profiling["targets"][0], "name": "a", "args": ["sh", "-c", ask, *args]}
    (tmp_path / "sage.yaml").write_text(
        json.dumps({**sage, "profiling": {**profiling, "targets": [target], "defaults": {"interval": "100ms"}}})
    )
    outcome = run(tmp_path, "--image", busybox_image, PROFILEAPP_SECRET_model_licence="opensesame")
    assert outcome.code == 0, outcome.err
    assert outcome.log("a") == b"****\n"
    measured = {each["labels"].get("service") for each in outcome.run("a")["summary"]}
    assert {"queue", "model"} <= measured
