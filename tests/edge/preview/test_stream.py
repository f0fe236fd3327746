"""The stream over real sockets: each picture encoded once, slow watchers lose pictures and no event."""

import dataclasses
import time

import cv2
import numpy as np
import pytest
from msgspec.structs import replace

from edge.levels import LADDER
from edge.messages.payloads import encode
from support.mqtt import event, wait_until
from support.preview import face, result


def test_without_watchers_nothing_is_encoded(make_site):
    site = make_site(fps=30)
    for number in range(50):
        site.show(result(number))
        time.sleep(0.005)
    assert (site.stream.pictures_encoded, site.health_calls) == (0, 0)


def test_nothing_is_encoded_once_the_last_watcher_has_left(make_site):
    site = make_site(fps=30)
    site.show(result(1))
    watcher = site.watch().wait(lambda one: one.frames)
    watcher.close()
    number = iter(range(2, 10_000))

    def unwatched():
        site.show(result(next(number)))
        return site.stream.watchers == 0

    wait_until(unwatched)
    time.sleep(0.1)  # an update that had begun
    encoded = site.stream.pictures_encoded
    for _ in range(20):
        site.show(result(next(number)))
        time.sleep(0.01)
    assert site.stream.pictures_encoded == encoded


def test_watcher_receives_picture_faces_events_and_health(make_site):
    site = make_site(fps=30)
    site.feed.event_decided(event(1))
    site.show(result(7, faces=[face(track=3)]))
    watcher = site.watch().wait(lambda one: one.frames)
    (hello, _), *rest = watcher.records
    assert hello["hello"]["info"]["device"] == "cam"
    assert hello["hello"]["history"][0][1] == [[3, "happy", 0.9]]
    assert hello["events"] == [{"published": False, "payload": hello["events"][0]["payload"]}]
    assert hello["events"][0]["payload"]["seq"] == 1
    assert hello["health"]["frames"] == 1
    content, pictures = next(record for record in rest if "frame" in record[0])
    shown = content["frame"]
    (one,) = shown["faces"]
    assert (shown["number"], shown["width"], shown["height"]) == (7, 64, 48)
    assert (one["track"], one["label"], one["box"]) == (3, "happy", [0.25, 0.25, 0.5, 0.5])
    assert (one["confidence"], one["leader"], one["leader_confidence"]) == (0.9, "happy", 0.9)
    assert (one["smoothed"][3], one["raw"][4]) == (0.9, 0.9)
    assert one["smoothed"][4] == one["raw"][3] == 0.0167
    picture = cv2.imdecode(np.frombuffer(pictures[0], np.uint8), cv2.IMREAD_UNCHANGED)
    assert picture.shape == (48, 64)
    assert abs(int(picture.mean()) - 7) <= 2  # JPEG


def test_picture_is_encoded_once_for_ten_watchers(make_site):
    site = make_site(fps=30, max_watchers=10)
    watchers = [site.watch() for _ in range(10)]
    wait_until(lambda: site.stream.watchers == 10)
    assert site.get("/stream").status == 503
    before = site.stream.pictures_encoded
    shown = 0
    for number in range(1, 6):
        site.show(result(number))
        wait_until(lambda number=number: all(number in one.frames for one in watchers))
        shown += 1
    assert site.stream.pictures_encoded - before == shown == 5


def test_picture_is_reduced_and_keeps_its_colour(make_site):
    site = make_site(fps=30, width_px=160)
    wide = np.zeros((200, 400, 3), np.uint8)
    wide[..., 2] = 200
    step = result(1, luma=wide[..., 2].copy())
    site.show(replace_frame(step, bgr=wide))
    watcher = site.watch().wait(lambda one: one.frames)
    picture = next(pictures[0] for content, pictures in watcher.records if "frame" in content)
    decoded = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_UNCHANGED)
    assert decoded.shape == (80, 160, 3)
    blue, red = decoded[..., 0].mean(), decoded[..., 2].mean()
    assert red > 150
    assert blue < 60


def replace_frame(step, **changes):
    return dataclasses.replace(step, frame=dataclasses.replace(step.frame, **changes))


def test_rate_falls_with_the_degradation_level(make_site):
    site = make_site(fps=20)
    assert site.stream.interval_seconds == pytest.approx(0.05)
    site.preview.show(result(1), 90.0, LADDER[2])
    assert site.stream.interval_seconds == pytest.approx(0.15)


def test_slow_watcher_loses_pictures_and_no_event(make_site):
    site = make_site(fps=30)
    noise = np.random.default_rng(1).integers(0, 255, (480, 640), np.uint8)  # about 250 kB as JPEG
    slow, quick = site.watch_without_reading(), site.watch()
    wait_until(lambda: site.stream.watchers == 2)
    for seq in range(1, 41):
        site.feed.event_decided(event(seq))
        site.show(result(seq, luma=np.roll(noise, seq, 1)))
        wait_until(lambda seq=seq: seq in quick.frames)
    assert 40 not in slow.frames
    slow.start_reading()
    slow.wait(lambda one: 40 in one.frames)
    assert len(slow.frames) < 40  # lost, not queued
    for watcher in (slow, quick):
        assert sorted({one["payload"]["seq"] for one in watcher.events}) == list(range(1, 41))


def test_published_event_replaces_the_decided_one(make_site):
    site = make_site(fps=30)
    watcher = site.watch().wait(lambda one: one.records)
    site.feed.event_decided(event(1))
    watcher.wait(lambda one: [record["published"] for record in one.events] == [False])
    payload = replace(event(1), latency_ms=12.5)
    site.feed.event_published(encode(payload))
    watcher.wait(lambda one: [record["published"] for record in one.events] == [False, True])
    assert watcher.events[-1]["payload"]["latency_ms"] == 12.5


def test_blank_removes_the_picture(make_site):
    site = make_site(fps=30)
    site.show(result(1))
    watcher = site.watch().wait(lambda one: one.frames)
    site.preview.blank()
    watcher.wait(lambda one: any(content.get("blank") for content, _ in one.records))
    late = site.watch().wait(lambda one: len(one.records) > 1)
    assert late.frames == []
    assert site.request("POST", "/picture/current").status == 409


def test_health_is_sent_every_second_without_frames(make_site):
    site = make_site()
    watcher = site.watch()
    watcher.wait(lambda one: sum("health" in content for content, _ in one.records) >= 3)


def test_health_comes_with_each_picture_that_appears_or_disappears(make_site):
    site = make_site(fps=30)
    watcher = site.watch().wait(lambda one: one.records)
    for number in range(3):
        site.health = replace(site.health, source="ok", uptime_seconds=number)
        site.show(result(number))
        watcher.wait(lambda one, number=number: number in one.frames)
        site.health = replace(site.health, source="lost")
        site.preview.blank()
        watcher.wait(lambda one, number=number: sum(content.get("blank", False) for content, _ in one.records) > number)
    for content, _ in watcher.records[1:]:
        if "frame" in content:
            assert (content["health"]["source"], content["health"]["uptime_seconds"]) == (
                "ok",
                content["frame"]["number"],
            )
        elif "blank" in content:
            assert content["health"]["source"] == "lost"


def test_second_watcher_gets_the_picture_that_the_first_one_shows(make_site):
    site = make_site(fps=30)
    site.show(result(1))  # of a camera that gives no other for a while
    first = site.watch().wait(lambda one: one.frames)
    second = site.watch().wait(lambda one: one.records)
    assert second.records[0][0]["frame"] == next(content["frame"] for content, _ in first.records if "frame" in content)
    assert len(second.records[0][1]) == 1
    assert site.stream.pictures_encoded == 1
    site.preview.blank()
    first.wait(lambda one: any(content.get("blank") for content, _ in one.records))
    third = site.watch().wait(lambda one: one.records)
    assert "frame" not in third.records[0][0]


def test_description_that_a_reload_changed_is_sent(make_site):
    site = make_site(fps=30)
    watcher = site.watch().wait(lambda one: one.records)
    site.describe(groups={"positive": ["happy", "surprise"]})
    watcher.wait(lambda one: any("info" in content and content["info"]["groups"] for content, _ in one.records))


def test_last_record_announces_the_end(make_site):
    site = make_site()
    watcher = site.watch().wait(lambda one: one.records)
    site.close()
    assert watcher.ended.wait(30)
    assert watcher.records[-1][0].get("bye") is True


def test_page_that_is_opened_after_a_picture_was_removed_does_not_get_it(make_site):
    """Other masks may hide what it shows: it is removed before the next one is there."""
    site = make_site(fps=1)  # the next update is a second away
    site.show(result(1))
    first = site.watch().wait(lambda one: 1 in one.frames)
    site.preview.blank()
    second = site.watch().wait(lambda one: one.records)
    assert second.frames == []
    assert site.request("POST", "/picture/current").status == 409
    assert first.frames == [1]
