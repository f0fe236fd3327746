import base64
import hashlib
import re

import pytest

from edge.capture.web.auth import Authenticator, split_credentials


def md5(text):
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("http://cam/x?y=1#z", ("http://cam/x?y=1", None)),
        ("http://me:p%40ss%2F@cam:81/x", ("http://cam:81/x", ("me", "p@ss/"))),
        ("rtsp://me:a@b@[::1]:554/x", ("rtsp://[::1]:554/x", ("me", "a@b"))),
        ("http://me@cam/", ("http://cam/", ("me", ""))),
    ],
)
def test_credentials_are_taken_out_of_an_address(uri, expected):
    assert split_credentials(uri) == expected


@pytest.mark.parametrize(
    "uri",
    [
        "http://",
        "http://me:S3cret@/",
        "http://cam:port/",
        "http://cam:99999/",
        "http://cam..local/",
        "http://me:S3cret",
        "rtsp://me:S3cret/stream",
        "http://me:S3cret\u2100@cam/",
        "http://[::1/",
    ],
)
def test_address_without_host_or_port_is_refused_and_not_repeated(uri):
    with pytest.raises(ValueError, match=r"names no host|is not valid") as raised:
        split_credentials(uri)
    assert "S3cret" not in str(raised.value)


def test_nothing_is_sent_before_a_challenge_or_without_credentials():
    assert Authenticator(("me", "x")).header("GET", "/") is None
    assert not Authenticator(None).challenged(['Basic realm="cam"'])


def test_basic():
    authenticator = Authenticator(("me", "geheim:ß"))
    assert authenticator.challenged(["Basic"])
    assert authenticator.header("GET", "/") == "Basic " + base64.b64encode("me:geheim:ß".encode()).decode()
    assert not authenticator.challenged(['Basic realm="cam"']), "it was refused"


def test_digest_without_qop_as_rtsp_cameras_want_it():
    authenticator = Authenticator(("me", "x"))
    assert authenticator.challenged(['Digest realm="IP Camera, 1", nonce="abc"', 'Basic realm="IP Camera"'])
    header = authenticator.header("DESCRIBE", "rtsp://cam/x")
    expected = md5(f"{md5('me:IP Camera, 1:x')}:abc:{md5('DESCRIBE:rtsp://cam/x')}")
    assert f'response="{expected}"' in header
    assert "qop" not in header


@pytest.mark.parametrize("algorithm", ["MD5", "MD5-sess", "SHA-256"])
def test_digest_with_qop(algorithm):
    authenticator = Authenticator(("me", "x"))
    challenge = f'Basic realm="a", Digest realm="r", nonce="n", qop="auth,auth-int", algorithm={algorithm}, opaque="o"'
    assert authenticator.challenged([challenge])
    hashed = (lambda text: hashlib.sha256(text.encode()).hexdigest()) if algorithm == "SHA-256" else md5
    for count in ("00000001", "00000002"):
        header = authenticator.header("GET", "/x?y")
        fields = dict(re.findall(r'(\w+)="?([^",]*)"?', header))
        first = hashed("me:r:x")
        if algorithm == "MD5-sess":
            first = hashed(f"{first}:n:{fields['cnonce']}")
        expected = hashed(f"{first}:n:{count}:{fields['cnonce']}:auth:{hashed('GET:/x?y')}")
        assert (fields["nc"], fields["response"], fields["opaque"]) == (count, expected, "o")
    assert authenticator.challenged([challenge.replace('"n"', '"m", stale=true')]), "the nonce is only out of date"
    assert not authenticator.challenged([challenge])


def test_unknown_scheme_or_algorithm_cannot_be_answered():
    assert not Authenticator(("me", "x")).challenged(
        ["Negotiate", 'Digest realm="r", nonce="n", algorithm=SHA-512-256']
    )
