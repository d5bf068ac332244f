"""How what belongs to a run is marked on the daemon, so that a later run finds what a crash left.

An image is marked by its name: a label would be part of it, and change the id by which run.json names what was
measured.
"""

from __future__ import annotations

import platform
import re
from pathlib import Path

import msgspec

from profileapp.run.agent.ownership import Worker, parse_worker, this_worker
from profileapp.run.agent.state import RUN_ID

RUN_LABEL = "profileapp.run_id"
OWNER_LABEL = "profileapp.owner"
WORKER_LABEL = "profileapp.worker"
STATE_LABEL = "profileapp.state"
"""For people: the host and the folder; nothing is decided by it."""
IMAGE_REPOSITORY = "profileapp-run"
"""What the names of our images begin with; nobody else's image is ever named so, or has such a name taken."""
_IMAGE_NAME = re.compile(rf"{IMAGE_REPOSITORY}/([^:/]+):([^.]+)\.(.+)")


class Marks(msgspec.Struct, frozen=True):
    """Of all that this worker makes. `owner` is this user of this machine, `folder` where its files are."""

    owner: str
    folder: Path
    lock_path: Path

    @property
    def worker(self) -> Worker:
        """This process, with the agent's lock as it is now."""
        return this_worker(self.lock_path)

    def labels(self, run_id: str) -> dict[str, str]:
        """Of containers, networks and images without a name."""
        return {
            RUN_LABEL: run_id,
            OWNER_LABEL: self.owner,
            WORKER_LABEL: str(self.worker),
            STATE_LABEL: f"{platform.node()}:{self.folder}",
        }

    def image_name(self, run_id: str) -> str:
        """The name of the image that a run brings."""
        return f"{IMAGE_REPOSITORY}/{self.owner}:{run_id}.{self.worker}"

    def read_labels(self, labels: dict[str, str] | None) -> tuple[str, Worker] | None:
        """The run and its worker; None where the labels are not this owner's."""
        found = labels or {}
        return self._read(found.get(OWNER_LABEL, ""), found.get(RUN_LABEL, ""), found.get(WORKER_LABEL, ""))

    def read_image_name(self, name: str) -> tuple[str, Worker] | None:
        """The run and its worker; None where the name is none of this owner's."""
        match = _IMAGE_NAME.fullmatch(name)
        return self._read(match[1], match[2], match[3]) if match else None

    def _read(self, owner: str, run_id: str, worker_text: str) -> tuple[str, Worker] | None:
        worker = parse_worker(worker_text)
        return (run_id, worker) if owner == self.owner and worker and RUN_ID.fullmatch(run_id) else None
