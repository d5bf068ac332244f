"""A container registry for tests: the part of the distribution specification that a daemon needs to pull.

Source: "Open Container Initiative Distribution Specification", v1.1; "Docker Registry HTTP API V2" for basic access.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
MANIFEST_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


class Registry:
    """Serves on 127.0.0.1, which Docker accepts without TLS. With a `user`, pulling requires the `password`.

    `requests` has the requested paths, and `logins` the credentials received. With `is_indiscreet`, it repeats a
    login that it refuses, many times.
    """

    def __init__(self, user: str = "", password: str = "", *, is_indiscreet: bool = False) -> None:
        self.requests: list[str] = []
        self.logins: set[str] = set()
        self._login = base64.b64encode(f"{user}:{password}".encode()).decode() if user else ""
        self._is_indiscreet = is_indiscreet
        self._blobs: dict[str, tuple[str, bytes]] = {}
        self._tags: dict[tuple[str, str], str] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    def add(self, name: str, architectures: tuple[str, ...], files: dict[str, bytes], **config: Any) -> str:
        """Adds an image of one layer for each architecture; several architectures get a manifest list. Returns the
        image's name.
        """
        made = [self._image(architecture, files, config) for architecture in architectures]
        manifest = made[0]
        if len(made) > 1:
            entries = [
                {"mediaType": MANIFEST, "digest": digest, "size": len(self._blobs[digest][1]),
                 "platform": {"architecture": architecture, "os": "linux"}}
                for architecture, digest in zip(architectures, made, strict=True)
            ]  # fmt: skip
            content = {"schemaVersion": 2, "mediaType": MANIFEST_LIST, "manifests": entries}
            manifest = self._put(MANIFEST_LIST, json.dumps(content).encode())
        self._tags[name, "1"] = manifest
        return f"{self.host}/{name}:1"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _image(self, architecture: str, files: dict[str, bytes], config: dict[str, Any]) -> str:
        tar = layer(files | {"architecture": architecture.encode()})
        compressed = gzip.compress(tar, mtime=0)
        about = {
            "architecture": architecture,
            "os": "linux",
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [_digest(tar)]},
        }
        content = json.dumps(about).encode()
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "size": len(content), "digest": self._put(CONFIG, content)},
            "layers": [{"mediaType": LAYER, "size": len(compressed), "digest": self._put(LAYER, compressed)}],
        }
        return self._put(MANIFEST, json.dumps(manifest).encode())

    def _put(self, kind: str, content: bytes) -> str:
        digest = _digest(content)
        self._blobs[digest] = kind, content
        return digest

    def _find(self, path: str) -> tuple[str, str, bytes] | None:
        name, _, rest = path.removeprefix("/v2/").rpartition("/manifests/")
        digest = self._tags.get((name, rest), rest) if name else path.rpartition("/blobs/")[2]
        return (digest, *self._blobs[digest]) if digest in self._blobs else None

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        registry = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                registry.requests.append(self.path)
                given = self.headers.get("Authorization", "").removeprefix("Basic ")
                if given:
                    registry.logins.add(base64.b64decode(given).decode())
                if registry._login and given != registry._login:
                    message = f"{given} " * 50 if registry._is_indiscreet else "who are you"
                    problem = {"errors": [{"code": "UNAUTHORIZED", "message": message}]}
                    self._answer(401, "application/json", json.dumps(problem).encode(), login=True)
                elif self.path in ("/v2/", "/v2"):
                    self._answer(200, "application/json", b"{}")
                elif found := registry._find(self.path):
                    self._answer(200, found[1], found[2], digest=found[0])
                else:
                    self._answer(404, "application/json", b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}')

            def do_HEAD(self) -> None:
                self.do_GET()

            def _answer(self, status: int, kind: str, content: bytes, *, digest: str = "", login: bool = False) -> None:
                self.send_response(status)
                self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(content)))
                if digest:
                    self.send_header("Docker-Content-Digest", digest)
                if login:
                    self.send_header("WWW-Authenticate", 'Basic realm="tests"')
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Does nothing: tests read `requests`."""

        return Handler


def layer(files: dict[str, bytes]) -> bytes:
    """A tar of executables."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o755
            tar.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
