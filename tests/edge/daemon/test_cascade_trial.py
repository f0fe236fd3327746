"""OpenCV's own cascades: those of frontal faces pass, and those of anything else are named with what is right."""

import logging
from pathlib import Path

import cv2
import pytest

from edge.config.schema import DetectorConfig
from edge.daemon.cascade_trial import cascade_findings, warn_of_unfit_cascades
from edge.errors import CascadeError

FOLDER = Path(cv2.data.haarcascades)


def findings(search="", verification=""):
    chosen = [str(FOLDER / f"haarcascade_{name}.xml") if name else "" for name in (search, verification)]
    return list(cascade_findings(DetectorConfig(cascade=chosen[0], confirm_cascade=chosen[1])))


@pytest.mark.parametrize(
    "name", ["", "frontalface_default", "frontalface_alt", "frontalface_alt2", "frontalface_alt_tree"]
)
def test_frontal_cascades_pass(name):
    assert findings(name, name) == []


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("eye", "finds 2 faces"),
        ("eye_tree_eyeglasses", "finds a face in another place"),
        ("smile", "finds 4 faces"),
        ("profileface", "finds no face"),
        ("upperbody", "finds no face"),
    ],
)
def test_cascade_of_something_else_is_named_with_what_is_right(name, found):
    search, verification = findings(name, name)
    assert search.startswith(f"detector.cascade is '{FOLDER}/haarcascade_{name}.xml'")
    assert f"which {found} in a test picture that shows one: " in search
    assert search.endswith("such as haarcascade_frontalface_default.xml, or leave it empty")
    assert verification.startswith(f"detector.confirm_cascade is '{FOLDER}/haarcascade_{name}.xml'")
    assert "of 7 test faces" in verification
    assert verification.endswith('leave it empty, or set it to "none"')


def test_window_that_is_no_face_is_named(tmp_path):
    assert "(trained on objects of 36x18 pixels, and faces have 20x20 or 24x24)" in findings("smile")[0]
    large = tmp_path / "large.xml"
    text = (FOLDER / "haarcascade_frontalface_default.xml").read_text(encoding="utf-8")
    large.write_text(
        text.replace("<width>24</width>", "<width>200</width>").replace("<height>24</height>", "<height>200</height>"),
        encoding="utf-8",
    )
    (sentence,) = cascade_findings(DetectorConfig(cascade=str(large)))
    assert "objects of 200x200 pixels" in sentence


def test_other_keys_of_the_detector_are_no_fault_of_the_cascade():
    assert list(cascade_findings(DetectorConfig(min_face=0.1, max_face=0.2, neighbours=50))) == []


@pytest.mark.parametrize(
    "content", ["<svg/>", '<?xml version="1.0"?><opencv_storage><a>1</a></opencv_storage>', "no XML"]
)
def test_file_that_is_no_cascade_is_refused(tmp_path, content):
    path = tmp_path / "c.xml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(
        CascadeError, match=r"detector\.cascade is .*c\.xml', but this file is not a Haar or LBP cascade"
    ):
        list(cascade_findings(DetectorConfig(cascade=str(path))))


def test_configured_cascade_is_tried_at_the_start_and_the_default_is_not(caplog):
    caplog.set_level(logging.WARNING)
    warn_of_unfit_cascades(DetectorConfig(confirm_cascade="none"))
    assert caplog.messages == []
    warn_of_unfit_cascades(DetectorConfig(confirm_cascade=str(FOLDER / "haarcascade_eye.xml")))
    (message,) = caplog.messages
    assert message.startswith("detector.confirm_cascade is ")
