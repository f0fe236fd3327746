import numpy as np
import pytest

pytest.importorskip("ai_edge_litert", reason="the model is run by ai-edge-litert")
from convert.data.fer2013 import clean_split, with_leader
from convert.evaluation.crop_margin import measure_crop_margins, to_text
from convert.evaluation.face_frames import embed_in_frame
from convert.runtimes.tflite import Int8Model
from edge.config.schema import DetectorConfig
from edge.vision.classification.manifest import find_model, load_manifest

QUICK = DetectorConfig(search_width_px=160, min_face=0.25)
"""Finds the faces, half as high as their frame, in a quarter of the default's time: it tries no faces much smaller."""


def test_face_is_embedded_whole_in_a_blurred_surround():
    face = np.random.default_rng(0).integers(100, 256, (48, 48)).astype(np.uint8)
    frame, place = embed_in_frame(face, np.random.default_rng(1))
    assert frame.shape == (240, 320)
    left, top, side = int(place.x), int(place.y), int(place.width)
    assert frame[top : top + side, left : left + side].std() > 10
    assert frame[:5].mean() > 60


@pytest.mark.long
@pytest.mark.footage
def test_shipped_margin_is_no_worse_than_a_wider_one(data):
    model = find_model("normal")
    manifest = load_manifest(model)
    clean, _ = clean_split(data, "PublicTest")
    split = with_leader(clean).take(np.arange(80))
    margins = (manifest.crop_margin, manifest.crop_margin + 0.3)
    study = measure_crop_margins(split, split.leader, Int8Model(model.read_bytes()), manifest.input, margins, QUICK)
    assert study.detected > 60
    assert study.side_ratio == pytest.approx(1, abs=0.1)
    own, wider = (share for _, share in study.accuracy)
    # On all of PublicTest a margin of 0.3 costs four points; 70 faces can only show the sign.
    assert own >= wider - 0.02
    assert "crop_margin" in to_text(study)
