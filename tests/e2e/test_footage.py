"""Real people through the whole line: what a person watching would say happens, happens."""

from functools import cache

import pytest

from support.footage import footage
from support.program import comparable, events_of, happened, run

pytestmark = pytest.mark.footage

GRINNING_MAN = "head-pose-face-detection-male.mp4"
THREE_PEOPLE = "face-demographics-walking-and-pause.mp4"
TURNING_WOMAN = "head-pose-face-detection-female.mp4"


@cache
def told_of(name):
    return events_of("--source", footage(name), "--fast")


def test_a_subscriber_sees_the_man_who_grins(broker, subscribe):
    subscriber = subscribe(broker)
    result = run("run", "--source", footage(GRINNING_MAN), "--fast", "--mqtt", broker.url)
    assert result.returncode == 0, result.stderr
    subscriber.wait(lambda: b"stopped" in [seen.payload for seen in subscriber._seen])

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
    # At the end the retained state says that nobody is there.
    assert subscriber.of("state")[-1].json["present"] is False


def test_three_people_walking_up_are_three_neutral_tracks():
    events = told_of(THREE_PEOPLE)
    appeared = [event for event in events if event["type"] == "face_appeared"]
    assert 3 <= len(appeared) <= 4, happened(appeared)
    assert {event["emotion"] for event in events} == {"neutral"}, happened(events)
    columns = {round(event["face"]["box"]["x"] * 4) for event in appeared}
    assert len(columns) >= 3, "three people stand side by side"


@pytest.mark.parametrize("name", [GRINNING_MAN, THREE_PEOPLE, TURNING_WOMAN])
def test_no_label_lasts_for_less_than_half_a_second(name):
    last = {}
    for event in told_of(name):
        if event["type"] != "face_left":
            track, seconds = event["face"]["track"], event["source_seconds"]
            assert seconds - last.get(track, -1.0) >= 0.5, happened(told_of(name))
            last[track] = seconds


@pytest.mark.parametrize("name", ["store-aisle-detection.mp4", "people-detection.mp4", "classroom.mp4"])
def test_where_no_face_can_be_read_there_is_no_track(name):
    assert events_of("--source", footage(name), "--fast") == []


def test_two_runs_give_the_same_events_fast_or_not():
    path = footage(GRINNING_MAN)
    fast, again, real_time = (
        comparable(events_of("--source", path, *flags)) for flags in (("--fast",), ("--fast",), ())
    )
    assert len(fast) >= 2
    assert fast == again
    assert fast == real_time
