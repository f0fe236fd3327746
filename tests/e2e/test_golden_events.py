"""Fixed inputs through the whole program give exactly the events in `tests/golden`; see `support.golden`."""

import pytest

from support import golden


@pytest.mark.parametrize("name", [*golden.SCRIPTS, golden.TWO_FACES])
def test_drawn_faces_give_the_golden_events(name):
    tolerance = 0.0 if golden.is_golden_software() else golden.TOLERANCE
    assert list(golden.differences(golden.expected(name), golden.events(name), tolerance)) == []


@pytest.mark.footage
@pytest.mark.parametrize("name", golden.CLIPS)
def test_footage_gives_the_golden_events(name):
    if not (golden.MEDIA_FOLDER / f"{name}.mp4").exists():
        pytest.skip(f"{golden.MEDIA_FOLDER} has no {name}.mp4: set EMOTION_EDGE_DATA")
    if not golden.is_golden_software():
        pytest.skip(f"the golden files of the footage hold for {golden.MADE_WITH.read_text(encoding='utf-8')}")
    assert list(golden.differences(golden.expected(name), golden.events(name), 0.0)) == []


def test_any_difference_is_reported():
    event = {"type": "face_appeared", "face": {"track": 1, "box": {"x": 0.5}}, "groups": {}}
    other = {"type": "face_appeared", "face": {"track": 1, "box": {"x": 0.51}}, "groups": {}}
    assert list(golden.differences([event], [event], 0.0)) == []
    assert list(golden.differences([event], [other], 0.0)) == ["[0].face.box.x: expected 0.5, got 0.51"]
    assert list(golden.differences([event], [other], 0.1)) == []
    assert list(golden.differences([event], [event, event], 0.1)) != []
    assert list(golden.differences([event], [{**event, "added": 1}], 0.0)) == []
    assert list(golden.differences([{**event, "added": 1}], [event], 0.1)) != []
    assert list(golden.differences([event], [{**event, "face": {"track": 2, "box": {"x": 0.5}}}], 0.1)) != []
