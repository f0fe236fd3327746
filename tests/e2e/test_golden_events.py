"""Fixed inputs give the events that are written down in `tests/golden`; see `support.golden`."""

import json

import pytest

from support import golden


@pytest.fixture(scope="module")
def same_software():
    """Tell whether this is the software that the golden files were written with."""
    return golden.software() == json.loads(golden.MADE_WITH.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", [*golden.SCRIPTS, golden.TWO_FACES])
def test_drawn_faces_give_the_golden_events(name, same_software):
    tolerance = 0.0 if same_software else golden.TOLERANCE
    assert list(golden.differences(golden.expected(name), golden.events(name), tolerance)) == []


@pytest.mark.footage
@pytest.mark.parametrize("name", golden.CLIPS)
def test_footage_gives_the_golden_events(name, same_software):
    if not (golden.media_folder() / f"{name}.mp4").exists():
        pytest.skip(f"{golden.media_folder()} has no {name}.mp4: set EMOTION_EDGE_DATA")
    if not same_software:
        pytest.skip(f"the golden files of the footage hold for {golden.MADE_WITH.read_text(encoding='utf-8')}")
    assert list(golden.differences(golden.expected(name), golden.events(name), 0.0)) == []


def test_a_difference_is_found():
    event = {"type": "face_appeared", "face": {"track": 1, "box": {"x": 0.5}}, "groups": {}}
    other = {"type": "face_appeared", "face": {"track": 1, "box": {"x": 0.51}}, "groups": {}}
    assert list(golden.differences([event], [event], 0.0)) == []
    assert list(golden.differences([event], [other], 0.0)) == ["[0].face.box.x: expected 0.5, got 0.51"]
    assert list(golden.differences([event], [other], 0.1)) == []
    assert list(golden.differences([event], [event, event], 0.1)) != []
    assert list(golden.differences([event], [{**event, "face": {"track": 2, "box": {"x": 0.5}}}], 0.1)) != []
