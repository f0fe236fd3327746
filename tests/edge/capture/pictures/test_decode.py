"""Pictures of every depth and kind are decoded to the same 8 bits, or refused with a sentence."""

import struct

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.capture.pictures.decode import MAX_PIXELS, decode_file_content, to_eight_bits
from edge.capture.pictures.header import NotAnImage
from support import odd_pictures as odd
from support.odd_pictures import RAMP, TRANSPARENT, chunk, png, tiff

ON_WHITE = np.where(TRANSPARENT, 255, RAMP)
WIDE = RAMP.astype(int)
ONE_GREY = int(RAMP[0, 5])

READ = {
    "grey PNG of 16 bits": (png(WIDE * 257, 16, 0), RAMP),
    "RGB PNG of 16 bits": (png(np.dstack([WIDE * 257] * 3), 16, 2), RAMP),
    "PNG of 12 bits in 16": (png(WIDE * 16, 16, 0), RAMP),
    "PNG of 12 bits in 16 with sBIT": (png(WIDE * 16, 16, 0, chunk(b"sBIT", b"\x0c")), RAMP),
    "PNG of 10 bits in 16": (png(WIDE * 4, 16, 0), RAMP),
    "PNG of 12 bits at the upper end": (png(WIDE * 257 & 0xFFF0, 16, 0), RAMP),
    "TIFF of 12 bits in 16": (tiff(WIDE * 16, 16), RAMP),
    "TIFF of 16 bits": (tiff(WIDE * 257, 16), RAMP),
    "TIFF of 8 bits": (tiff(RAMP, 8), RAMP),
    "PGM of 12 bits": (odd.pgm(4095, ">u2"), RAMP),
    "PGM of 16 bits": (odd.pgm(65535, ">u2"), RAMP),
    "PGM of 0 to 100": (odd.pgm(100, "u1"), RAMP),
    "PGM of digits": (odd.text_pgm(), RAMP),
    "palette": (odd.palette(), RAMP),
    "RGBA PNG": (png(odd.rgba(), 8, 6), ON_WHITE),
    "RGBA PNG of 16 bits": (png(odd.rgba(257), 16, 6), ON_WHITE),
    "grey PNG with alpha": (png(odd.grey_alpha(), 8, 4), ON_WHITE),
    "grey PNG with alpha, 16 bits": (png(odd.grey_alpha(257), 16, 4), ON_WHITE),
    "transparent palette": (odd.transparent_palette(), ON_WHITE),
    "one transparent grey": (
        png(RAMP, 8, 0, chunk(b"tRNS", struct.pack(">H", ONE_GREY))),
        np.where(RAMP == ONE_GREY, 255, RAMP),
    ),
    "one transparent grey of 16 bits": (
        png(WIDE * 257, 16, 0, chunk(b"tRNS", struct.pack(">H", ONE_GREY * 257))),
        np.where(RAMP == ONE_GREY, 255, RAMP),
    ),
    "transparent TIFF": (tiff(odd.rgba(), 8, extra_samples=2), ON_WHITE),
    "transparent WebP": (odd.transparent_webp(), ON_WHITE),
    "CMYK JPEG of Adobe's kind": (odd.cmyk_jpeg(adobe=True), RAMP),
    "BMP": (cv2.imencode(".bmp", RAMP)[1].tobytes(), RAMP),
    "BMP of 32 bits, the fourth unused": (
        cv2.imencode(".bmp", np.dstack([RAMP, RAMP, RAMP, np.zeros_like(RAMP)]))[1].tobytes(),
        RAMP,
    ),
    "damaged colour profile": (odd.with_damaged_colours(png(RAMP, 8, 0)), RAMP),
}


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("kind", READ)
def test_picture_of_any_kind_is_read_rightly(capfd, kind, colour):
    data, expected = READ[kind]
    decoded = decode_file_content(data, colour=colour)
    assert decoded.image.dtype == np.uint8
    assert decoded.image.shape == (*RAMP.shape, 3)[: 3 if colour else 2]
    shown = decoded.image[..., 0] if colour else decoded.image
    assert np.abs(shown.astype(int) - expected).max() <= (3 if "JPEG" in kind else 1)
    assert decoded.damage == ""
    assert capfd.readouterr().err == ""


def cut(data):
    return data[: 2 * len(data) // 3]


NOISE = np.random.default_rng(1).integers(0, 255, (60, 80), np.uint8)
REFUSED = {
    "text": (b"nothing but a text", "this is not a picture"),
    "HEIC of an iPhone": (b"\0\0\0\x24ftypheic\0\0\0\0mif1heic" + bytes(90), "this is HEIC, which is not supported"),
    "HEIC with a general brand": (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic" + bytes(90), "this is HEIC"),
    "AVIF": (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf" + bytes(90), "this is AVIF, which is not supported"),
    "AVIF with a general brand": (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf" + bytes(90), "this is AVIF"),
    "GIF": (b"GIF89a" + bytes(90), "this is GIF, which is not supported"),
    "JPEG XL": (b"\xff\x0a" + bytes(90), "this is JPEG XL"),
    "JPEG 2000": (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(90), "this is JPEG 2000"),
    "video": (b"\0\0\0\x18ftypisom" + bytes(90), "this is a video"),
    "animated PNG": (odd.animated_png(), "this PNG is animated"),
    "animated WebP": (odd.animated_webp(), "this WebP is animated"),
    "CMYK that may be either": (odd.cmyk_jpeg(adobe=False), "four inks"),
    "12-bit JPEG": (odd.twelve_bit_jpeg(), "12 bits a sample"),
    "floating-point TIFF": (tiff(RAMP / 255, 32, sample_format=3), "32 bits a sample"),
    "signed TIFF": (tiff(RAMP, 16, sample_format=2), "signed"),
    "DNG": (tiff(RAMP, 8, more=[(50706, 1)]), "raw files of cameras"),
    "CR2": (b"II*\0\x10\0\0\0CR\2\0" + bytes(90), "camera's raw file"),
    "damaged data": (
        png(RAMP, 8, 0)[:60] + bytes(4) + png(RAMP, 8, 0)[64:],
        "this PNG is damaged and cannot be decoded",
    ),
    "too many pixels": (png(RAMP, 8, 0)[:16] + struct.pack(">II", 60_000, 60_000) + bytes(90), "3600 million"),
    **{
        f"{suffix} cut off": (cut(cv2.imencode(suffix, NOISE)[1].tobytes()), "cut off")
        for suffix in (".png", ".jpg", ".webp", ".bmp", ".pgm")
    },
    "TIFF cut off": (tiff(NOISE, 8)[:4000], "damaged or cut off"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_picture_that_is_not_supported_is_refused_with_its_name(capfd, kind):
    data, reason = REFUSED[kind]
    with pytest.raises(NotAnImage, match=reason) as caught:
        decode_file_content(data, colour=False)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


def test_limit_lets_the_largest_phones_pass():
    assert MAX_PIXELS >= 12_000 * 9_000


@given(st.sampled_from([10, 12, 14, 16]), st.integers(0, 255))
def test_deep_samples_keep_their_brightness(bits, value):
    samples = np.array([[round(value / 255 * (2**bits - 1)), 2**bits - 1]], np.uint16)
    assert abs(int(to_eight_bits(samples)[0, 0]) - value) <= 1
    assert abs(int(to_eight_bits(samples, 2**bits - 1)[0, 0]) - value) <= 1


@given(st.sampled_from(sorted(READ)), st.integers(0, 3000), st.binary(max_size=40))
def test_any_damage_gives_a_picture_or_one_sentence(kind, at, noise):
    data = READ[kind][0]
    try:
        image = decode_file_content(data[:at] + noise + data[at + len(noise) :], colour=True).image
    except NotAnImage as error:
        assert "\n" not in str(error)  # noqa: PT017 - it need not be raised
    else:
        assert image.dtype == np.uint8
        assert image.ndim == 3
