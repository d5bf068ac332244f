"""Reads an archive of images, and rewrites it with one image, under this worker's names, and nothing else.

The daemon tags an image with every name in such a file, and so takes names away from other images. The rewritten
archive has none of the file's names or links: only the configuration and the layers of the requested image.

Sources: OCI Image Layout Specification; Docker Engine API, "Export an image" (manifest.json); `docker save`.
"""

from __future__ import annotations

import hashlib
import io
import posixpath
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, BinaryIO, Final

import msgspec

from profileapp.run.docker.decompressed import Decompressed

MEMBERS_LIMIT: Final = 100_000
DOCUMENT_LIMIT_BYTES: Final = 4 * 1024**2
"""Limit of one JSON document: a manifest, an index, a configuration."""
DOCUMENTS_LIMIT_BYTES: Final = 64 * 1024**2
LAYERS_LIMIT: Final = 1000
IMAGES_LIMIT: Final = 1000

_HEADER_LIMIT_BYTES = 2 * 1024**2
_READ_AHEAD_BYTES = 128 * 1024
_LINKS_LIMIT = 8
_BLOCK_BYTES = 1024**2
_NAME_ANNOTATIONS = ("io.containerd.image.name", "org.opencontainers.image.ref.name")
_INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)

Check = Callable[[], None]
"""Called between blocks; raises to cancel."""


class BadArchive(Exception):
    """It is not an archive of images, or exceeds the limits."""


class ArchivedImage(msgspec.Struct, frozen=True):
    """One image of the archive: its names, the configuration, and the members with its layers, lowest first."""

    names: tuple[str, ...]
    config: bytes
    layers: tuple[str, ...]

    @property
    def id(self) -> str:
        """Its id in a daemon with the classic image store: the digest of its configuration."""
        return f"sha256:{hashlib.sha256(self.config).hexdigest()}"


class _Entry(msgspec.Struct):
    config: str = msgspec.field(name="Config")
    layers: list[str] = msgspec.field(name="Layers")
    names: list[str] | None = msgspec.field(name="RepoTags", default=None)


class _Platform(msgspec.Struct):
    architecture: str = ""


class _Descriptor(msgspec.Struct):
    digest: str
    media_type: str = msgspec.field(name="mediaType", default="")
    platform: _Platform | None = None
    annotations: dict[str, str] | None = None

    @property
    def path(self) -> str:
        return "blobs/" + self.digest.replace(":", "/", 1)


class _Index(msgspec.Struct):
    manifests: list[_Descriptor]


class _Manifest(msgspec.Struct):
    config: _Descriptor
    layers: list[_Descriptor]


def read_archive(stream: BinaryIO, architecture: str, check: Check) -> tuple[ArchivedImage, ...]:
    """The images of an archive of `docker save` or of an OCI layout, compressed or not.

    For a multi-architecture image it is the one for `architecture`, as Docker names it. Raises BadArchive.
    """
    with _tar_errors_as_bad_archive():
        documents, links, files = _scan(stream, check)
    try:
        if "manifest.json" in documents:
            found = _saved_images(documents, links)
        elif "index.json" in documents:
            found = _layout_images(documents, architecture)
        else:
            raise BadArchive("it has no manifest.json and no index.json")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadArchive(f"its metadata cannot be read ({error})") from error
    for image in found:
        for layer in image.layers:
            if layer not in files:
                raise BadArchive("a layer of an image is missing")
    return found


def rewritten(stream: BinaryIO, image: ArchivedImage, name: str, check: Check) -> Iterator[bytes]:
    """The bytes of an archive in the format of `docker save`, with one image and one name. Raises BadArchive."""
    wanted = {layer: f"{number}.tar" for number, layer in enumerate(dict.fromkeys(image.layers))}
    described = {"Config": "config.json", "RepoTags": [name], "Layers": [wanted[layer] for layer in image.layers]}
    with _tar_errors_as_bad_archive():
        yield from _small("config.json", image.config)
        left = dict(wanted)
        for member, content in _members(stream, check):
            new_name = left.pop(_path(member.name), None) if member.isreg() else None
            if new_name is None:
                continue
            header = tarfile.TarInfo(new_name)
            header.size = member.size
            yield header.tobuf(tarfile.GNU_FORMAT)
            yield from _blocks(content, member.size, check)
            yield bytes(-member.size % tarfile.BLOCKSIZE)
        if left:
            raise BadArchive("it changed while it was read")
        yield from _small("manifest.json", msgspec.json.encode([described]))
        yield bytes(2 * tarfile.BLOCKSIZE)


@contextmanager
def _tar_errors_as_bad_archive() -> Iterator[None]:
    """Raises all of tarfile's various errors as BadArchive."""
    try:
        yield
    # A header may extend the next one, and so on: tarfile recurses for each.
    except (tarfile.TarError, OSError, EOFError, ValueError, OverflowError, RecursionError) as error:
        raise BadArchive(str(error) or "it cannot be read") from error


def _small(name: str, content: bytes) -> Iterator[bytes]:
    header = tarfile.TarInfo(name)
    header.size = len(content)
    yield header.tobuf(tarfile.GNU_FORMAT)
    yield content + bytes(-len(content) % tarfile.BLOCKSIZE)


def _scan(stream: BinaryIO, check: Check) -> tuple[dict[str, bytes], dict[str, str], set[str]]:
    """All JSON documents within the limit, the targets of links, and the names of files."""
    documents: dict[str, bytes] = {}
    links: dict[str, str] = {}
    files: set[str] = set()
    room_bytes = DOCUMENTS_LIMIT_BYTES
    for member, content in _members(stream, check):
        path = _path(member.name)
        if member.issym():
            links[path] = _path(posixpath.join(posixpath.dirname(path), member.linkname))
        elif member.islnk():
            links[path] = _path(member.linkname)
        elif member.isreg():
            if path in files:
                raise BadArchive("it contains two files with the same name")
            files.add(path)
            if member.size <= DOCUMENT_LIMIT_BYTES:
                found = b"".join(_blocks(content, member.size, check))
                if found.lstrip()[:1] in (b"{", b"["):
                    room_bytes -= len(found)
                    if room_bytes < 0:
                        raise BadArchive(f"its metadata is larger than {DOCUMENTS_LIMIT_BYTES // 1024**2} MiB")
                    documents[path] = found
    return documents, links, files


def _saved_images(documents: Mapping[str, bytes], links: Mapping[str, str]) -> tuple[ArchivedImage, ...]:
    entries = msgspec.json.decode(documents["manifest.json"], type=list[_Entry])
    return tuple(
        ArchivedImage(
            tuple(entry.names or ()),
            _document(documents, _followed(entry.config, links)),
            _bounded([_followed(layer, links) for layer in entry.layers]),
        )
        for entry in entries[:IMAGES_LIMIT]
    )


def _layout_images(documents: Mapping[str, bytes], architecture: str) -> tuple[ArchivedImage, ...]:
    index = msgspec.json.decode(documents["index.json"], type=_Index)
    by_names: dict[tuple[str, ...], list[_Descriptor]] = {}
    for one in index.manifests[:IMAGES_LIMIT]:
        annotations = one.annotations or {}
        names = tuple(dict.fromkeys(annotations[key] for key in _NAME_ANNOTATIONS if key in annotations))
        inner = [one]
        if one.media_type in _INDEX_TYPES:
            inner = msgspec.json.decode(_document(documents, one.path), type=_Index).manifests[:IMAGES_LIMIT]
        by_names.setdefault(names, []).extend(inner)
    found = []
    for names, choices in by_names.items():
        manifest = msgspec.json.decode(_document(documents, _for(architecture, choices).path), type=_Manifest)
        found.append(
            ArchivedImage(
                names, _document(documents, manifest.config.path), _bounded([layer.path for layer in manifest.layers])
            )
        )
    return tuple(found)


def _for(architecture: str, choices: Sequence[_Descriptor]) -> _Descriptor:
    """The one for an architecture; if there is none, the first image (an attestation is for `unknown`)."""
    made_for = [(one.platform.architecture if one.platform else "", one) for one in choices]
    fits = [one for name, one in made_for if name == architecture]
    images = [one for name, one in made_for if name != "unknown"]
    try:
        return (fits or images)[0]
    except IndexError:
        raise BadArchive("its index names no image") from None


def _document(documents: Mapping[str, bytes], path: str) -> bytes:
    try:
        return documents[path]
    except KeyError:
        raise BadArchive(
            f"a manifest or configuration is missing, or larger than {DOCUMENT_LIMIT_BYTES // 1024**2} MiB"
        ) from None


def _bounded(layers: list[str]) -> tuple[str, ...]:
    if len(layers) > LAYERS_LIMIT:
        raise BadArchive(f"an image has more than {LAYERS_LIMIT} layers")
    return tuple(layers)


def _followed(name: str, links: Mapping[str, str]) -> str:
    """`docker save` writes a layer that two images share once, and a link for the other."""
    path = _path(name)
    for _ in range(_LINKS_LIMIT):
        if path not in links:
            break
        path = links[path]
    return path


def _path(name: str) -> str:
    return posixpath.normpath(posixpath.join("/", name)).lstrip("/")


def _members(stream: BinaryIO, check: Check) -> Iterator[tuple[tarfile.TarInfo, IO[bytes]]]:
    """Yields each member; its content must be read before the next one."""
    plain = _BoundedHeaders(Decompressed(stream, check))
    with tarfile.open(fileobj=plain, mode="r|", bufsize=_READ_AHEAD_BYTES) as archive:
        for _ in range(MEMBERS_LIMIT):
            check()
            plain.expect_header()
            member = archive.next()
            if member is None:
                return
            # tarfile keeps every member it has read.
            archive.members.clear()  # type: ignore[attr-defined]
            plain.expect_content()
            content = archive.extractfile(member) if member.isreg() and not member.issparse() else None
            yield member, io.BytesIO() if content is None else content
            _discard(content, check)
    raise BadArchive(f"it contains more than {MEMBERS_LIMIT} files")


def _blocks(content: IO[bytes], size_bytes: int, check: Check) -> Iterator[bytes]:
    left = size_bytes
    while left > 0:
        check()
        block = content.read(min(left, _BLOCK_BYTES))
        if not block:
            raise BadArchive("it is truncated within a file")
        left -= len(block)
        yield block


def _discard(content: IO[bytes] | None, check: Check) -> None:
    while content is not None and content.read(_BLOCK_BYTES):
        check()


class _BoundedHeaders(io.RawIOBase):
    """A stream that limits a member's header to two megabytes: tarfile keeps it in memory."""

    def __init__(self, stream: Decompressed) -> None:
        super().__init__()
        self._stream = stream
        self._room_bytes: int | None = _HEADER_LIMIT_BYTES

    def expect_header(self) -> None:
        self._room_bytes = _HEADER_LIMIT_BYTES

    def expect_content(self) -> None:
        self._room_bytes = None

    def read(self, size: int = -1) -> bytes:
        found = self._stream.read(size)
        if self._room_bytes is not None:
            self._room_bytes -= len(found)
            if self._room_bytes < 0:
                raise BadArchive(f"a file's header is larger than {_HEADER_LIMIT_BYTES // 1024**2} MiB")
        return found
