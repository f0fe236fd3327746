"""Helpers of the tests of documents: keys of ssh-keygen, signed payloads, a server of models over https."""

import functools
import hashlib
import http.server
import json
import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from edge.desired.signature import sign
from edge.messages.desired import DesiredDocument, DesiredModel, DesiredPayload, Plan
from edge.messages.payloads import encode
from edge.vision.classification.manifest import find_model, manifest_path
from support.mqtt import NOW, Certificates

BASE = "emotion-edge"


@dataclass(frozen=True)
class Key:
    """A key of ssh-keygen without a passphrase, and a file in which it may sign as `fleet`."""

    private: Path
    signers: Path

    @classmethod
    def make(cls, folder: Path, name: str = "key") -> "Key":
        private = folder / name
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", private], check=True)
        signers = folder / f"{name}.signers"
        signers.write_text(f"fleet {private.with_suffix('.pub').read_text()}", encoding="ascii")
        return cls(private, signers)

    def payload(self, plan: Plan, counter: int, *, rollout: str = "0" * 16, base: str = BASE) -> bytes:
        """Return what `fleet apply` would publish."""
        document = DesiredDocument(base=base, counter=counter, time=NOW, rollout=rollout, plan=plan)
        content = msgspec.json.encode(document)
        return encode(DesiredPayload(document=content.decode(), signature=sign(content, self.private)))


class ModelServer:
    """Serves the files of a folder over https, on 127.0.0.1.

    `host`: how clients reach it. `answer`: may answer a request itself, and returns whether it has.
    """

    def __init__(self, folder: Path, certificates: Certificates, host: str = "127.0.0.1") -> None:
        self.folder = folder
        self._host = host
        self.requests: list[str] = []
        self.answer: Callable[[http.server.BaseHTTPRequestHandler], bool] = lambda _: False
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates.server_cert, certificates.server_key)
        self._server = _Server(("127.0.0.1", 0), functools.partial(_Handler, self, directory=str(folder)))
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def url(self, name: str) -> str:
        return f"https://{self._host}:{self._server.server_port}/{name}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def add_model(
        self, name: str, source: str = "small", *, tail: bytes = b"", manifest: Callable[[dict[str, Any]], None] = id
    ) -> DesiredModel:
        """Serve a copy of a model that ships, and return how a document names it.

        `tail` makes another file of it, which works as before. `manifest` changes its manifest.
        """
        file = self.folder / f"{name}.tflite"
        shutil.copy(find_model(source), file)
        with file.open("ab") as stream:
            stream.write(tail)
        content = json.loads(manifest_path(find_model(source)).read_text(encoding="utf-8"))
        content |= {"name": name, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
        manifest(content)
        manifest_path(file).write_text(json.dumps(content), encoding="utf-8")
        return self.model(name)

    def add_broken_model(self, name: str) -> DesiredModel:
        """Serve half of a model, which its manifest names, so that only a run of it shows what it is."""
        self.add_model(name)
        file = self.folder / f"{name}.tflite"
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        manifest = manifest_path(file)
        content = json.loads(manifest.read_text(encoding="utf-8")) | {"sha256": self.model(name).sha256}
        manifest.write_text(json.dumps(content), encoding="utf-8")
        return self.model(name)

    def model(self, name: str) -> DesiredModel:
        """Return how a document names the files of that name as they are now."""
        file, other = self.folder / f"{name}.tflite", self.folder / f"{name}.json"
        return msgspec.convert(
            {**self._file(file), "manifest": self._file(other)},
            DesiredModel,
        )

    def _file(self, file: Path) -> dict[str, Any]:
        data = file.read_bytes()
        return {"url": self.url(file.name), "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Say nothing: a client that refuses a certificate or has had enough closes the connection."""


class _Handler(http.server.SimpleHTTPRequestHandler):
    def __init__(self, owner: ModelServer, *arguments: Any, **options: Any) -> None:
        self.owner = owner
        super().__init__(*arguments, **options)

    def do_GET(self) -> None:
        self.owner.requests.append(self.path)
        if not self.owner.answer(self):
            super().do_GET()

    def log_message(self, *_: object) -> None:
        pass
