"""Downloaded datasets: complete or absent, cached by content, within bounds."""

from __future__ import annotations

import hashlib
import http.server
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from profileapp.errors import AgentError, DatasetError, ProfileappError
from profileapp.model.target import Dataset
from profileapp.run.dataset.cache import DEFAULT_LIMIT_BYTES, DatasetCache, cache_folder
from profileapp.run.net.reach import Reach

CONTENT = os.urandom(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class _Server(http.server.ThreadingHTTPServer):
    """Serves CONTENT with ranges; `cut_after` truncates the next answers, `requested` has each request's Range."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content = CONTENT
        self.cut_after: list[int] = []
        self.requested: list[str | None] = []
        self.ranges = True
        self.url = f"http://127.0.0.1:{self.server_address[1]}/data"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        range_ = self.headers.get("Range")
        self.server.requested.append(range_)
        if self.path == "/missing":
            self.send_error(404)
            return
        begin = int(range_.removeprefix("bytes=").rstrip("-")) if range_ and self.server.ranges else 0
        content = self.server.content
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - begin))
        self.end_headers()
        end = begin + self.server.cut_after.pop(0) if self.server.cut_after else len(content)
        self.wfile.write(content[begin:end])

    def log_message(self, *_: object) -> None:
        """Does not log requests."""


@pytest.fixture
def server() -> Iterator[_Server]:
    with _Server() as one:
        thread = threading.Thread(target=one.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield one
        one.shutdown()
        thread.join()


LOOPBACK = Reach(("127.0.0.0/8", "s3://bucket"))


def a_cache(folder: Path, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> DatasetCache:
    """A cache whose administrator allows this machine as a source."""
    return DatasetCache(folder, limit_bytes, LOOPBACK)


def discard(*_: object) -> None:
    """Discards notes."""


def get(cache: DatasetCache, dataset: Dataset, folder: Path = Path("/nowhere")) -> bytes:
    with cache.locked(dataset, folder, discard) as path:
        return path.read_bytes()


def test_a_dataset_is_downloaded_once(tmp_path: Path, server: _Server) -> None:
    progress: list[tuple[str, int, int]] = []
    dataset = Dataset(url=server.url, sha256=SHA256)
    with a_cache(tmp_path).locked(dataset, tmp_path, lambda *each: progress.append(each)) as path:
        assert path.read_bytes() == CONTENT
    assert (server.url, len(CONTENT), len(CONTENT)) in progress
    assert get(a_cache(tmp_path), dataset) == CONTENT
    assert len(server.requested) == 1


def test_an_interrupted_download_resumes(tmp_path: Path, server: _Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROFILEAPP_RETRY_TIMEOUT", "30")
    server.cut_after = [100_000, 70_000]
    assert get(a_cache(tmp_path), Dataset(url=server.url, sha256=SHA256)) == CONTENT
    assert server.requested == [None, "bytes=100000-", "bytes=170000-"]


def test_without_ranges_a_download_restarts(tmp_path: Path, server: _Server) -> None:
    server.cut_after, server.ranges = [100_000], False
    assert get(a_cache(tmp_path), Dataset(url=server.url, sha256=SHA256)) == CONTENT


def test_a_part_of_another_file_is_discarded(tmp_path: Path, server: _Server) -> None:
    (tmp_path / f"{SHA256}.part").write_bytes(b"x" * 1000)
    assert get(a_cache(tmp_path), Dataset(url=server.url, sha256=SHA256)) == CONTENT
    assert server.requested == ["bytes=1000-", None]


def refused(cache: DatasetCache, dataset: Dataset, error: type[ProfileappError] = DatasetError) -> str:
    with pytest.raises(error) as caught, cache.locked(dataset, Path("/nowhere"), discard):
        pass
    return str(caught.value)


def test_wrong_content_is_refused_and_removed(tmp_path: Path, server: _Server) -> None:
    dataset = Dataset(url=server.url, sha256="0" * 64)
    message = refused(a_cache(tmp_path), dataset)
    assert f"does not have the sha256 {'0' * 64}" in message and server.url in message
    # The content may be visible only to the agent.
    assert SHA256 not in message and str(len(CONTENT)) not in message
    assert [path.name for path in tmp_path.iterdir()] == [f"{'0' * 64}.lock"]
    server.content = b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 1\n"
    assert "Git LFS pointer" in refused(a_cache(tmp_path), dataset)


def test_download_errors_have_a_reason(tmp_path: Path, server: _Server) -> None:
    cache = a_cache(tmp_path)
    assert "is refused by the server" in refused(
        cache, Dataset(url=server.url.replace("data", "missing"), sha256=SHA256)
    )
    assert "cannot be reached" in refused(cache, Dataset(url="http://127.0.0.1:1/x?token=t", sha256=SHA256), AgentError)
    assert "token" not in refused(cache, Dataset(url="http://127.0.0.1:1/x?token=t", sha256=SHA256), AgentError)
    small = a_cache(tmp_path / "small", limit_bytes=1000)
    assert "larger than the agent's limit" in refused(small, Dataset(url=server.url, sha256=SHA256))


def test_concurrent_builds_download_once(tmp_path: Path, server: _Server) -> None:
    dataset = Dataset(url=server.url, sha256=SHA256)
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: get(a_cache(tmp_path), dataset), range(8))) == {CONTENT}
    assert len(server.requested) == 1


def test_the_least_recently_used_is_removed_first(tmp_path: Path, server: _Server) -> None:
    cache = a_cache(tmp_path, limit_bytes=700_000)
    datasets: list[Dataset] = []
    for number in range(3):
        server.content = bytes([number]) * 300_000
        datasets.append(Dataset(url=server.url, sha256=hashlib.sha256(server.content).hexdigest()))
        get(cache, datasets[-1])
        if number == 1:
            get(cache, datasets[0])
    kept = {path.name for path in tmp_path.iterdir() if path.is_dir()}
    assert kept == {datasets[0].sha256, datasets[2].sha256}


def test_a_dataset_in_use_is_not_evicted(tmp_path: Path, server: _Server) -> None:
    cache = a_cache(tmp_path, limit_bytes=400_000)
    with cache.locked(Dataset(url=server.url, sha256=SHA256), tmp_path, discard) as path:
        server.content = b"y" * 300_000
        get(cache, Dataset(url=server.url, sha256=hashlib.sha256(server.content).hexdigest()))
        assert path.read_bytes() == CONTENT


def test_s3_with_fsspec(tmp_path: Path) -> None:
    """The real fsspec, with its memory filesystem as a bucket."""

    class Bucket(MemoryFileSystem):
        protocol = "s3"

        @classmethod
        def _strip_protocol(cls, path: str) -> str:
            return super()._strip_protocol(path.removeprefix("s3:/"))

    fsspec.register_implementation("s3", Bucket, clobber=True)
    Bucket().pipe("/bucket/data", CONTENT)
    (tmp_path / f"{SHA256}.part").write_bytes(CONTENT[:1000])
    assert get(a_cache(tmp_path), Dataset(url="s3://bucket/data", sha256=SHA256)) == CONTENT
    assert "does not exist" in refused(a_cache(tmp_path), Dataset(url="s3://bucket/x", sha256="1" * 64))


def test_an_archive_beside_the_configuration(tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "traffic.zip", "w") as archive:
        archive.writestr("left/1.jpg", b"one")
    cache = a_cache(tmp_path / "cache")
    with cache.locked(Dataset(path="traffic.zip", unpack=True), tmp_path, discard) as path:
        assert (path / "left/1.jpg").read_bytes() == b"one"
        assert oct(path.stat().st_mode & 0o777) == "0o755"
    (tmp_path / "out").symlink_to("/etc/passwd")
    with pytest.raises(DatasetError, match="points outside"), cache.locked(Dataset(path="out"), tmp_path, discard):
        pass


def test_the_folder_is_in_the_bridges_cache(tmp_path: Path) -> None:
    assert cache_folder({"HOME": "/home/a"}) == Path("/home/a/.cache/profileapp/datasets")
    assert cache_folder({"HOME": "/home/a", "XDG_CACHE_HOME": "/c"}) == Path("/c/profileapp/datasets")
    assert cache_folder({"PROFILEAPP_HOME": "/p", "HOME": "/home/a"}) == Path("/p/datasets")
    with pytest.raises(AgentError, match="PROFILEAPP_HOME"):
        cache_folder({})
