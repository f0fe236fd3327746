import numpy as np
import pytest

pytest.importorskip("keras", reason="the training half needs the convert extra")
pytest.importorskip("ai_edge_litert", reason="the model is run by ai-edge-litert")
import cv2

from convert.evaluation.end_to_end import measure_end_to_end
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


def test_without_detections_the_scores_are_empty(shipped):
    split = split_of(np.full((3, 48, 48), 128, dtype=np.uint8))
    result = measure_end_to_end(split, split.leader, *shipped, ignore_progress)
    assert (result.faces, result.found, result.confirmed) == (3, 0, 0)
    assert (result.boxed.images, result.boxed.interval) == (0, (0.0, 1.0))
