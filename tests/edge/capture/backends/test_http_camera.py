import gzip
import hashlib
import itertools
import re
import ssl
import threading

import cv2
import numpy as np
import pytest
import trustme

from edge.capture.backends.http_camera import HttpSource
from edge.capture.open import create_source
from edge.capture.source import SourceOptions
from edge.config.schema import SourceConfig
from edge.errors import SourceError, SourceLostError
from support.oriented_pictures import encode, upright_picture
from support.scripted_camera import ScriptedCamera, answer, chunked
from support.sources import numbered_picture, write_video

JPEGS = [cv2.imencode(".jpg", numbered_picture(number))[1].tobytes() for number in range(8)]
SMALL = cv2.imencode(".jpg", numbered_picture(1, 48, 32))[1].tobytes()
BOUNDARY = "123456789000000000000987654321"
MULTIPART = f"multipart/x-mixed-replace;boundary={BOUNDARY}"


@pytest.fixture
def serve():
    """Start cameras; returns the function that does."""
    cameras = []

    def start(reply, **options):
        cameras.append(ScriptedCamera(reply, **options))
        return cameras[-1]

    yield start
    for camera in cameras:
        camera.close()


def part(jpeg, head="Content-Type: image/jpeg\r\nContent-Length: {length}\r\n", boundary=f"--{BOUNDARY}"):
    return f"\r\n{boundary}\r\n{head.format(length=len(jpeg))}\r\n".encode() + jpeg


def source_of(camera, *, credentials="", scheme="http", path="/x", colour=False, **config):
    uri = f"{scheme}://{credentials}127.0.0.1:{camera.port}{path}"
    return create_source(uri, SourceOptions(SourceConfig(**{"stall_seconds": 5.0, **config}), colour))


def frames_of(source, count):
    source.open()
    try:
        return [source.read() for _ in range(count)]
    finally:
        source.close()


def check(frames):
    assert [frame.number for frame in frames] == list(range(len(frames)))
    for frame in frames:
        assert np.abs(frame.luma.astype(int) - numbered_picture(frame.number % 8)).mean() < 4


STREAMS = {
    "as it should be": answer(kind=MULTIPART, length=False) + b"".join(map(part, JPEGS)),
    "quoted boundary": answer(kind='multipart/x-mixed-replace; boundary="frame"', length=False)
    + b"".join(part(jpeg, boundary="--frame") for jpeg in JPEGS),
    "another boundary than announced": answer(kind=MULTIPART, length=False)
    + b"".join(part(jpeg, boundary="--other") for jpeg in JPEGS),
    "no boundary": answer(kind="multipart/x-mixed-replace", length=False) + b"".join(JPEGS),
    "no length": answer(kind=MULTIPART, length=False)
    + b"".join(part(jpeg, "Content-Type: image/jpeg\r\n") for jpeg in JPEGS),
    "wrong length": answer(kind=MULTIPART, length=False)
    + b"".join(part(jpeg, "Content-Length: 17\r\n") for jpeg in JPEGS),
    "chunked": answer(kind=MULTIPART, length=False, extra="Transfer-Encoding: chunked\r\n")
    + chunked([one[:900] for jpeg in JPEGS for one in (part(jpeg), part(jpeg)[900:]) if one]),
    "no first line": f"Content-Type: {MULTIPART}\r\n\r\n".encode() + b"".join(map(part, JPEGS)),
    "old HTTP": answer(kind=MULTIPART, length=False).replace(b"HTTP/1.1", b"HTTP/1.0") + b"".join(map(part, JPEGS)),
    "no type": b"HTTP/1.1 200 OK\r\n\r\n--x\r\n\r\n" + b"".join(map(part, JPEGS)),
    "pictures in a row as one": answer(kind="image/jpeg", length=False) + b"".join(JPEGS),
    "octets": answer(kind="application/octet-stream", length=False) + b"".join(JPEGS),
}


@pytest.mark.parametrize("name", STREAMS)
def test_stream_of_jpegs_is_read_however_it_is_framed(serve, name):
    done = threading.Event()

    def reply(_request, send):
        send(STREAMS[name])
        done.wait(20)
        return False

    camera = serve(reply)
    source = source_of(camera)
    assert isinstance(source, HttpSource)
    assert source.live
    check(frames_of(source, 8))
    done.set()
    assert camera.connections == 1


def test_stream_that_ends_or_stalls_is_lost(serve):
    ended = source_of(serve(lambda _request, send: (send(STREAMS["as it should be"]) and None) or False))
    stalled = source_of(serve(lambda _request, send: send(STREAMS["as it should be"])), stall_seconds=0.6)
    for source in (ended, stalled):
        source.open()
        check([source.read() for _ in range(8)])
        with pytest.raises(SourceLostError, match="ended or gave no frame in time"):
            source.read()
        source.close()


def test_stream_that_changes_its_size_gives_whole_pictures_of_each(serve):
    camera = serve(lambda _request, send: send(answer(kind=MULTIPART, length=False) + part(JPEGS[1]) + part(SMALL)))
    first, second = frames_of(source_of(camera), 2)
    assert first.luma.shape == (64, 96)
    assert np.abs(second.luma.astype(int) - numbered_picture(1, 48, 32)).mean() < 4


@pytest.mark.parametrize("keep", [True, False])
def test_snapshot_is_asked_for_once_per_frame(serve, keep):
    def reply(_request, send):
        send(answer(JPEGS[(len(camera.requests) - 1) % 8], extra="" if keep else "Connection: close\r\n"))
        return keep

    camera = serve(reply)
    frames = frames_of(source_of(camera, fps=20), 6)
    check(frames)
    assert len(camera.requests) == 6
    assert camera.connections == (1 if keep else 6), "a connection that the camera keeps is used again"
    assert all(later.seconds > earlier.seconds for earlier, later in itertools.pairwise(frames))


@pytest.mark.parametrize(("fps", "seconds"), [(0, 0.5), (20, 0.05), (0.1, 10)])
def test_snapshot_is_asked_for_at_the_rate_or_twice_a_second(serve, fps, seconds):
    waits, now = [], iter(range(1000))
    camera = serve(lambda _request, send: send(answer(JPEGS[0])))
    options = SourceOptions(SourceConfig(stall_seconds=5.0, fps=fps))
    source = HttpSource(f"http://127.0.0.1:{camera.port}/", options, clock=lambda: next(now) * 1e-3, sleep=waits.append)
    frames_of(source, 4)
    assert len(waits) == 3
    assert all(0.8 * seconds < wait <= seconds for wait in waits)


@pytest.mark.parametrize("colour", [False, True])
def test_snapshot_in_another_format_and_turned_is_read_upright(serve, colour):
    for kind in ("jpeg", "png", "webp"):
        data = encode(upright_picture(), 6, kind)
        camera = serve(lambda _request, send, data=data, kind=kind: send(answer(data, f"image/{kind}")))
        (frame,) = frames_of(source_of(camera, colour=colour), 1)
        assert frame.luma.shape == upright_picture().shape
        assert np.abs(frame.luma.astype(int) - upright_picture()).max() < 40


def test_snapshot_without_length_on_a_connection_that_stays_open_is_asked_for_again(serve):
    camera = serve(lambda _request, send: send(answer(JPEGS[len(camera.requests) - 1], length=False)))
    check(frames_of(source_of(camera, fps=10), 3))
    assert camera.connections == 3


def test_single_request_that_fails_is_tried_again(serve):
    failures = {2: answer(b"busy", "text/plain", "503 Busy"), 3: b"", 4: answer(JPEGS[0][:200])}

    def reply(_request, send):
        send(failures.get(len(camera.requests), answer(JPEGS[0])))
        return False

    camera = serve(reply)
    assert len(frames_of(source_of(camera, fps=50), 3)) == 3
    assert len(camera.requests) == 6


def test_snapshots_that_go_on_failing_are_a_loss_with_the_reason(serve):
    camera = serve(
        lambda _request, send: send(answer(JPEGS[0]) if len(camera.requests) == 1 else answer(b"", status="503 Busy"))
    )
    source = source_of(camera, fps=50, stall_seconds=0.5)
    source.open()
    source.read()
    with pytest.raises(SourceLostError, match="answers 503 Busy"):
        source.read()
    source.close()


REFUSALS = {
    "401 Unauthorized": "wants a user name and a password (401 Unauthorized): write them into source.uri",
    "403 Forbidden": "refuses access (403 Forbidden)",
    "404 Not Found": "has nothing there (404 Not Found): the path must be that of a stream or a snapshot",
    "204 No Content": "answers 204 No Content",
    "500 Internal Server Error": "answers 500 Internal Server Error",
    "503 Service Unavailable": "answers 503 Service Unavailable",
}


@pytest.mark.parametrize("status", REFUSALS)
def test_refusal_is_reported_as_that_at_once(serve, status):
    camera = serve(lambda _request, send: send(answer(b"no", "text/html", status)))
    with pytest.raises(SourceError) as caught:
        source_of(camera, path="/user=me&password=S3cret", stall_seconds=60).open()
    assert REFUSALS[status] in str(caught.value)
    assert f"127.0.0.1:{camera.port}/user=***&password=***" in str(caught.value)
    assert len(camera.requests) == 1


def test_refusal_in_the_middle_is_a_loss_at_once(serve):
    camera = serve(
        lambda _request, send: send(answer(JPEGS[0]) if len(camera.requests) == 1 else answer(status="404 Not Found"))
    )
    source = source_of(camera, fps=50, stall_seconds=60)
    source.open()
    source.read()
    with pytest.raises(SourceLostError, match="has nothing there"):
        source.read()
    assert len(camera.requests) == 2


def test_page_for_people_is_no_camera(serve):
    camera = serve(lambda _request, send: send(answer(b"<html>Login</html>", "text/html; charset=utf-8")))
    with pytest.raises(SourceError, match=r"answers with a page \(text/html\), not with pictures"):
        source_of(camera).open()


def test_answer_that_is_not_http_or_none_is_reported(serve):
    for reply, expected in (
        (lambda _request, send: (send(b"SSH-2.0-OpenSSH\r\n\r\n") and None) or False, "No video stream at"),
        (lambda _request, _send: False, "closes the connection without an answer"),
    ):
        with pytest.raises(SourceError, match=expected):
            source_of(serve(reply)).open()


def test_address_that_cannot_be_used_is_reported():
    with pytest.raises(SourceError, match="cannot be used"):
        create_source("http://cam:port/x", SourceOptions()).open()


def test_address_is_sent_in_ascii(serve):
    camera = serve(lambda _request, send: send(answer(JPEGS[0])))
    check(frames_of(source_of(camera, path="/Küche 1/%20.jpg?a=ü", fps=50), 1))
    assert camera.requests[0].startswith("GET /K%C3%BCche%201/%20.jpg?a=%C3%BC HTTP/1.1\r\n")


def test_picture_that_a_server_compressed_is_read(serve):
    camera = serve(lambda _request, send: send(answer(gzip.compress(JPEGS[0]), extra="Content-Encoding: gzip\r\n")))
    check(frames_of(source_of(camera, fps=50), 1))


def test_basic_authentication(serve):
    def reply(request, send):
        right = "Authorization: Basic bWU6cEBzcw==" in request
        challenge = 'WWW-Authenticate: Basic realm="cam"\r\n'
        send(answer(JPEGS[0]) if right else answer(status="401 Unauthorized", extra=challenge))

    camera = serve(reply)
    check(frames_of(source_of(camera, credentials="me:p%40ss@", fps=50), 1))
    with pytest.raises(SourceError, match=r"refuses the user name or the password \(401"):
        source_of(camera, credentials="me:wrong@").open()
    with pytest.raises(SourceError, match="wants a user name"):
        source_of(camera).open()


def test_digest_authentication(serve):
    def md5(text):
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

    def reply(request, send):
        fields = dict(re.findall(r'(\w+)="?([^",]*)"?', request))
        a1, a2 = md5("me:cam:p"), md5(f"GET:{fields.get('uri')}")
        right = md5(f"{a1}:n1:{fields.get('nc')}:{fields.get('cnonce')}:auth:{a2}")
        challenge = 'WWW-Authenticate: Digest realm="cam", nonce="n1", qop="auth"\r\n'
        good = fields.get("response") == right
        send(answer(JPEGS[0]) if good else answer(status="401 Unauthorized", extra=challenge))

    camera = serve(reply)
    frames_of(source_of(camera, credentials="me:p@", path="/snap.jpg?a=1", fps=50), 3)
    assert len(camera.requests) == 4, "only the first request is sent without the header"


def test_redirect_is_followed_on_the_camera_and_not_to_another_machine(serve):
    def reply(request, send):
        if request.startswith("GET /x "):
            send(answer(status="302 Found", extra="Location: /y\r\n"))
        elif request.startswith("GET /far "):
            send(answer(status="302 Found", extra="Location: http://elsewhere.example/y?token=S3cret\r\n"))
        elif request.startswith("GET /odd "):
            send(answer(status="302 Found", extra="Location: http://[::1/\r\n"))
        elif request.startswith("GET /circle "):
            send(answer(status="302 Found", extra="Location: /circle\r\n"))
        else:
            send(answer(JPEGS[0]))

    camera = serve(reply)
    check(frames_of(source_of(camera), 1))
    with pytest.raises(SourceError, match=r"redirects to http://elsewhere\.example/y\?token=\*\*\*, another machine"):
        source_of(camera, path="/far").open()
    with pytest.raises(SourceError, match="redirects to an address that cannot be used"):
        source_of(camera, path="/odd").open()
    with pytest.raises(SourceError, match="in a circle"):
        source_of(camera, path="/circle").open()


def test_camera_with_a_certificate_of_its_own_is_read(serve):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("camera.local").configure_cert(context)
    camera = serve(lambda _request, send: send(answer(JPEGS[0])), wrap=context.wrap_socket)
    check(frames_of(source_of(camera, scheme="https"), 1))
    plain = serve(
        lambda _request, _send: False, wrap=lambda peer, **_: peer.sendall(b"HTTP/1.1 400 No\r\n\r\n") or peer
    )
    with pytest.raises(SourceError, match="no TLS connection"):
        source_of(plain, scheme="https", stall_seconds=1.0).open()


def test_video_over_http_goes_to_ffmpeg(serve, tmp_path):
    data = write_video(tmp_path / "clip.avi", frames=3).read_bytes()

    def reply(_request, send):
        send(answer(data, "video/x-msvideo", extra="Connection: close\r\n"))
        return False

    source = source_of(serve(reply))
    check(frames_of(source, 3))


def test_broken_pictures_are_skipped_and_only_many_are_a_loss(serve):
    broken = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xd9"
    good = serve(lambda _request, send: send(answer(kind=MULTIPART, length=False) + broken + part(JPEGS[0])))
    check(frames_of(source_of(good), 1))
    bad = serve(lambda _request, send: send(answer(kind=MULTIPART, length=False) + broken * 40))
    with pytest.raises(SourceLostError, match="only broken pictures"):
        frames_of(source_of(bad), 1)
