import pytest

from edge.capture.open import create_source
from edge.capture.source import SourceOptions
from edge.capture.web.rtsp import rtsp_refusal
from edge.config.schema import SourceConfig
from edge.errors import SourceError
from support.scripted_camera import ScriptedCamera


@pytest.fixture
def camera(request):
    status = request.param

    def reply(request, send):
        digest = 'WWW-Authenticate: Digest realm="r", nonce="n"\r\n'
        if status == "nonsense":
            send(b"220 ftp ready\r\n")
            return False
        if status == "good only with credentials" and "Authorization: Digest" in request:
            send(b"RTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Length: 0\r\n\r\n")
            return True
        text = "401 Unauthorized" if status == "good only with credentials" else status
        send(f"RTSP/1.0 {text}\r\nCSeq: 1\r\n{digest if '401' in text else ''}\r\n".encode())
        return True

    served = ScriptedCamera(reply)
    yield served
    served.close()


@pytest.mark.parametrize(
    ("camera", "credentials", "expected"),
    [
        ("401 Unauthorized", "", "wants a user name and a password (401 Unauthorized)"),
        ("401 Unauthorized", "me:secret@", "refuses the user name or the password (401 Unauthorized)"),
        ("404 Stream Not Found", "me:secret@", "has nothing there (404 Stream Not Found): the path must be"),
        ("403 Forbidden", "", "refuses access (403 Forbidden)"),
        ("453 Not Enough Bandwidth", "", "answers 453 Not Enough Bandwidth"),
        ("good only with credentials", "", "wants a user name and a password"),
    ],
    indirect=["camera"],
)
def test_refusal_of_an_rtsp_camera_is_reported_as_that(camera, credentials, expected):
    source = create_source(
        f"rtsp://{credentials}127.0.0.1:{camera.port}/x", SourceOptions(SourceConfig(stall_seconds=5))
    )
    with pytest.raises(SourceError) as caught:
        source.open()
    assert expected in str(caught.value)
    assert f"127.0.0.1:{camera.port}/x" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("camera", ["good only with credentials", "nonsense"], indirect=True)
def test_camera_that_describes_its_stream_or_speaks_no_rtsp_refuses_nothing(camera):
    assert rtsp_refusal(f"rtsp://me:secret@127.0.0.1:{camera.port}/x", 5.0) is None


def test_camera_that_is_not_there_is_reported():
    assert "No video stream at rtsp://***@127.0.0.1:9/x: " in rtsp_refusal("rtsp://me:secret@127.0.0.1:9/x", 5.0)
    assert "cannot be used" in rtsp_refusal("rtsp://127.0.0.1:port/x", 5.0)
