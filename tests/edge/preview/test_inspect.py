"""Pictures on demand, through the server: what is inspected, and what is refused with which sentence."""

import shutil
import struct

import cv2
import numpy as np
import pytest

from edge.capture.source import SourceOptions, frame_from_bgr
from edge.config.schema import Config, ModelConfig
from edge.errors import ModelError
from edge.preview.inspect import StillInspector
from edge.vision.classification.classifier import Classifier
from edge.vision.classification.manifest import find_model
from support.mqtt import wait_until
from support.odd_pictures import png
from support.preview import LABELS, Site, actor, encoded, result

EXIF_BLOCK = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01"


def with_orientation(data, orientation):
    """Return the JPEG with an EXIF orientation tag (274, a short; Exif 2.32, 4.6.4)."""
    block = EXIF_BLOCK + struct.pack(">HHI", orientation, 0, 0)
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + data[2:]


def decoded(data):
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)


def test_answer_holds_box_label_probabilities_and_crop(site):
    answer = site.upload(encoded(actor("happy")))
    assert answer.status == 200
    content, (picture, crop) = answer.record
    (face,) = content["faces"]
    assert face["emotion"] == "happy"
    assert tuple(face["probabilities"]) == LABELS
    assert sum(face["probabilities"].values()) == pytest.approx(1, abs=0.001)
    assert 0.25 < face["box"]["x"] + face["box"]["width"] / 2 < 0.75
    assert (content["width"], content["height"]) == (640, 480)
    assert decoded(picture).shape == (480, 640)
    # The crop has exactly the pixels that the network received.
    classifier = Classifier.from_config(ModelConfig())
    size = classifier.manifest.input
    pixels = decoded(crop)
    assert pixels.shape == (size.height, size.width)
    again = classifier.classify_crop(pixels)
    assert again == pytest.approx(list(face["probabilities"].values()), abs=2e-4)
    assert content["sentence"] == "1 face."


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_png_and_webp_are_inspected(site, suffix):
    content, _ = site.upload(encoded(actor("surprise"), suffix), f"image/{suffix[1:]}").record
    assert [face["emotion"] for face in content["faces"]] == ["surprise"]


@pytest.mark.parametrize(
    ("orientation", "turned"), [(3, cv2.ROTATE_180), (6, cv2.ROTATE_90_COUNTERCLOCKWISE), (8, cv2.ROTATE_90_CLOCKWISE)]
)
@pytest.mark.parametrize("scale", [1, 6])
def test_exif_orientation_is_applied(site, orientation, turned, scale):
    # A camera that lay on its side stores the picture turned the other way, with this orientation. With a scale of 6
    # the picture is large enough to be reduced while it is decoded.
    stored = cv2.rotate(cv2.resize(actor("happy"), None, fx=scale, fy=scale), turned)
    content, (picture, _) = site.upload(with_orientation(encoded(stored), orientation)).record
    assert content["width"] > content["height"]
    assert [face["emotion"] for face in content["faces"]] == ["happy"]
    assert decoded(picture).shape[1] > decoded(picture).shape[0]


def test_large_picture_is_reduced(site):
    stored = cv2.resize(actor("sad"), (5120, 3840))
    content, (picture, _) = site.upload(encoded(stored)).record
    assert (content["width"], content["height"]) == (2560, 1920)
    assert decoded(picture).shape == (960, 1280)
    assert [face["emotion"] for face in content["faces"]] == ["sad"]


def test_several_faces_are_answered_largest_first(site):
    happy, sad = actor("happy"), cv2.resize(actor("sad"), None, fx=0.75, fy=0.75)
    both = np.full((480, 1120), 128, np.uint8)
    both[:, :640] = happy
    both[:360, 640:] = sad
    content, pictures = site.upload(encoded(both)).record
    assert [face["emotion"] for face in content["faces"]] == ["happy", "sad"]
    assert len(pictures) == 3
    assert content["sentence"] == "2 faces."


def test_picture_without_a_face_gets_a_sentence(site):
    content, pictures = site.upload(encoded(np.full((480, 640), 90, np.uint8))).record
    assert content["faces"] == []
    assert content["sentence"].startswith("No face was found.")
    assert content["sentence"].endswith("at least 10 % of the picture's shorter side.")
    assert len(pictures) == 1
    # Reduced to 480 pixels of width, a face of 64 pixels has the 24 of the cascade's window.
    content, _ = site.upload(encoded(np.full((480, 1280), 90, np.uint8))).record
    assert content["sentence"].endswith("at least 13.3 % of the picture's shorter side.")


def test_current_frame_is_inspected(site):
    site.show(result(1, luma=actor("angry")))
    content, _ = site.request("POST", "/picture/current").record
    assert [face["emotion"] for face in content["faces"]] == ["angry"]
    site.preview.blank()


def test_deep_picture_keeps_its_brightness_and_a_transparent_one_is_laid_on_white(site):
    deep = png(actor("happy").astype(int) * 16, 16, 0)  # 12 bits in words of 16
    content, _ = site.upload(deep, "image/png").record
    assert [face["emotion"] for face in content["faces"]] == ["happy"]
    hidden = png(np.dstack([actor("happy"), np.zeros_like(actor("happy"))]), 8, 4)
    content, pictures = site.upload(hidden, "image/png").record
    assert content["faces"] == []
    assert decoded(pictures[0]).min() == 255


def damaged_png():
    data = bytearray(encoded(actor(), ".png"))
    data[200:400] = bytes(200)
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "kind", "status", "sentence"),
    [
        (b"no picture at all", "image/jpeg", 415, "Not read: this is not a picture. Choose a JPEG, PNG or WebP."),
        (b"", "image/jpeg", 415, "Not read: the file is empty. Choose a JPEG, PNG or WebP."),
        (b"\0\0\0\x18ftypheic" + bytes(99), "image/heic", 415, "Not read: this is HEIC, which is not supported"),
        (encoded(actor())[:9000], "image/jpeg", 422, "Not read: this JPEG is cut off: its end is missing."),
        (damaged_png(), "image/png", 422, "Not read: this PNG is damaged and cannot be decoded."),
        (encoded(actor()), "text/plain", 415, "Not read: a picture is expected, with its type"),
        (bytes(1_200_000), "image/jpeg", 413, "Not read: the file is larger than 1 MB, which is the limit."),
        (
            encoded(np.zeros((1100, 1000), np.uint8), ".png"),
            "image/png",
            413,
            "Not read: the picture has 1000 by 1100 pixels, 1 million, and at most 1 million are accepted.",
        ),
    ],
)
def test_refused_picture_gets_status_and_sentence(small, data, kind, status, sentence):
    answer = small.upload(data, kind)
    assert answer.status == status
    assert answer.json["error"].startswith(sentence)


@pytest.fixture(scope="module")
def small():
    one = Site(max_upload_mb=1, max_picture_megapixels=1.0)
    yield one
    one.close()


def test_decompression_bomb_is_not_decoded(site, monkeypatch):
    # 60,000 by 60,000 pixels that pack into 4 MB: 3.6 GB once decoded.
    head = struct.pack(">I4sIIBBBBB", 13, b"IHDR", 60_000, 60_000, 8, 0, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + head + bytes(4_000_000) + b"IEND"
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("decoded"))
    assert site.upload(bomb, "image/png").status == 413


def test_pictures_are_limited_to_five_at_once_and_one_a_second(make_site):
    site = make_site(limit_pictures=True)
    # A small one: searching it must take much less than the second in which another is allowed.
    picture = encoded(np.full((48, 64), 90, np.uint8))
    statuses = [site.upload(picture).status for _ in range(12)]
    assert statuses[:5] == [200] * 5
    assert 429 in statuses[5:]
    refused = site.upload(picture)
    while refused.status != 429:
        refused = site.upload(picture)
    assert refused.headers["Retry-After"] == "1"
    wait_until(lambda: site.upload(picture).status == 200)


def test_another_model_reads_the_next_picture_and_one_that_cannot_be_loaded_none(tmp_path):
    inspector = StillInspector(Config())
    frame = frame_from_bgr(0, 0.0, actor("happy"), SourceOptions())
    before = inspector.inspect_frame(frame)
    with pytest.raises(ModelError):
        inspector.use_model(Config(model=ModelConfig(name=str(tmp_path / "missing.tflite"))))
    assert b'"joyful"' not in inspector.inspect_frame(frame)
    file = tmp_path / "other.tflite"
    shutil.copy(find_model("small"), file)
    manifest = find_model("small").with_suffix(".json").read_text(encoding="utf-8").replace('"happy"', '"joyful"')
    file.with_suffix(".json").write_text(manifest, encoding="utf-8")
    inspector.use_model(Config(model=ModelConfig(name=str(file))))
    assert b'"joyful"' not in before
    assert b'"emotion":"joyful"' in inspector.inspect_frame(frame)
