from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("ai_edge_litert", reason="the model is run by ai-edge-litert")
from convert.data.fer2013 import LABELS
from convert.errors import ConvertError
from convert.event_tuning import face_sequences
from convert.event_tuning.ground_truth import ground_truth


def test_segments_change_and_flicker():
    rng = np.random.default_rng(1)
    segments = face_sequences.draw_segments(rng, 300.0, np.full(len(LABELS), 1 / len(LABELS)))
    assert sum(seconds for _, seconds in segments) >= 300
    assert all(one[0] != other[0] for one, other in pairwise(segments))
    truth = ground_truth(segments)
    assert 20 < len(truth) < len(segments)
    gaps = np.diff([expression.start_seconds for expression in truth])
    assert gaps.min() >= 1.5, "what must be announced is shown for long enough"


@pytest.mark.footage
def test_person_is_deterministic_and_can_be_subsampled(data, classifier):
    faces = face_sequences.agreed_faces(data)
    assert faces.split.name == "PublicTest"
    person, again = (face_sequences.record_person(3, classifier, faces, 6.0) for _ in range(2))
    np.testing.assert_array_equal(person.predictions, again.predictions)
    assert 0.5 < person.classified.mean() < 1
    slower = face_sequences.subsampled(person, 5)
    assert len(slower.seconds) == -(-len(person.seconds) // 5)
    assert slower.classified[slower.appearance]
    assert slower.seconds[slower.appearance] >= person.seconds[person.appearance]


def test_data_without_a_label_is_refused(small_data, tmp_path):
    with np.load(small_data / "fer2013.npz") as file:
        arrays = dict(file)
    arrays["ferplus_votes"][:, 5] = 0  # disgust
    np.savez(tmp_path / "fer2013.npz", **arrays)
    with pytest.raises(ConvertError, match="no PublicTest face of disgust"):
        face_sequences.agreed_faces(tmp_path)
