"""`classify` says what it left out: faces that are too small to be searched for, and those beyond `model.max_faces`."""

import io

import cv2
import numpy as np
import pytest

from edge.commands.classify import classify
from edge.config.schema import Config, DetectorConfig, ModelConfig
from edge.daemon.actor_pictures import TEST_FACE, actor_pictures


@pytest.fixture(scope="module")
def group(tmp_path_factory):
    """A picture of 1280x960 with four faces of 100 pixels."""
    small = cv2.resize(actor_pictures()["happy"], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    path = tmp_path_factory.mktemp("group") / "group.png"
    cv2.imwrite(str(path), cv2.copyMakeBorder(np.tile(small, (2, 2)), 240, 240, 320, 320, cv2.BORDER_REPLICATE))
    return path


def printed(images, *, model=None, **detector):
    out = io.StringIO()
    config = Config(detector=DetectorConfig(**detector), model=model or ModelConfig())
    assert classify(config, images, as_json=False, annotate=None, stream=out) == 0
    return out.getvalue().splitlines()[0]


def test_picture_without_a_face_names_the_smallest_face_that_was_searched_for(group):
    # The faces have 100 of 960 pixels, the share that is asked for 0.15.
    assert TEST_FACE.width / 2 == pytest.approx(100, abs=1)
    assert printed([group], min_face=0.15) == f"{group}: no face of 144 pixels or more"


def test_search_that_cannot_find_what_is_asked_for_is_named_once(group, caplog):
    assert printed([group, group], min_face=0.05, search_width_px=160) == f"{group}: no face of 192 pixels or more"
    assert caplog.text.count("detector.min_face = 0.05 asks for faces of 48 pixels in frames of 1280x960") == 1


def test_faces_beyond_the_largest_number_are_named(group, caplog):
    assert printed([group], model=ModelConfig(max_faces=2)) == f"{group}: 2 faces"
    assert f"{group} shows 4 faces, but only the largest are classified: model.max_faces is 2" in caplog.text
