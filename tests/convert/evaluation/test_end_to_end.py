import numpy as np
import pytest

pytest.importorskip("keras", reason="the training half needs the convert extra")
pytest.importorskip("ai_edge_litert", reason="the model is run by ai-edge-litert")
import cv2

from convert.evaluation.end_to_end import measure_end_to_end
from convert.evaluation.face_frames import sharpened
from support.synthetic_split import ignore_progress, split_of


def test_actor_is_detected_and_classified(actor, shipped):
    threads = cv2.getNumThreads()
    result = measure_end_to_end(actor, actor.leader, *shipped, ignore_progress)
    assert cv2.getNumThreads() == threads
    assert result.faces == 7
    assert 6 <= result.confirmed <= result.found <= 7
    assert result.boxed.images == result.whole.images == result.found
    assert result.announced.images == result.confirmed
    assert result.announced.accuracy >= 5 / 7


def test_sharpened_faces_are_found_and_classified_too(actor, shipped):
    sharp = measure_end_to_end(actor, actor.leader, *shipped, ignore_progress, sharp=True)
    assert sharp.found >= 6
    assert sharp.boxed.accuracy >= 5 / 7
    small = sharpened(actor.images[0], 120)
    cubic = cv2.resize(actor.images[0], (120, 120), interpolation=cv2.INTER_CUBIC)
    assert cv2.Laplacian(small, cv2.CV_64F).std() > 1.5 * cv2.Laplacian(cubic, cv2.CV_64F).std()


def test_without_detections_the_scores_are_empty(shipped):
    split = split_of(np.full((3, 48, 48), 128, dtype=np.uint8))
    result = measure_end_to_end(split, split.leader, *shipped, ignore_progress)
    assert (result.faces, result.found, result.confirmed) == (3, 0, 0)
    assert (result.boxed.images, result.boxed.interval) == (0, (0.0, 1.0))
