"""App-reported metrics from a run to its artifacts: an unmodified plugin, and a hostile app."""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.helpers.worker_process import configure, run

# An ordinary Waggle plugin, with no code for the profiler; no services of a node are running.
PLUGIN = """
import sys; sys.path.insert(0, '/dataset')
import os, time
from waggle.plugin import Plugin
with Plugin() as plugin:
    for number in range(5):
        with plugin.timeit('plugin.duration.inference'):
            time.sleep(0.02)
        plugin.publish('env.count.car', number, meta={'camera': 'left'})
    with open('/tmp/sample.jpg', 'wb') as image: image.write(b'image')
    plugin.upload_file('/tmp/sample.jpg')
    plugin.publish('env.name', 'a text')
"""

HOSTILE = """
import os, socket, time
app = socket.socket(socket.AF_UNIX); app.connect(os.environ['PROFILEAPP_SOCKET'])
app.sendall(b'\\x00\\xff\\x1b[31m]]>&<b>\\n' + b'{"name":"' + b'x' * 1000000 + b'","value":1}\\n')
app.sendall(b'{"name":"fps","value":NaN}\\n{"name":"fps","value":1,"timestamp":-5}\\n')
for number in range(3000): app.sendall(b'{"name":"n%d","value":1}\\n' % number)
app.sendall(b'{"name":"half')
"""


@pytest.mark.docker
@pytest.mark.slow
def test_an_unmodified_pywaggle_plugin_in_a_container(pywaggle: Path, python_image: str) -> None:
    configure(pywaggle, [{"name": "a", "args": ["python3", "-c", PLUGIN], "dataset": "site"}], metrics=["container"])
    outcome = run(pywaggle, "--image", python_image)
    assert outcome.code == 0, outcome.err + outcome.log("a").decode()
    output = [each for each in outcome.samples("a") if each["meta"]["metric"] == "custom"]
    counted = [each for each in output if each["name"] == "env.count.car"]
    assert [each["value"] for each in counted] == [0, 1, 2, 3, 4]
    assert counted[0]["meta"]["camera"] == "left"
    took_s = [each["value"] for each in output if each["name"] == "plugin.duration.inference"]
    assert len(took_s) == 5
    assert all(0.02 <= each < 5 for each in took_s)
    assert [each["value"] for each in output if each["name"] == "uploads"] == [1]
    assert any("only numbers" in text for text in outcome.run("a")["warnings"])


def test_refused_samples_of_a_hostile_app_are_reported_in_junit(tmp_path: Path) -> None:
    (tmp_path / "hostile.py").write_text(HOSTILE)
    configure(tmp_path, [{"name": "a"}], metrics=[])
    outcome = run(tmp_path, "--runtime", "process", "--command", f"{sys.executable} hostile.py")
    assert outcome.code == 0, outcome.err
    junit = (tmp_path / "profile/a/junit.xml").read_text()
    message = "".join(ElementTree.fromstring(junit).itertext())  # noqa: S314 (our own)
    for argv in (
        "of 3005 values 1000 were recorded individually, 0 aggregated (by the second), 2005 refused",
        "neither a line of JSON nor one of statsd",
        "a line of more than 64 KiB",
        "not JSON, which has no NaN",
        "a timestamp below 0",
        "more than 1000 different series (2001 times",
        "an incomplete line at the end of a connection",
    ):
        assert argv in message
    assert "<b>" not in junit and "\x1b" not in junit and "\x00" not in junit
