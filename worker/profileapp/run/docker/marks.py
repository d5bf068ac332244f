"""Marks the resources of a run on the daemon, so that a later run finds what a crash left.

An image is marked by its name: a label would be part of it, and change the id that run.json records.
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
"""The host and the folder, for information only."""
IMAGE_REPOSITORY = "profileapp-run"
"""Prefix of the names of this worker's images; no other image has such a name."""
_IMAGE_NAME = re.compile(rf"{IMAGE_REPOSITORY}/([^:/]+):([^.]+)\.(.+)")


class Marks(msgspec.Struct, frozen=True):
    """Marks of all resources of this worker. `owner` is this user on this machine, `folder` contains its files."""

    owner: str
    folder: Path
    lock_path: Path

    @property
    def worker(self) -> Worker:
        """Identifies this process, with the agent's current lock."""
        return this_worker(self.lock_path)

    def labels(self, run_id: str) -> dict[str, str]:
        """Labels of containers, networks and images without a name."""
        return {
            RUN_LABEL: run_id,
            OWNER_LABEL: self.owner,
            WORKER_LABEL: str(self.worker),
            STATE_LABEL: f"{platform.node()}:{self.folder}",
        }

    def image_name(self, run_id: str) -> str:
        """The name of the image that a run loads or builds."""
        return f"{IMAGE_REPOSITORY}/{self.owner}:{run_id}.{self.worker}"

    @staticmethod
    def worker_in(image_name: str) -> Worker | None:
        """The worker that `image_name` names."""
        match = _IMAGE_NAME.fullmatch(image_name)
        return parse_worker(match[3]) if match else None

    def read_labels(self, labels: dict[str, str] | None) -> tuple[str, Worker] | None:
        """The run and its worker; None if the labels are not this owner's."""
        found = labels or {}
        return self._read(found.get(OWNER_LABEL, ""), found.get(RUN_LABEL, ""), found.get(WORKER_LABEL, ""))

    def read_image_name(self, name: str) -> tuple[str, Worker] | None:
        """The run and its worker; None if the name is not this owner's."""
        match = _IMAGE_NAME.fullmatch(name)
        return self._read(match[1], match[2], match[3]) if match else None

    def _read(self, owner: str, run_id: str, worker_text: str) -> tuple[str, Worker] | None:
        worker = parse_worker(worker_text)
        return (run_id, worker) if owner == self.owner and worker and RUN_ID.fullmatch(run_id) else None
