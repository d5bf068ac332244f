"""Resources and links of a page, and content that Jenkins' policy for artifacts forbids."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

_LOADING = {("img", "src"), ("link", "href"), ("source", "src"), ("object", "data"), ("embed", "src")}
_FORBIDDEN_TAGS = {"script", "style", "iframe", "object", "embed", "form", "base"}


@dataclass(frozen=True)
class Page:
    """Paths are those of artifacts."""

    loads: tuple[str, ...]  # images and style sheets on the same site
    links: tuple[str, ...]  # links on the same site
    forbidden: tuple[str, ...]  # content that the policy blocks


def read_page(path: str, html: str) -> Page:
    """Parses `html`, served at the artifact `path`."""
    reader = _Reader(path)
    reader.feed(html)
    reader.close()
    return Page(
        tuple(dict.fromkeys(reader.loads)), tuple(dict.fromkeys(reader.links)), tuple(dict.fromkeys(reader.forbidden))
    )


class _Reader(HTMLParser):
    def __init__(self, path: str) -> None:
        super().__init__()
        self._folder = posixpath.dirname(path)
        self.loads: list[str] = []
        self.links: list[str] = []
        self.forbidden: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _FORBIDDEN_TAGS:
            self.forbidden.append(f"<{tag}>")
        for name, value in attrs:
            if name == "style" or name.startswith("on"):
                self.forbidden.append(f"<{tag} {name}=…>")
            elif (tag, name) in _LOADING:
                self._add(self.loads, tag, value or "", loaded=True)
            elif (tag, name) == ("a", "href"):
                self._add(self.links, tag, value or "", loaded=False)

    def _add(self, found: list[str], tag: str, address: str, loaded: bool) -> None:
        parts = urlsplit(address)
        if parts.scheme or parts.netloc:
            if loaded:
                self.forbidden.append(f"<{tag}> from {address[:80]}")
        elif parts.path:
            found.append(posixpath.normpath(posixpath.join(self._folder, unquote(parts.path))))
