"""Removes cgroups of runs in a helper container, for a worker without this right.

The helper can write to the machine's cgroups, and call systemd if that manages them. It shares no namespace with apps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from profileapp.collect.api import HelperProgram, Mount
from profileapp.errors import Unavailable
from profileapp.run.cgroup_removal import ROOT
from profileapp.run.docker.helper import HelperContainers
from profileapp.run.run_cgroup import HIERARCHIES

_SYSTEMD = "/run/systemd"
_LIMIT_S = 20.0


def remove_cgroups(helpers_of: Callable[[], HelperContainers], driver: str, names: Sequence[str]) -> str:
    """Removes cgroups that runs named and the daemon created. Returns why it failed, "" if it did not. Never raises."""
    mounts: tuple[Mount, ...] = (Mount(HIERARCHIES, str(ROOT), writable=True),)
    if driver == "systemd":
        # Read-only: connecting to a socket is possible regardless.
        mounts += (Mount(_SYSTEMD, _SYSTEMD),)
    # The root cgroup is not writable even for its owner.
    program = HelperProgram(
        "profileapp.run.cgroup_removal", tuple(names), capabilities=("DAC_OVERRIDE",), mounts=mounts
    )
    helpers = helpers_of()
    try:
        helper = helpers.start(program, _ignore)
        return helper.finish(_LIMIT_S)
    except Unavailable as error:
        return f"{len(names)} cgroups could not be removed ({error})"
    finally:
        helpers.remove()


def _ignore(_: bytes) -> None:
    """Discards output: the helper prints only errors."""
