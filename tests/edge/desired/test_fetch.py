"""Downloads over a real https server, with a certificate of an authority of the test."""

import contextlib
import errno
import hashlib
import shutil
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from edge.desired.errors import FetchError, UnfitError
from edge.desired.fetch import Fetcher, ca_context
from edge.errors import ConfigError
from support.mqtt import Certificates
from support.signed_documents import ModelServer

CONTENT = b"model" * 30_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def fetcher(folder: Path, certificates: Certificates) -> Fetcher:
    return Fetcher(folder, str(certificates.ca), read_seconds=0.5)


@pytest.fixture
def wanted(server: ModelServer):
    """Serves a file, and returns what is known of it."""
    (server.folder / "a.bin").write_bytes(CONTENT)
    return {"size": len(CONTENT), "sha256": hashlib.sha256(CONTENT).hexdigest()}


def names(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir()) if folder.exists() else []


def test_file_is_fetched_once_and_again_where_it_was_damaged(fetcher, folder, server, wanted) -> None:
    for _ in range(2):
        assert fetcher.fetch(server.url("a.bin"), "a.tflite", **wanted).read_bytes() == CONTENT
    assert server.requests == ["/a.bin"]
    (folder / "a.tflite").write_bytes(CONTENT[:-1])
    assert fetcher.fetch(server.url("a.bin"), "a.tflite", **wanted).read_bytes() == CONTENT
    assert names(folder) == ["a.tflite"]


def test_other_content_size_and_sum_are_refused_and_leave_nothing(fetcher, folder, server, wanted) -> None:
    with pytest.raises(UnfitError, match=r"has the sha256 .{12}\.\.\., and the document states 000000000000\.\.\."):
        fetcher.fetch(server.url("a.bin"), "a.tflite", size=len(CONTENT), sha256="0" * 64)
    with pytest.raises(UnfitError, match="has more bytes, and the document states 10"):
        fetcher.fetch(server.url("a.bin"), "a.tflite", size=10, sha256=wanted["sha256"])
    with pytest.raises(UnfitError, match=f"has {len(CONTENT)} bytes, and the document states {len(CONTENT) + 1}"):
        fetcher.fetch(server.url("a.bin"), "a.tflite", size=len(CONTENT) + 1, sha256=wanted["sha256"])
    assert names(folder) == []


@pytest.mark.parametrize(
    ("status", "error"), [(404, UnfitError), (403, UnfitError), (429, FetchError), (500, FetchError), (503, FetchError)]
)
def test_status_decides_whether_another_attempt_may_succeed(fetcher, server, wanted, status, error) -> None:
    server.answer = lambda handler: handler.send_error(status) is None
    with pytest.raises(error, match=f"a.bin was answered with {status} "):
        fetcher.fetch(server.url("a.bin"), "a.tflite", **wanted)


def redirect(target: str):
    def answer(handler) -> bool:
        if handler.path != "/moved":
            return False
        handler.send_response(302)
        handler.send_header("Location", target)
        handler.end_headers()
        return True

    return answer


@pytest.mark.parametrize("target", ["http://127.0.0.1/a.bin", "file:///etc/passwd", "ftp://127.0.0.1/a"])
def test_redirects_lead_to_https_alone(fetcher, folder, server, wanted, target) -> None:
    server.answer = redirect(target)
    with pytest.raises(
        UnfitError,
        match=r"redirects to .*, and only https is followed|302 Found - Redirection to url .* is not allowed",
    ):
        fetcher.fetch(server.url("moved"), "a.tflite", **wanted)
    assert names(folder) == []
    server.answer = redirect(server.url("a.bin"))
    assert fetcher.fetch(server.url("moved"), "a.tflite", **wanted).read_bytes() == CONTENT


def trickle(handler) -> bool:
    """Send a header without an end, a byte now and then."""
    with contextlib.suppress(OSError):
        for _ in range(500):
            handler.wfile.write(b"X")
            time.sleep(0.02)
    return True


def test_answer_that_comes_a_byte_at_a_time_is_given_up(folder, certificates, server, wanted) -> None:
    server.answer = trickle
    fetcher = Fetcher(folder, str(certificates.ca), grace_seconds=0.2)
    with pytest.raises(FetchError, match=r"a\.bin comes too slowly: 0 of 10 bytes so far"):
        fetcher.fetch(server.url("a.bin"), "a.tflite", size=10, sha256=wanted["sha256"])
    fetcher = Fetcher(folder, str(certificates.ca), lambda: bool(server.requests[1:]))
    with pytest.raises(FetchError, match=r"a\.bin was given up"):
        fetcher.fetch(server.url("a.bin"), "a.tflite", **wanted)
    assert names(folder) == []


def test_what_a_server_says_is_one_printable_line(fetcher, server, wanted) -> None:
    server.answer = lambda handler: handler.send_error(503, "a\x1b[31mb") is None
    with pytest.raises(FetchError, match=r"answered with 503 a\ufffd\[31mb$"):
        fetcher.fetch(server.url("a.bin"), "a.tflite", **wanted)


def test_redirect_to_itself_ends(fetcher, server, wanted) -> None:
    server.answer = redirect("/moved")
    with pytest.raises((FetchError, UnfitError)):
        fetcher.fetch(server.url("moved"), "a.tflite", **wanted)
    assert len(server.requests) < 12


def test_certificate_of_another_authority_is_refused(folder, certificates, server, wanted) -> None:
    for ca_file in (str(certificates.other_ca), ""):
        with pytest.raises(FetchError, match="its certificate is not trusted"):
            Fetcher(folder, ca_file).fetch(server.url("a.bin"), "a.tflite", **wanted)
    assert server.requests == []


def test_ca_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    for name in ("missing.pem", "empty.pem"):
        with pytest.raises(ConfigError, match=rf"^desired\.ca_file is '.*{name}', which cannot be used"):
            ca_context(str(tmp_path / name))


def test_no_network_and_a_server_that_breaks_off_may_be_better_later(fetcher, folder, server, wanted) -> None:
    def break_off(handler) -> bool:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(CONTENT)))
        handler.end_headers()
        handler.wfile.write(CONTENT[:50_000])
        return True

    server.answer = break_off
    with pytest.raises(FetchError, match=r"a\.bin (broke off after|could not be fetched)"):
        fetcher.fetch(server.url("a.bin"), "a.tflite", **wanted)
    assert names(folder) == []
    url = server.url("a.bin")
    server.close()
    with pytest.raises(FetchError, match="could not be fetched"):
        fetcher.fetch(url, "a.tflite", **wanted)


def test_silent_server_is_given_up(fetcher, folder, server, wanted) -> None:
    silent = threading.Event()
    server.answer = lambda _: silent.wait(20)
    with pytest.raises(FetchError, match="could not be fetched"):
        fetcher.fetch(server.url("a.bin"), "a.tflite", **wanted)
    silent.set()
    assert names(folder) == []


def test_download_ends_with_the_sensor(folder, certificates, server, wanted) -> None:
    fetcher = Fetcher(folder, str(certificates.ca), lambda: True)
    with pytest.raises(FetchError, match="given up: the sensor stops"):
        fetcher.fetch(server.url("a.bin"), "a.tflite", **wanted)
    assert names(folder) == []


def test_full_disk_is_found_before_and_during_a_download(fetcher, folder, server, wanted, monkeypatch) -> None:
    nearly_full = SimpleNamespace(total=0, used=0, free=5_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: nearly_full)
    with pytest.raises(FetchError, match=r"has 150000 bytes, and the disk of .* has 5000000 left: 5000000 must stay"):
        fetcher.fetch(server.url("a.bin"), "a.tflite", **wanted)
    assert server.requests == []
    monkeypatch.undo()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(FetchError, match="No space left on device"):
        fetcher.fetch(server.url("a.bin"), "a.tflite", **wanted)
    monkeypatch.undo()
    assert names(folder) == []
    assert fetcher.fetch(server.url("a.bin"), "a.tflite", **wanted).read_bytes() == CONTENT
