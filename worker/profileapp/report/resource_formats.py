"""Formats a proposal for Sage's pluginctl and scheduler, Kubernetes and Docker."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import Any

import msgspec
import yaml

from profileapp.judge.proposal import MIB, Amount, Proposal
from profileapp.model.run import Run
from profileapp.model.text import printable
from profileapp.report.format import duration

FORMATS = ("text", "sage", "profile", "kubernetes", "docker")
_OPTION = re.compile(r"-{1,2}([A-Za-z0-9][A-Za-z0-9_.-]*)(?:=(.*))?", re.DOTALL)


class Row(msgspec.Struct, frozen=True):
    """One line of the table: the key in Sage's spelling, the value ("" if unknown), and why."""

    key: str
    value: str
    why: str


def rows(proposal: Proposal) -> tuple[Row, ...]:
    """The table of a proposal."""
    window = "" if proposal.window_s is None else duration(proposal.window_s)
    return (
        Row("request.cpu", _millicores(proposal.request_cpu), proposal.request_cpu.why),
        Row("limit.cpu", _millicores(proposal.limit_cpu), proposal.limit_cpu.why),
        Row("request.memory", _memory(proposal.request_memory), proposal.request_memory.why),
        Row("limit.memory", _memory(proposal.limit_memory), proposal.limit_memory.why),
        Row("GPU memory", _memory(proposal.gpu_memory), proposal.gpu_memory.why),
        Row("minimum window", window, proposal.window_why),
        Row("schedule", proposal.schedule or "", proposal.schedule_why),
    )


def resources(proposal: Proposal) -> dict[str, str]:
    """The keys that Sage's scheduler reads; unknown values are omitted.

    Never a bare `memory`, which is an alias of `limit.memory`.
    Source: waggle-sensor/edge-scheduler, pkg/nodescheduler/resourcemanager.go, resourceListForConfig.
    """
    return {row.key: row.value for row in rows(proposal)[:4] if row.value}


def sage(run: Run, proposal: Proposal) -> str:
    """The command that runs the plugin once on a node, and its entry in a job."""
    chosen = resources(proposal)
    if not chosen:
        return _nothing(run, proposal)
    given = ",".join(f"{key}={value}" for key, value in chosen.items())
    argv = ["pluginctl", "run", "--name", _name(run), "--resource", given]
    argv += ["--selector", "resource.gpu=true"] if proposal.gpu_memory.value else []
    argv += [_image(run), *(["--", *run.target.args] if run.target.args else [])]
    spec: dict[str, Any] = {"image": _image(run)}
    spec |= {"args": list(run.target.args)} if run.target.args else {}
    spec |= {"selector": {"resource.gpu": "true"}} if proposal.gpu_memory.value else {}
    job = {"plugins": [{"name": _name(run), "pluginSpec": {**spec, "resource": chosen}}]}
    lines = [_command(argv), "", "# In a job:", _yaml(job).rstrip()]
    return "\n".join([*lines, f"# {proposal.schedule or 'schedule unknown'}: {_line(proposal.schedule_why)}"]) + "\n"


def profiles(found: Sequence[tuple[Run, Proposal]]) -> str:
    """The scheduler's list of profiles: the requirements of each target.

    Source: waggle-sensor/edge-scheduler, pkg/datatype: Profile{name, knobs, require}, Resource{cpu, memory, gpumemory}.
    """
    entries = [
        {
            "name": run.target.name,
            "knobs": knobs(run.target.args),
            "require": {
                key: value
                for key, value in (
                    ("cpu", proposal.request_cpu.value),
                    ("memory", _whole_mib(proposal.request_memory)),
                    ("gpumemory", _whole_mib(proposal.gpu_memory)),
                )
                if value is not None
            },
        }
        for run, proposal in found
        if not proposal.is_empty
    ]
    missing = [_nothing(run, proposal) for run, proposal in found if proposal.is_empty]
    return "".join(["# cpu in millicores, memory in MiB\n", _yaml({"profile": entries}), *missing])


def knobs(args: Sequence[str]) -> dict[str, str]:
    """Options of a command line by name; an option without a value is "true"; positional arguments are numbered."""
    found: dict[str, str] = {}
    last = ""
    for arg in args:
        option = _OPTION.fullmatch(arg)
        if option and not re.fullmatch(r"-[0-9.]+", arg):
            last = option[1]
            found[last] = "true" if option[2] is None else option[2]
            last = "" if option[2] is not None else last
        elif last:
            found[last], last = arg, ""
        else:
            found[f"arg{sum(key.startswith('arg') for key in found) + 1}"] = arg
    return found


def kubernetes(run: Run, proposal: Proposal) -> str:
    """A container of a pod, in plain Kubernetes YAML."""
    chosen = resources(proposal)
    if not chosen:
        return _nothing(run, proposal)
    parts = {
        kind: {key.partition(".")[2]: value for key, value in chosen.items() if key.startswith(f"{kind[:-1]}.")}
        for kind in ("requests", "limits")
    }
    container: dict[str, Any] = {"name": _name(run), "image": _image(run)}
    container |= {"args": list(run.target.args)} if run.target.args else {}
    return _yaml({"containers": [{**container, "resources": {kind: part for kind, part in parts.items() if part}}]})


def docker(run: Run, proposal: Proposal) -> str:
    """The flags of `docker run`. Swap is disabled, as it would hide a limit that is too low."""
    argv = ["docker", "run", "--rm"]
    if proposal.limit_memory.value is not None:
        size = f"{proposal.limit_memory.value // MIB}m"
        argv += ["--memory", size, "--memory-swap", size]
        argv += ["--memory-reservation", f"{(proposal.request_memory.value or 0) // MIB}m"]
    if proposal.limit_cpu.value is not None:
        argv += ["--cpus", f"{proposal.limit_cpu.value / 1000:g}"]
    if len(argv) == 3:
        return _nothing(run, proposal)
    return _command([*argv, _image(run), *run.target.args]) + "\n"


def _command(argv: Sequence[str]) -> str:
    """A line for bash; terminal control characters are escaped."""
    return " ".join(shlex.quote(arg) if not arg or arg.isprintable() else _ansi_quoted(arg) for arg in argv)


def _ansi_quoted(arg: str) -> str:
    """`$'a\\x1b'`: bash's escapes of single bytes."""
    letters = (
        chr(byte) if 32 <= byte < 127 and chr(byte) not in "'\\" else f"\\x{byte:02x}"
        for byte in arg.encode("utf-8", "surrogateescape")
    )
    return f"$'{''.join(letters)}'"


def _nothing(run: Run, proposal: Proposal) -> str:
    return f"# {_line(run.target.name)}: nothing is proposed: {_line(proposal.request_memory.why)}\n"


def _millicores(amount: Amount) -> str:
    return "" if amount.value is None else f"{amount.value}m"


def _memory(amount: Amount) -> str:
    return "" if amount.value is None else f"{amount.value // MIB}Mi"


def _whole_mib(amount: Amount) -> int | None:
    return None if amount.value is None else amount.value // MIB


def _name(run: Run) -> str:
    """A valid Kubernetes name."""
    name = re.sub(r"[^a-z0-9-]+", "-", f"{run.app.name}-{run.target.name}".lower()).strip("-")
    return name[:63].rstrip("-") or "app"


def _image(run: Run) -> str:
    return run.image.name if run.image else "IMAGE"


def _line(text: str) -> str:
    return printable(text, 300)


def _yaml(data: dict[str, Any]) -> str:
    return str(yaml.safe_dump(data, sort_keys=False, allow_unicode=False, width=1000))
