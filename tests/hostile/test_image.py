"""An app's image, from a file or a build, must not touch other images on the agent, nor exhaust the worker."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import lzma
import subprocess
import tarfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import docker
import pytest
from docker.errors import ImageNotFound

from profileapp.run.docker import image_archive
from profileapp.run.docker.image_archive import BadArchive, read_archive, rewritten
from profileapp.run.stop import StoppedError
from tests.helpers.registry import layer
from tests.helpers.worker_process import configure, run

VICTIM = "profileapp-test/victim:1"
BUSYBOX = Path("/bin/busybox")


def busybox() -> dict[str, bytes]:
    return {"bin/sh": BUSYBOX.resolve().read_bytes(), "proc/.keep": b"", "tmp/.keep": b""}


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def archive(path: Path, members: Mapping[str, bytes | tuple[bytes, str]]) -> Path:
    """A tar of files and of links; a link has its type and its target."""
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            if isinstance(content, tuple):
                member.type, member.linkname = content
                tar.addfile(member)
            else:
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return path


def image_parts(word: str) -> tuple[bytes, bytes]:
    """Configuration and layer of an image with a shell; `word` makes it unique."""
    content = layer({**busybox(), "word": word.encode()})
    config = {
        "architecture": docker.APIClient(version="auto").version()["Arch"],
        "os": "linux",
        "config": {"Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest(content)}"]},
    }
    return json.dumps(config).encode(), content


def saved(names: list[str], word: str) -> dict[str, bytes | tuple[bytes, str]]:
    config, content = image_parts(word)
    return {
        "c.json": config,
        "l/layer.tar": content,
        "manifest.json": json.dumps([{"Config": "c.json", "RepoTags": names, "Layers": ["l/layer.tar"]}]).encode(),
        "repositories": json.dumps({name.split(":")[0]: {name.split(":")[1]: "l"} for name in names}).encode(),
    }


def layout(names: list[str], word: str) -> dict[str, bytes | tuple[bytes, str]]:
    config, content = image_parts(word)

    def described(content: bytes, kind: str) -> dict[str, object]:
        return {"mediaType": kind, "digest": f"sha256:{digest(content)}", "size": len(content)}

    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "config": described(config, "application/vnd.oci.image.config.v1+json"),
            "layers": [described(content, "application/vnd.oci.image.layer.v1.tar")],
        }
    ).encode()
    kind = "application/vnd.oci.image.manifest.v1+json"
    index = {
        "schemaVersion": 2,
        "manifests": [
            {**described(manifest, kind), "annotations": {"io.containerd.image.name": name}} for name in names
        ],
    }
    blobs = {f"blobs/sha256/{digest(each)}": each for each in (config, content, manifest)}
    return {**blobs, "oci-layout": b'{"imageLayoutVersion": "1.0.0"}', "index.json": json.dumps(index).encode()}


def names_on(client: docker.DockerClient) -> dict[str, str]:
    """Ids by name; those of other tests may change meanwhile."""
    listed = client.api.images()
    return {
        name: str(each["Id"]) for each in listed for name in each["RepoTags"] or () if name.startswith("profileapp-")
    }


@pytest.fixture
def victim(docker_client: docker.DockerClient, busybox_image: str, state: Path) -> Iterator[str]:
    """The name and id of another app's image."""
    docker_client.images.get(busybox_image).tag(VICTIM)
    yield str(docker_client.images.get(VICTIM).id)
    docker_client.images.remove(VICTIM)


@pytest.mark.docker
@pytest.mark.parametrize("form", [saved, layout])
def test_a_file_cannot_take_another_images_name_held(
    form: Callable[[list[str], str], dict[str, bytes | tuple[bytes, str]]],
    tmp_path: Path,
    docker_client: docker.DockerClient,
    victim: str,
) -> None:
    wanted = "profileapp-test/hostile:1"
    archive(tmp_path / "app.tar", form([wanted, VICTIM, "profileapp/nothing:1"], form.__name__))
    configure(tmp_path, [{"name": "a", "args": ["sh", "-c", "read word < /word; echo $word"]}], metrics=[])
    before = names_on(docker_client)
    outcome = run(tmp_path, "--image-archive", "app.tar", "--image", wanted)
    assert outcome.code == 0, outcome.err
    assert outcome.log("a").decode() == f"{form.__name__}\n"
    assert outcome.run("a")["image"]["name"] == wanted
    assert {name: names_on(docker_client).get(name) for name in before} == before
    assert docker_client.images.get(VICTIM).id == victim
    for left in (wanted, "profileapp/nothing:1", outcome.run("a")["image"]["id"]):
        with pytest.raises(ImageNotFound):
            docker_client.images.get(left)


@pytest.mark.docker
def test_a_build_cannot_take_another_images_name_held(
    tmp_path: Path, docker_client: docker.DockerClient, victim: str
) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app/root.tar").write_bytes(layer(busybox()))
    (tmp_path / "app/Dockerfile").write_text(
        f"FROM scratch AS victim\nADD root.tar /\nENV PATH=/bin\nLABEL org.opencontainers.image.ref.name={VICTIM}\n"
        'FROM victim\nCMD ["sh", "-c", "echo built"]\n'
    )
    configure(tmp_path, [{"name": "a"}], metrics=[])
    before = names_on(docker_client)
    outcome = run(tmp_path, "--build", "app", "--image", VICTIM)
    assert outcome.code == 0, outcome.err
    assert outcome.log("a") == b"built\n"
    assert {name: names_on(docker_client).get(name) for name in before} == before
    assert docker_client.images.get(VICTIM).id == victim
    assert not [name for name in names_on(docker_client) if name.startswith("profileapp-run/")]


@pytest.mark.docker
def test_an_existing_image_keeps_its_names_held(
    tmp_path: Path, docker_client: docker.DockerClient, victim: str
) -> None:
    subprocess.run(["docker", "save", "--output", str(tmp_path / "app.tar"), VICTIM], check=True)
    configure(tmp_path, [{"name": "a", "args": ["true"]}], metrics=[])
    names = docker_client.images.get(victim).tags
    assert run(tmp_path, "--image-archive", "app.tar").code == 0
    assert docker_client.images.get(victim).tags == names


@pytest.mark.docker
def test_the_image_of_a_playback_cannot_be_replaced_held(
    tmp_path: Path, docker_client: docker.DockerClient, busybox_image: str, state: Path
) -> None:
    """Another image has taken the name; it is neither run nor removed."""
    docker_client.images.get(busybox_image).tag("profileapp/nothing:1")
    (tmp_path / "cam").mkdir()
    (tmp_path / "cam/1.jpg").write_bytes(b"\xff\xd8\xff\xd9")
    target = {"name": "a", "args": ["sh", "-c", "wget -q -O - $PROFILEAPP_PLAYBACK | head -c 100"]}
    configure(tmp_path, [target], services=[{"playback": {"cam": "cam"}}], metrics=[])
    try:
        outcome = run(tmp_path, "--image", busybox_image)
        assert outcome.code == 0, outcome.err
        assert docker_client.images.get("profileapp/nothing:1").id == docker_client.images.get(busybox_image).id
    finally:
        docker_client.images.remove("profileapp/nothing:1")
    images = docker_client.api.images(filters={"label": "profileapp.run_id"})
    assert not [each for each in images if each["Labels"]["profileapp.state"].endswith(str(state))]


def nothing() -> None:
    """Never stops."""


def read(content: bytes) -> tuple[image_archive.ArchivedImage, ...]:
    return read_archive(io.BytesIO(content), "amd64", nothing)


def tar_of(tmp_path: Path, members: Mapping[str, bytes | tuple[bytes, str]]) -> bytes:
    return archive(tmp_path / "made.tar", members).read_bytes()


MANIFEST = json.dumps([{"Config": "c", "RepoTags": ["a:1"], "Layers": ["l"]}]).encode()


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({}, "no manifest.json"),
        ({"manifest.json": b"[]", "./manifest.json": b"[{}]"}, "two files with the same name"),
        ({"manifest.json": MANIFEST, "x/../manifest.json": b"[]"}, "two files with the same name"),
        ({"manifest.json": MANIFEST, "c": b"{}"}, "layer of an image is missing"),
        (
            {"manifest.json": MANIFEST, "c": b"{}", "l": (tarfile.SYMTYPE, "/etc/shadow")},
            "layer of an image is missing",
        ),
        ({"manifest.json": MANIFEST, "c": b"{}", "l": (tarfile.SYMTYPE, "l")}, "layer of an image is missing"),
        ({"manifest.json": MANIFEST, "l": b""}, "a manifest or configuration is missing"),
        ({"manifest.json": b"[" * 100_000}, "cannot be read"),
        ({"manifest.json": json.dumps([{"Config": "c", "Layers": ["l"] * 2000}]).encode(), "c": b"{}"}, "1000 layers"),
        ({"index.json": b'{"manifests": []}'}, ""),
        (
            {"index.json": b'{"manifests": [{"digest": "sha256:../../../etc/shadow"}]}'},
            "a manifest or configuration is missing",
        ),
    ],
)
def test_bad_archives_refused(members: dict[str, bytes | tuple[bytes, str]], message: str, tmp_path: Path) -> None:
    content = tar_of(tmp_path, members)
    if message:
        with pytest.raises(BadArchive, match=message):
            read(content)
    else:
        assert read(content) == ()


@pytest.mark.parametrize("cut", [1, 511, 513, 1500])
def test_an_archive_that_ends_too_early_refused(cut: int, tmp_path: Path) -> None:
    content = tar_of(tmp_path, {"manifest.json": MANIFEST, "c": b"{}", "l": b"0" * 5000})
    assert read(content)
    with pytest.raises(BadArchive):
        read(content[:cut])


def test_a_header_of_gigabytes_refused() -> None:
    """A PAX header would be read into memory; this one declares 3 GiB and takes 3 KB."""
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 3 * 1024**3
    head = header.tobuf(tarfile.GNU_FORMAT)

    class Endless(io.RawIOBase):
        given = 0

        def read(self, size: int = -1) -> bytes:
            found = head if not self.given else b"0" * size
            self.given += len(found)
            return found

    stream = Endless()
    with pytest.raises(BadArchive, match="header is larger than 2 MiB"):
        read_archive(stream, "amd64", nothing)  # type: ignore[arg-type]
    assert stream.given < 8 * 1024**2


def test_nested_headers_refused() -> None:
    """Each would make tarfile recurse one level deeper."""
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 1
    content = (header.tobuf(tarfile.GNU_FORMAT) + b"x".ljust(512, b"\0")) * 2000
    with pytest.raises(BadArchive):
        read(content)


def test_xz_that_requests_gigabytes_of_memory_refused() -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1536 * 1024**2 - 1}]
    # The header declares the dictionary's size, so the attack itself needs no memory.
    small = bytearray(lzma.compress(b"x", filters=[{**filters[0], "dict_size": 4096}]))
    place = small.index(b"\x21\x01", 12)
    small[place + 2] = 37
    import zlib

    size = (small[12] + 1) * 4
    small[12 + size - 4 : 12 + size] = zlib.crc32(bytes(small[12 : 12 + size - 4])).to_bytes(4, "little")
    with pytest.raises(BadArchive, match=r"(?i)memory"):
        read(bytes(small))


def test_a_compressed_archive_is_read_and_an_endless_one_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = tar_of(tmp_path, {"manifest.json": MANIFEST, "c": b"{}", "l": b"0" * 5000})
    for compressed in (
        gzip.compress(content),
        lzma.compress(content),
        gzip.compress(content[:700]) + gzip.compress(content[700:]),
    ):
        assert read(compressed) == read(content)
    with pytest.raises(BadArchive, match="is truncated"):
        read(gzip.compress(content)[:-20])
    monkeypatch.setattr("profileapp.run.docker.decompressed.SIZE_LIMIT_BYTES", 1024**2)
    bomb = tar_of(tmp_path, {"manifest.json": MANIFEST, "c": b"{}", "l": bytes(4 * 1024**2)})
    with pytest.raises(BadArchive, match="is larger than"):
        read(gzip.compress(bomb))


def test_a_load_can_be_stopped_held(tmp_path: Path) -> None:
    def stop() -> None:
        raise StoppedError

    with pytest.raises(StoppedError):
        read_archive(io.BytesIO(tar_of(tmp_path, {"manifest.json": MANIFEST})), "amd64", stop)


def test_the_daemon_receives_one_image_with_one_name_held(tmp_path: Path) -> None:
    manifest = [
        {"Config": "c", "RepoTags": ["a:1", VICTIM], "Layers": ["../l", "m/layer.tar"]},
        {"Config": "d", "RepoTags": ["redis:7"], "Layers": ["other"]},
    ]
    members: dict[str, bytes | tuple[bytes, str]] = {
        "m/layer.tar": (tarfile.SYMTYPE, "../l"),
        "l": b"layer" * 1000,
        "other": b"other",
        "c": b'{"c": 1}',
        "d": b'{"d": 1}',
        "x": (tarfile.SYMTYPE, "."),
        "manifest.json": json.dumps(manifest).encode(),
        "repositories": b'{"redis": {"7": "l"}}',
        "oci-layout": b'{"imageLayoutVersion": "1.0.0"}',
        "index.json": b'{"manifests": []}',
    }
    content = tar_of(tmp_path, members)
    first, second = read(content)
    assert (first.names, second.names) == (("a:1", VICTIM), ("redis:7",))
    made = b"".join(rewritten(io.BytesIO(content), first, "own:1", nothing))
    with tarfile.open(fileobj=io.BytesIO(made)) as tar:
        assert {each.name for each in tar} == {"config.json", "0.tar", "manifest.json"}
        assert all(each.isreg() for each in tar)
        described = json.load(tar.extractfile("manifest.json") or io.BytesIO())
        assert (tar.extractfile("0.tar") or io.BytesIO()).read() == b"layer" * 1000
    assert described == [{"Config": "config.json", "RepoTags": ["own:1"], "Layers": ["0.tar", "0.tar"]}]
