"""What runs leave on this machine and in its Docker daemon."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import docker

from profileapp.run.agent.run_processes import find_run_processes


def left_of(docker_client: docker.DockerClient, state: Path) -> set[str]:
    """Containers, networks, volumes and images of a state folder. Lists only: those of other runs may vanish
    meanwhile.
    """
    api = docker_client.api
    listed = [*api.containers(all=True), *api.networks(), *(api.volumes()["Volumes"] or ()), *api.images(all=True)]
    return {str(each.get("Id") or each["Name"]) for each in listed if str(state) in str(each.get("Labels"))}


def images_named(docker_client: docker.DockerClient, run_ids: set[str]) -> set[str]:
    """Images whose name contains one of these run ids."""
    names = (name for each in docker_client.api.images() for name in each.get("RepoTags") or ())
    return {name for name in names if any(run_id in name for run_id in run_ids)}


def left_on_machine(state: Path, run_ids: set[str]) -> set[str]:
    """Files, folders and sockets in a state folder except its lock, mounts below it, and processes of the runs."""
    files = {str(path) for path in state.rglob("*") if path.name != "profileapp.lock"}
    places = (line.split()[1] for line in Path("/proc/mounts").read_text().splitlines())
    mounts = {place for place in places if place == str(state) or place.startswith(f"{state}/")}
    processes = {f"process {pid}" for run_id in run_ids for pid in find_run_processes(run_id) if pid != os.getpid()}
    return files | mounts | processes


def on_machine() -> dict[str, list[str]]:
    """Everything on the machine, whoever created it; other programs may be working too."""

    def lines(*argv: str) -> list[str]:
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()

    return {
        "containers": lines("docker", "ps", "-aq"),
        "networks": lines("docker", "network", "ls", "-q"),
        "volumes": lines("docker", "volume", "ls", "-q"),
        "images": lines("docker", "images", "-q"),
        "mounts": Path("/proc/self/mountinfo").read_text().splitlines(),
        "sockets": Path("/proc/net/unix").read_text().splitlines(),
    }
