"""The example, started on the command line and in its image."""

import ast
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import docker
import pytest
import yaml


def start(example: Path, dataset: Path, *args: str, **environ: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, example / "app.py", *args],
        env={**os.environ, "PROFILEAPP_DATASET": str(dataset), **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_counts_frames_and_prints_the_accuracy(example: Path, dataset: Path) -> None:
    app = start(example, dataset, "--use-cpu", "--frames", "9")
    output, errors = app.communicate(timeout=60)
    assert (app.returncode, errors) == (0, "")
    assert output.startswith("9 frames in ")
    assert output.endswith(" s, 9 counted right\n")


def test_sends_what_it_measures(example: Path, dataset: Path, tmp_path: Path) -> None:
    path = tmp_path / "metrics.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        listener.settimeout(60)
        app = start(example, dataset, "--frames", "3", PROFILEAPP_SOCKET=str(path))
        connection, _ = listener.accept()
        with connection, connection.makefile() as stream:
            records = [json.loads(line) for line in stream]
        app.communicate(timeout=60)
    assert app.returncode == 0
    assert {one["name"]: (one["meta"]["kind"], one["meta"].get("unit")) for one in records} == {
        "accuracy": ("gauge", "%"),
        "fps": ("gauge", "frames/s"),
        "frames": ("counter", None),
        "inference": ("timer", "s"),
        "objects": ("gauge", None),
    }
    assert sum(one["name"] == "frames" for one in records) == 3
    assert [one["value"] for one in records if one["name"] == "accuracy"] == [100.0] * 3


@pytest.fixture
def no_gpu(tmp_path: Path) -> dict[str, str]:
    """Environment in which CuPy cannot be imported, on any machine."""
    (tmp_path / "cupy.py").write_text("raise ImportError('no CuPy in this test')")
    return {"PYTHONPATH": str(tmp_path)}


@pytest.mark.parametrize("args", [(), ("-interval", "3600")])
def test_sigterm_stops_it_soon_after_its_last_line(
    example: Path, dataset: Path, no_gpu: dict[str, str], args: tuple[str, ...]
) -> None:
    app = start(example, dataset, "--use-gpu", *args, **no_gpu)
    assert app.stderr is not None
    app.stderr.readline()  # the app is about to count
    app.send_signal(signal.SIGTERM)
    output, _ = app.communicate(timeout=60)
    assert app.returncode == 0
    assert " counted right\n" in output


def test_without_a_gpu_it_warns_once_and_continues(example: Path, dataset: Path, no_gpu: dict[str, str]) -> None:
    app = start(example, dataset, "--use-gpu", "--frames", "2", **no_gpu)
    output, errors = app.communicate(timeout=60)
    assert app.returncode == 0
    assert errors == "no GPU can be used (no CuPy in this test); counting on the CPU\n"
    assert "2 counted right" in output


def test_a_folder_without_images_is_a_one_line_error(example: Path, tmp_path: Path) -> None:
    app = start(example, tmp_path)
    _, errors = app.communicate(timeout=60)
    assert app.returncode == 1
    assert errors == f"no .pgm image in {tmp_path}; make some with make_dataset.py\n"


def test_its_jenkinsfile_and_its_sage_yaml_name_one_image(example: Path) -> None:
    app = yaml.safe_load((example / "sage.yaml").read_text())
    image = f"{app['namespace']}/{app['name']}:{app['version']}"
    assert f"profileApp(image: '{image}')" in (example / "Jenkinsfile").read_text()
    assert f"${{1:-{image}}}" in (example / "build.sh").read_text()


def test_python_3_6_can_read_it(example: Path) -> None:
    for path in [*example.glob("*.py"), example.parents[1] / "worker" / "profileapp" / "client.py"]:
        ast.parse(path.read_text(), feature_version=(3, 6))


@pytest.mark.docker
@pytest.mark.slow
def test_its_image_is_built_without_a_registry_and_counts(
    docker_client: docker.DockerClient, python_image: str, example: Path, dataset: Path
) -> None:
    image = "profileapp-test/object-counter:built"
    built = subprocess.run(
        [example / "build.sh", image],
        env={**os.environ, "BASE": python_image},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    output = docker_client.containers.run(
        image,
        ["--use-cpu", "--frames", "8"],
        remove=True,
        network_mode="none",
        environment={"PROFILEAPP_DATASET": "/dataset"},
        volumes={str(dataset): {"bind": "/dataset", "mode": "ro"}},
    )
    docker_client.images.remove(image)
    assert b"8 counted right" in output
