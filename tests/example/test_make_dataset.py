"""The dataset is the same on every machine, and its file names have the true counts."""

import hashlib
from pathlib import Path
from types import ModuleType

from hypothesis import given, settings
from hypothesis import strategies as st


def digest(folder: Path) -> str:
    whole = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        whole.update(path.name.encode() + path.read_bytes())
    return whole.hexdigest()


def test_same_seed_same_images(making: ModuleType, tmp_path: Path) -> None:
    for name, seed in (("a", "7"), ("b", "7"), ("c", "8")):
        making.main([str(tmp_path / name), "--images", "3", "--seed", seed])
    assert digest(tmp_path / "a") == digest(tmp_path / "b") != digest(tmp_path / "c")


def test_creating_it_again_removes_older_images(making: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    making.main([str(tmp_path), "--images", "5"])
    making.main([str(tmp_path), "--images", "2", "--seed", "2"])
    assert len(list(tmp_path.glob("*.pgm"))) == 2
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_file_name_has_the_number_of_objects(making: ModuleType, counting: ModuleType, tmp_path: Path) -> None:
    making.main([str(tmp_path)])
    images = sorted(tmp_path.iterdir())
    assert len(images) == 24
    message = [int(path.stem.rsplit("-", 1)[1]) for path in images]
    assert message == [counting.count_on_cpu(*counting.read_pgm(str(path))) for path in images]
    assert len(set(message)) > 5, "the images are not all alike"


@settings(max_examples=30)
@given(seed=st.integers(), width=st.integers(20, 90), height=st.integers(20, 90), wanted=st.integers(0, 40))
def test_every_image_has_the_number_of_objects_in_its_name(
    making: ModuleType, counting: ModuleType, seed: int, width: int, height: int, wanted: int
) -> None:
    chance = making.random.Random(seed)
    pixels, placed = making.make_image(chance, width, height, wanted)
    assert placed <= wanted
    assert len(pixels) == width * height
    assert counting.count_on_cpu(width, height, pixels) == placed
