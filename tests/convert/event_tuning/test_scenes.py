import numpy as np
import pytest

pytest.importorskip("ai_edge_litert", reason="the model is run by ai-edge-litert")
from convert.event_tuning import scenes


def test_each_actor_has_its_own_ground_truth():
    truth_at = scenes.truth_at(scenes.Scene("two", ("happy=2,sad=2", "sad=3,happy=2"), scale=0.5))
    assert [truth_at(x)[0].emotion for x in (-5.0, 100.0, 330.0, 700.0)] == ["happy", "happy", "sad", "sad"]


def test_rendering_is_deterministic():
    scene = scenes.Scene("shaky", ("neutral=0.2",), corruption=("sensor_noise", 0.5), swing_px=30.0)
    first, again = (np.stack([image for _, image in scenes.render_frames(scene)]) for _ in range(2))
    assert first.shape == (5, 480, 640)
    np.testing.assert_array_equal(first, again)
