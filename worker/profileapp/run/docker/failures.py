"""Decides whether the app or the agent is to blame when the daemon cannot create or start a container.

Sources: moby, `volume/mounts/linux_parser.go` (bind source path does not exist), `daemon/start.go`; runc's and crun's
messages for `process.args`, `process.user` and `process.cwd`. Unknown messages are blamed on the agent, never on the
app.
"""

from __future__ import annotations

import re
from pathlib import Path

from profileapp.run.agent.state import STATE_VARIABLE
from profileapp.run.docker.image import one_line

# A program, user or folder that the image names and does not have.
_OF_THE_IMAGE = re.compile(
    r"no command specified"
    r"|exec: |exec format error|executable file .*not found|executable file not found"
    r"|unable to find (user|group) |no matching entries in (passwd|group) file"
    r"|chdir to cwd|working directory .*invalid|the working directory '"
    r"|cannot mkdir: .* is not a directory"
    r"|is no such (user|group)",
    re.IGNORECASE,
)
# Messages of the agent's hooks and drivers may contain any of these words.
_OF_THE_AGENT = re.compile(r"nvidia|error running (pre|create)\w*[ -]?hook|no space left|cgroup", re.IGNORECASE)
_UNSEEN_SOURCE = re.compile(r"bind source path does not exist: (.+?)\s*$", re.MULTILINE)


def is_the_images(error: Exception) -> bool:
    """Whether the app is to blame for not starting: its image has no such command, user or folder."""
    text = _text(error)
    return bool(_OF_THE_IMAGE.search(text)) and not _OF_THE_AGENT.search(text)


def what_to_do(error: Exception, state_folder: Path) -> str:
    """The daemon's message in one line, and a remedy if one is known."""
    unseen = _UNSEEN_SOURCE.search(_text(error))
    if not unseen:
        return one_line(error)
    path = Path(unseen[1])
    why = (
        f"the Docker daemon does not see {path}: this worker has a private view of it (systemd's PrivateTmp=yes, or "
        "it is in a container that uses the host's daemon)"
    )
    if path.is_relative_to(state_folder):
        return f"{why}; set {STATE_VARIABLE} to a folder that both see at the same path"
    return f"{why}; use a path that both see, such as a workspace outside /tmp"


def _text(error: Exception) -> str:
    return str(getattr(error, "explanation", None) or error)
