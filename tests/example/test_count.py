"""The example counts objects in images of all formats."""

import random
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

DARK, BRIGHT = 10, 200


def image(*rows: str) -> tuple[int, int, bytes]:
    """An image from characters, one for each pixel: '#' is bright."""
    return len(rows[0]), len(rows), bytes(BRIGHT if pixel == "#" else DARK for row in rows for pixel in row)


@pytest.mark.parametrize(
    ("rows", "objects"),
    [
        pytest.param(("....", "...."), 0, id="nothing"),
        pytest.param(("####", "####"), 1, id="the whole image"),
        pytest.param(("##..##", "##..##"), 2, id="two apart"),
        pytest.param(("##....", "##....", "..##..", "..##.."), 2, id="corners do not touch"),
        pytest.param(("#####", "#...#", "#.#.#", "#...#", "#####"), 1, id="a ring; the speck in it is too small"),
        pytest.param(("#.#", "#.#", "###"), 1, id="two arms that meet below"),
        pytest.param(("..##", "..##", "#...", "##..", "#..."), 2, id="the right edge does not touch the left"),
        pytest.param(("##..", "#...", "....", "..##"), 0, id="three pixels are noise"),
        pytest.param(("####",), 1, id="one row"),
        pytest.param(("#", "#", "#", "#"), 1, id="one column"),
    ],
)
def test_counts(counting: ModuleType, rows: tuple[str, ...], objects: int) -> None:
    assert counting.count_on_cpu(*image(*rows)) == objects


@given(
    width=st.integers(1, 24),
    height=st.integers(1, 24),
    pixels=st.data(),
)
def test_agrees_with_merging_of_neighbours(
    counting: ModuleType, width: int, height: int, pixels: st.DataObject
) -> None:
    content = pixels.draw(
        st.lists(st.sampled_from([0, 127, 128, 255]), min_size=width * height, max_size=width * height)
    )
    expected = merged_groups(width, height, content, threshold=128, smallest=4)
    assert counting.count_on_cpu(width, height, bytes(content)) == expected


def merged_groups(width: int, height: int, pixels: list[int], threshold: int, smallest: int) -> int:
    """Reference implementation: joins the sets of neighbouring bright pixels, then counts the large sets."""
    group = {place: {place} for place, pixel in enumerate(pixels) if pixel >= threshold}
    for place in list(group):
        right = place + 1 if (place + 1) % width else -1
        for neighbour in (right, place + width):
            if neighbour in group and group[neighbour] is not group[place]:
                group[place] |= group[neighbour]
                for member in group[neighbour]:
                    group[member] = group[place]
    return sum(len(members) >= smallest for members in {id(members): members for members in group.values()}.values())


@given(width=st.integers(1, 300), height=st.integers(1, 12), chance=st.randoms(use_true_random=False))
@example(width=255, height=5, chance=random.Random(1))  # noqa: S311
@example(width=5, height=255, chance=random.Random(1))  # noqa: S311
def test_reads_what_was_written(
    counting: ModuleType, tmp_path_factory: pytest.TempPathFactory, width: int, height: int, chance: random.Random
) -> None:
    content = bytes(chance.choices(b"\t\n #25\xff\0", k=width * height))
    path = tmp_path_factory.getbasetemp() / "image.pgm"
    path.write_bytes(b"P5\n%d %d\n255\n" % (width, height) + content)
    assert counting.read_pgm(str(path)) == (width, height, content)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"P6\n1 1\n255\n\0\0\0",
        b"P5\n1 1\n65535\n\0\0",
        b"P5\n2 2\n255\n\0",
        b"\xff\xd8\xff\xe0",
        b"P5\na b\n255\n\0",
    ],
)
def test_refuses_files_that_are_no_images(counting: ModuleType, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "image.pgm"
    path.write_bytes(content)
    with pytest.raises(ValueError):
        counting.read_pgm(str(path))
