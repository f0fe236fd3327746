"""Tests of finding and loading cascade files."""

import pytest

from edge.config.schema import DetectorConfig
from edge.errors import CascadeError
from edge.vision.detection.cascades import SEARCH_CASCADE, VERIFICATION_CASCADE, cascade_path, load_cascade
from edge.vision.detection.detector import Detector


@pytest.mark.parametrize("content", [b"", b"no cascade\n", b"<?xml version='1.0'?><opencv_storage></opencv_storage>"])
@pytest.mark.parametrize("key", ["cascade", "confirm_cascade"])
def test_file_that_is_not_a_cascade_is_named(tmp_path, content, key, capfd):
    path = tmp_path / "c.xml"
    path.write_bytes(content)
    with pytest.raises(CascadeError) as caught:
        Detector(DetectorConfig(**{key: str(path)}))
    assert f"detector.{key}" in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


def test_missing_cascade_is_named(tmp_path):
    with pytest.raises(CascadeError, match=r"absent\.xml"):
        load_cascade(tmp_path / "absent.xml", "detector.cascade")


def test_default_cascades_are_found():
    for name in (SEARCH_CASCADE, VERIFICATION_CASCADE):
        assert cascade_path("", name).name == name


def test_cascade_below_the_home_of_an_unknown_user_is_named():
    path = cascade_path("~nobody-of-this-name/faces.xml", "unused.xml")
    with pytest.raises(CascadeError, match=r"~nobody-of-this-name/faces\.xml"):
        load_cascade(path, "detector.cascade")
