"""The flame graph has the right boxes, and nothing that Jenkins' policy for artifacts blocks."""

from __future__ import annotations

import io
import time
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profileapp.model.stacks import FoldedStacks, Frame, read_folded
from profileapp.report.page import flame_graph
from profileapp.report.page.flame_graph import BOX_LIMIT, DEPTH_LIMIT, ROW_HEIGHT, WIDTH, flame_graph_svg

SVG = "{http://www.w3.org/2000/svg}"
RAW = """\
thread (1): Main;<module> (app.py:10);work (lib/job.py:4) 60
thread (1): Main;<module> (app.py:11);work (lib/job.py:5);fib (lib/job.py:2) 30
thread (1): Main;<module> (app.py:11);memcpy (libc.so.6) 10
"""


def read(text: str) -> FoldedStacks:
    return read_folded(io.BytesIO(text.encode()))


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)  # noqa: S314  (made here a moment ago)


def boxes_of(svg: str) -> list[tuple[str, float, int, float]]:
    """Of each box: the tooltip's first line, its x offset, its row, and its width."""
    found = []
    for group in parsed(svg).iter(f"{SVG}g"):
        title, rect = group.find(f"{SVG}title"), group.find(f"{SVG}rect")
        assert title is not None and title.text and rect is not None
        x, y, width = (float(rect.attrib[key]) for key in ("x", "y", "width"))
        found.append((title.text.split("\n")[0], x, round(y / ROW_HEIGHT), width))
    return found


def test_boxes_are_below_their_callers_and_as_wide_as_their_share() -> None:
    assert sorted(boxes_of(flame_graph_svg(read(RAW), "use-gpu")), key=lambda box: (box[2], box[1])) == [
        ("use-gpu · 100 samples", 0, 0, WIDTH),
        ("thread (1): Main", 0, 1, WIDTH),
        ("<module>", 0, 2, WIDTH),
        ("memcpy", 0, 3, 120),
        ("work", 120, 3, 1080),
        # The time of `work` itself comes first, so its callees are to the right.
        ("fib", 840, 4, 360),
    ]


def test_tooltips_have_location_and_share() -> None:
    titles = [each.text for each in parsed(flame_graph_svg(read(RAW), "x")).iter(f"{SVG}title")]
    assert "work\nlib/job.py\n90.0 % (90 samples), itself 60.0 %" in titles
    assert "thread (1): Main\n100.0 % (100 samples)" in titles


def test_it_has_no_script_no_style_and_no_external_content() -> None:
    svg = flame_graph_svg(read(RAW), "x")
    root = parsed(svg)
    assert {element.tag.removeprefix(SVG) for element in root.iter()} == {"svg", "title", "desc", "g", "rect", "text"}
    names = {name for element in root.iter() for name in element.attrib}
    assert names == {
        "viewBox", "role", "font-family", "font-size", "fill", "x", "y", "width", "height", "rx", "stroke",
        "stroke-width",
    }  # fmt: skip
    assert "url(" not in svg and svg.count("http") == 1


def test_equal_stacks_give_equal_files() -> None:
    reordered = "\n".join(reversed(RAW.splitlines()))
    assert flame_graph_svg(read(RAW), "x") == flame_graph_svg(read(reordered), "x")
    colours = {
        each.attrib["fill"]
        for name in ("a", "b", "c")
        for each in parsed(flame_graph_svg(read(f"{name} (one.py:1) 1"), "x")).iter(f"{SVG}rect")
        if each.attrib["y"] != "0"
    }
    assert len(colours) == 1, "all of one file have one colour"


def test_hostile_names_are_escaped() -> None:
    svg = flame_graph_svg(read('</title><script>alert(1)</script>&" \x1b[31m\u202e (x"><a.py:1) 1'), '"><script>')
    assert "<script" not in svg and "\x1b" not in svg and "\u202e" not in svg
    assert boxes_of(svg)[1][0].startswith("</title><script>alert(1)</script>")


@pytest.mark.parametrize("name", ["x" * 300, "漢" * 100, "a漢" * 60, "i" * 49, "W" * 51, "e\u0301" * 50])
@pytest.mark.parametrize("share", [3, 10, 29, 100])
def test_text_is_truncated_to_its_box(name: str, share: int) -> None:
    svg = flame_graph_svg(read(f"{name} (a.py:1) {share}\nother (b.py:1) {101 - share}"), "x")
    room = WIDTH * share / 101
    [text] = [
        (group.findtext(f"{SVG}text") or "")
        for group in parsed(svg).iter(f"{SVG}g")
        if (group.findtext(f"{SVG}title") or "").startswith(name[:5])
    ]
    columns = sum(2 if letter == "漢" else 1 for letter in text)
    assert columns * flame_graph._LETTER_WIDTH <= room
    assert text == name or (text.endswith("…") and name.startswith(text[:-1]) and len(text) > 1)
    assert columns >= min(len(name), 200, room / flame_graph._LETTER_WIDTH - 5), "no shorter than need be"


def test_a_narrow_box_has_no_text() -> None:
    svg = flame_graph_svg(read("a (a.py:1) 1\nb (b.py:1) 99"), "x")
    assert [each.text for each in parsed(svg).iter(f"{SVG}text")] == ["x · 100 samples", "b"]


def test_narrow_boxes_are_merged() -> None:
    text = "".join(f"f{number} (a.py:1) 1\n" for number in range(5000)) + "main (a.py:1) 5000"
    boxes = boxes_of(flame_graph_svg(read(text), "x"))
    assert [box[0] for box in boxes[1:]] == ["main", "5000 narrower ones: 50.0 % (5000 samples)"]
    assert boxes[2][1] == boxes[2][3] == WIDTH / 2


def test_the_drawing_is_bounded() -> None:
    wide = [";".join(f"f{number % (7 * depth + 2)}.{depth}" for depth in range(120)) + " 1" for number in range(1500)]
    svg = flame_graph_svg(read("\n".join(wide)), "x")
    boxes = boxes_of(svg)
    assert 200 < len(boxes) <= BOX_LIMIT + 3
    assert len(svg) < 1_500_000
    assert max(box[2] for box in boxes) <= DEPTH_LIMIT + 1


def test_omitted_levels_are_reported() -> None:
    text = ";".join(f"f{depth}" for depth in range(DEPTH_LIMIT + 7)) + " 1\nf0 1"
    *_, last = boxes_of(flame_graph_svg(read(text), "x"))
    assert last == ("stacks go 7 deeper than is drawn", 0, DEPTH_LIMIT + 1, WIDTH)


def test_without_samples_the_image_has_a_note() -> None:
    assert boxes_of(flame_graph_svg(read(""), "x")) == [("x · 0 samples", 0, 0, WIDTH)]


def test_many_deep_stacks_take_only_seconds() -> None:
    frames = tuple(Frame(f"f{number}", f"m{number % 9}.py", 1) for number in range(400))
    stacks = tuple((tuple((row * 7 + depth * 3) % 400 for depth in range(100)), 1 + row % 5) for row in range(5000))
    began_s = time.process_time()
    flame_graph_svg(FoldedStacks(frames, stacks, sum(count for _, count in stacks)), "x")
    assert time.process_time() - began_s < 10


names = st.text(min_size=1, max_size=6) | st.sampled_from(["a (x.py:1)", "a (x.py:2)", "b (y.py:1)"])
stack_lines = st.builds(
    lambda parts, count: f"{';'.join(parts)} {count}", st.lists(names, max_size=5), st.integers(1, 99)
)


@given(st.lists(stack_lines, max_size=12).map("\n".join), st.text(max_size=10))
def test_every_box_is_within_its_parent(text: str, title: str) -> None:
    boxes = boxes_of(flame_graph_svg(read(text), title))
    for _, x, row, width in boxes[1:]:
        assert any(
            row == above[2] + 1 and above[1] - 0.02 <= x and x + width <= above[1] + above[3] + 0.02 for above in boxes
        )
