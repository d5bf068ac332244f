"""What kind of machine a run was measured on: numbers of different kinds are not compared."""

from __future__ import annotations

from profileapp.model.run import Run


def model_of(run: Run) -> str:
    """A Jetson's module, a board, or processor and cores."""
    agent = run.agent
    if agent.jetson and agent.jetson.module:
        return agent.jetson.module
    return agent.board or f"{agent.cpu or agent.architecture}, {agent.cpu_count} cores"


def device_of(run: Run) -> str:
    """The model with its power mode, where it has one."""
    mode = run.agent.jetson.power_mode if run.agent.jetson else ""
    return f"{model_of(run)} {mode}".strip()
