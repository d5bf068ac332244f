"""Facts of the agent and of the build, for run.json."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from profileapp.model.run import Agent, Build
from profileapp.run.agent.clone_facts import clone_facts
from profileapp.run.agent.jetson_facts import jetson_facts

_READ_LIMIT_BYTES = 256 * 1024
_TEXT_LIMIT = 500
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)
"""Source: W3C Trace Context, "traceparent Header": all zeros are no id, and `ff` is no version."""


def agent_facts(runtime: str, root: Path = Path("/")) -> Agent:
    """Facts of this machine; what cannot be read stays empty. `root` contains /proc and /etc."""
    uname = os.uname()
    cpuinfo = _text(root / "proc/cpuinfo")
    memory_kib = _after(_text(root / "proc/meminfo"), "MemTotal").removesuffix("kB").strip()
    return Agent(
        hostname=uname.nodename,
        # NVIDIA's and other Arm boards put their name in the device tree's model; it ends in a NUL.
        board=_text(root / "proc/device-tree/model").strip("\0\n "),
        architecture=uname.machine,
        os=_unquoted(_after(_text(root / "etc/os-release"), "PRETTY_NAME", "=")),
        kernel=uname.release,
        cpu=_after(cpuinfo, "model name") or _after(cpuinfo, "Hardware") or _after(cpuinfo, "Model"),
        cpu_count=os.cpu_count() or 0,
        memory_bytes=int(memory_kib) * 1024 if memory_kib.isdigit() else 0,
        runtime=runtime,
        cuda=_cuda(root),
        gpu_driver=_gpu_driver(_text(root / "proc/driver/nvidia/version")),
        jetson=jetson_facts(root),
    )


def build_facts(environ: Mapping[str, str], folder: Path) -> Build:
    """Facts of a build from its Jenkins environment; commit and branch fall back to the clone that `folder` is in.

    Source: Jenkins documentation, "Using environment variables"; the Git plugin's GIT_COMMIT and GIT_BRANCH (it puts
    the remote's name in front of a branch), and BRANCH_NAME of multibranch projects; the OpenTelemetry plugin's
    TRACEPARENT.
    """

    def get(name: str) -> str:
        return environ.get(name, "")[:_TEXT_LIMIT]

    commit, branch = get("GIT_COMMIT"), get("BRANCH_NAME") or get("GIT_BRANCH").removeprefix("origin/")
    if not (commit and branch):
        clone = clone_facts(folder, environ)
        commit, branch = commit or clone.commit, branch or clone.branch
    return Build(
        job=get("JOB_NAME"),
        number=get("BUILD_NUMBER"),
        url=get("BUILD_URL"),
        commit=commit,
        branch=branch,
        node=get("NODE_NAME"),
        traceparent=traceparent if _TRACEPARENT.fullmatch(traceparent := environ.get("TRACEPARENT", "")) else "",
    )


def _cuda(root: Path) -> str:
    """Version of the CUDA toolkit: from version.json (since 11.1), version.txt before that, else the folder's name."""
    folders = [root / "usr/local/cuda", *sorted((root / "usr/local").glob("cuda-*"), reverse=True)]
    for folder in folders:
        found = re.search(r'"cuda"\s*:\s*{[^}]*"version"\s*:\s*"([\d.]{1,20})"', _text(folder / "version.json"))
        found = found or re.match(r"CUDA Version ([\d.]{1,20})", _text(folder / "version.txt"))
        found = found or re.fullmatch(r"cuda-([\d.]{1,20})", folder.resolve().name if folder.exists() else "")
        if found:
            return found[1]
    return ""


def _gpu_driver(text: str) -> str:
    """The version in `NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug …`."""
    found = re.search(r"Kernel Module(?: for \S+)?\s+([\d.]{3,20})", text)
    return found[1] if found else ""


def _text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return stream.read(_READ_LIMIT_BYTES).decode("utf-8", errors="replace")
    except OSError:
        return ""


def _after(text: str, key: str, separator: str = ":") -> str:
    for line in text.splitlines():
        name, found, value = line.partition(separator)
        if found and name.strip() == key:
            return value.strip()[:_TEXT_LIMIT]
    return ""


def _unquoted(text: str) -> str:
    return text.strip('"')
