"""SVG that works in a page and alone, in light and dark, under an artifact policy that forbids styles."""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.etree import ElementTree

_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"

_LONG_NUMBER = re.compile(r"-?\d+\.\d{2,}")
_FONT_SIZE = re.compile(r"(\d+(?:\.\d+)?)px")


def inline_svg_styles(drawn: str, title: str, description: str) -> str:
    """matplotlib's SVG with presentation attributes instead of styles, and with alternative text.

    `style="fill: none; stroke: #000"` equals `fill="none" stroke="#000"` (SVG 1.1, "Styling"), but Jenkins' artifact
    policy allows only the latter in an SVG that is opened alone. Coordinates are rounded to a tenth.
    """
    root = ElementTree.fromstring(drawn)  # noqa: S314  (drawn a moment ago by matplotlib, with text escaped)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{_SVG}}}style", f"{{{_SVG}}}metadata"):
                parent.remove(child)
    for element in root.iter():
        _make_plain(element)
    # The page sets its size; opened alone it fills the window.
    for name in ("width", "height"):
        root.attrib.pop(name, None)
    root.attrib |= {"role": "img", "stroke-linejoin": "round", "stroke-linecap": "butt", "font-family": FONT}
    for tag, text in (("desc", description), ("title", title)):
        element = ElementTree.Element(f"{{{_SVG}}}{tag}")
        element.text = text
        root.insert(0, element)
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _XLINK)
    return ElementTree.tostring(root, encoding="unicode")


def recoloured(svg: str, colours: Mapping[str, str]) -> str:
    """The SVG with each colour (`#rrggbb`, lower case) of `colours` replaced, all at once."""
    pattern = re.compile('(fill|stroke)="(' + "|".join(map(re.escape, colours)) + ')"')
    return pattern.sub(lambda match: f'{match[1]}="{colours[match[2]]}"', svg)


def _make_plain(element: ElementTree.Element) -> None:
    for declaration in element.attrib.pop("style", "").split(";"):
        name, colon, value = (part.strip() for part in declaration.partition(":"))
        if not colon or name == "font-family":
            continue
        if name == "font":
            size = _FONT_SIZE.search(value)
            name, value = "font-size", size[1] if size else "10"
        element.set(name, value)
    if not element.tag.endswith(("path", "clipPath", "pattern")):
        element.attrib.pop("id", None)
    if element.get("transform", "").startswith("rotate(-0 "):
        del element.attrib["transform"]
    for name in ("d", "x", "y", "transform"):
        if name in element.attrib:
            element.set(name, _LONG_NUMBER.sub(_rounded, " ".join(element.attrib[name].split())))
    if element.text is not None and not element.text.strip():
        element.text = None
    if element.tail is not None and not element.tail.strip():
        element.tail = None


def _rounded(match: re.Match[str]) -> str:
    return f"{float(match[0]):.1f}".removesuffix(".0")
