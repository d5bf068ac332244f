"""The example's own modules, imported as the app imports them: from their own folder."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "objectcounter"


@pytest.fixture(scope="session")
def example() -> Path:
    """The example's folder."""
    return EXAMPLE


@pytest.fixture(scope="session")
def counting() -> ModuleType:
    """The module count.py."""
    return _load("count")


@pytest.fixture(scope="session")
def making() -> ModuleType:
    """The module make_dataset.py."""
    return _load("make_dataset")


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory, making: ModuleType) -> Path:
    """A folder with a few small images."""
    folder = tmp_path_factory.mktemp("example") / "dataset"
    making.main([str(folder), "--images", "4", "--width", "64", "--height", "48"])
    return folder


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"objectcounter_{name}", EXAMPLE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
