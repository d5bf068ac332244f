"""The kind of device that a run was measured on: numbers from different kinds are not compared."""

from __future__ import annotations

from profileapp.model.run import Run
from profileapp.model.target import Target


def model_of(run: Run) -> str:
    """The Jetson's module, the board, or the processor with its number of cores."""
    agent = run.agent
    if agent.jetson and agent.jetson.module:
        return agent.jetson.module
    return agent.board or f"{agent.cpu or agent.architecture}, {agent.cpu_count} cores"


def device_of(run: Run) -> str:
    """The model, with its power mode if it has one."""
    mode = run.agent.jetson.power_mode if run.agent.jetson else ""
    return f"{model_of(run)} {mode}".strip()


def incomparable_reasons(run: Run, other: Run) -> tuple[str, ...]:
    """Reasons why `other` cannot be compared with `run`: `JetPack was '5.1.2', is '6.0'`; empty if it can."""
    facts = zip(_KIND, _kind_of(run), _kind_of(other), strict=True)
    return tuple(_describe(name, here, there) for name, here, there in facts if here != there)


def differences(run: Run, other: Run) -> tuple[str, ...]:
    """Other differences between two comparable runs, in the format of `incomparable_reasons`."""
    a, b = run.agent, other.agent
    here, there = run.target, other.target
    pairs = (
        ("host", a.hostname, b.hostname),
        ("operating system", a.os, b.os),
        ("kernel", a.kernel, b.kernel),
        ("CPU cores", a.cpu_count, b.cpu_count),
        ("runtime", a.runtime, b.runtime),
        ("CUDA", a.cuda, b.cuda),
        ("GPU driver", a.gpu_driver, b.gpu_driver),
        ("arguments", " ".join(here.args), " ".join(there.args)),
        ("dataset", str(here.dataset or ""), str(there.dataset or "")),
        ("timeout", f"{here.timeout_s:g} s", f"{there.timeout_s:g} s"),
        ("warm-up", _warm_up(here), _warm_up(there)),
        ("repeats", here.repeat, there.repeat),
    )
    described = [_describe(name, one, another) for name, one, another in pairs if one != another]
    # Values may be secrets, so only names are listed.
    names = sorted(name for name in {*here.env, *there.env} if here.env.get(name) != there.env.get(name))
    return (*described, *([f"environment differs in {', '.join(names)}"] if names else []))


_KIND = ("device", "JetPack", "power mode", "jetson_clocks")


def _kind_of(run: Run) -> tuple[str, str, str, str]:
    jetson = run.agent.jetson
    if jetson is None:
        return model_of(run), "", "", ""
    clocks = {None: "unknown", True: "on", False: "off"}[jetson.clocks_locked]
    return model_of(run), jetson.jetpack or jetson.l4t, jetson.power_mode, clocks


def _warm_up(target: Target) -> str:
    return "auto" if target.warmup_auto else f"{target.warmup_s:g} s"


def _describe(name: str, here: object, there: object) -> str:
    return f"{name} was '{there}', is '{here}'"
