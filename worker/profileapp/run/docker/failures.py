"""Whose fault it is where the daemon makes or starts no container: the app's, or the agent's.

Sources: moby, `volume/mounts/linux_parser.go` (bind source path does not exist), `daemon/start.go`; runc's and crun's
messages for `process.args`, `process.user` and `process.cwd`. Texts that are not known are the agent's: an app is
blamed for what is known to be its own only.
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
# What a hook or a driver of the agent's says may hold any of these words.
_OF_THE_AGENT = re.compile(r"nvidia|error running (pre|create)\w*[ -]?hook|no space left|cgroup", re.IGNORECASE)
_UNSEEN_SOURCE = re.compile(r"bind source path does not exist: (.+?)\s*$", re.MULTILINE)


def is_the_images(error: Exception) -> bool:
    """Whether an app that was not started is to blame itself: its image has no such command, user or folder."""
    text = _text(error)
    return bool(_OF_THE_IMAGE.search(text)) and not _OF_THE_AGENT.search(text)


def what_to_do(error: Exception, state_folder: Path) -> str:
    """What the daemon said, in one line, and what helps, where that is known."""
    unseen = _UNSEEN_SOURCE.search(_text(error))
    if not unseen:
        return one_line(error)
    path = Path(unseen[1])
    why = (
        f"the Docker daemon does not see {path}: this worker has files of its own there (systemd's PrivateTmp=yes, or "
        "it is in a container that uses the host's daemon)"
    )
    if path.is_relative_to(state_folder):
        return f"{why}; set {STATE_VARIABLE} to a folder that both see at the same path"
    return f"{why}; let both see it at the same path, such as by a workspace outside of /tmp"


def _text(error: Exception) -> str:
    return str(getattr(error, "explanation", None) or error)
