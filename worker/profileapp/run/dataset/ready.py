"""Provides the datasets of one target on this machine for as long as it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from profileapp.errors import AgentError
from profileapp.model.target import Dataset, Target

if TYPE_CHECKING:
    from profileapp.run.dataset.cache import DatasetCache, OnProgress

Paths = Mapping[str | Dataset, Path]
"""The path of each dataset, absolute and without symbolic links."""


@contextmanager
def ready_datasets(
    target: Target, config_folder: Path, open_cache: Callable[[], DatasetCache], on_progress: OnProgress
) -> Iterator[Paths]:
    """Yields the paths of a target's datasets, which stay for the block. Raises DatasetError or AgentError."""
    paths: dict[str | Dataset, Path] = {}
    with ExitStack() as stack:
        for dataset in target.datasets:
            if isinstance(dataset, Dataset):
                paths[dataset] = stack.enter_context(open_cache().locked(dataset, config_folder, on_progress))
                continue
            path = (config_folder / dataset).resolve()
            if not path.is_relative_to(config_folder.resolve()):
                raise AgentError(f"dataset {dataset!r} points outside the folder of the sage.yaml")
            paths[dataset] = path
        yield paths
