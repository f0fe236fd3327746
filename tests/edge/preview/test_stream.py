"""What watchers get, over real sockets: one encoding for all, newest first, no event lost."""

import dataclasses
import socket
import time

import cv2
import numpy as np
import pytest
from msgspec.structs import replace

from edge.levels import LADDER
from edge.messages.payloads import encode
from support.mqtt import event, wait_until
from support.preview import face, result


def test_nobody_watching_nothing_is_encoded(make_site):
    site = make_site(fps=30)
    for number in range(50):
        site.show(result(number))
        time.sleep(0.005)
    assert (site.stream.pictures, site.asked) == (0, 0)


def test_who_stops_watching_costs_nothing_more(make_site):
    site = make_site(fps=30)
    site.show(result(1))
    watcher = site.watch().wait(lambda one: one.frames)
    watcher.close()
    number = iter(range(2, 10_000))

    def unwatched():
        site.show(result(next(number)))
        return site.stream.watchers == 0

    wait_until(unwatched)
    time.sleep(0.1)  # a turn that had begun
    encoded = site.stream.pictures
    for _ in range(20):
        site.show(result(next(number)))
        time.sleep(0.01)
    assert site.stream.pictures == encoded


def test_a_watcher_sees_picture_faces_and_figures(make_site):
    site = make_site(fps=30)
    site.window.decided(event(1))
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
    assert (one["smoothed"][3], one["raw"][4]) == (0.9, 0.9)
    assert one["smoothed"][4] == one["raw"][3] == 0.0167
    picture = cv2.imdecode(np.frombuffer(pictures[0], np.uint8), cv2.IMREAD_UNCHANGED)
    assert picture.shape == (48, 64)
    assert abs(int(picture.mean()) - 7) <= 2  # JPEG


def test_ten_watchers_cost_one_encoding(make_site):
    site = make_site(fps=30, max_watchers=10)
    watchers = [site.watch() for _ in range(10)]
    wait_until(lambda: site.stream.watchers == 10)
    assert site.get("/stream").status == 503
    before = site.stream.pictures
    shown = 0
    for number in range(1, 6):
        site.show(result(number))
        wait_until(lambda number=number: all(number in one.frames for one in watchers))
        shown += 1
    assert site.stream.pictures - before == shown == 5


def test_a_picture_is_reduced_and_colour_kept(make_site):
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


def test_a_tight_budget_halves_the_rate(make_site):
    site = make_site(fps=20)
    assert site.stream._interval_seconds() == pytest.approx(0.05)
    site.preview.show(result(1), 90.0, LADDER[2])
    assert site.stream._interval_seconds() == pytest.approx(0.15)


def test_who_reads_slowly_loses_pictures_and_no_event(make_site):
    site = make_site(fps=30)
    noise = np.random.default_rng(1).integers(0, 255, (480, 640), np.uint8)  # some 250 kB as JPEG
    slow, quick = site.watch_later(), site.watch()
    wait_until(lambda: site.stream.watchers == 2)
    for seq in range(1, 41):
        site.window.decided(event(seq))
        site.show(result(seq, luma=np.roll(noise, seq, 1)))
        wait_until(lambda seq=seq: seq in quick.frames)
    assert 40 not in slow.frames
    slow.read_on()
    slow.wait(lambda one: 40 in one.frames)
    assert len(slow.frames) < 40  # lost, not queued
    for watcher in (slow, quick):
        assert sorted({one["payload"]["seq"] for one in watcher.events}) == list(range(1, 41))


def test_published_events_replace_what_was_decided(make_site):
    site = make_site(fps=30)
    watcher = site.watch().wait(lambda one: one.records)
    site.window.decided(event(1))
    watcher.wait(lambda one: [told["published"] for told in one.events] == [False])
    payload = replace(event(1), latency_ms=12.5)
    site.window.published(encode(payload))
    watcher.wait(lambda one: [told["published"] for told in one.events] == [False, True])
    assert watcher.events[-1]["payload"]["latency_ms"] == 12.5


def test_what_may_not_be_shown_is_taken_away(make_site):
    site = make_site(fps=30)
    site.show(result(1))
    watcher = site.watch().wait(lambda one: one.frames)
    site.preview.blank()
    watcher.wait(lambda one: any(content.get("blank") for content, _ in one.records))
    late = site.watch().wait(lambda one: len(one.records) > 1)
    assert late.frames == []
    assert site.ask("POST", "/picture/current").status == 409


def test_a_watcher_hears_every_second_even_without_frames(make_site):
    site = make_site()
    watcher = site.watch()
    watcher.wait(lambda one: sum("health" in content for content, _ in one.records) >= 3)


def test_the_end_is_said(make_site):
    site = make_site()
    watcher = site.watch().wait(lambda one: one.records)
    site.close()
    assert watcher.ended.wait(30)
    assert watcher.records[-1][0].get("bye") is True


def test_who_asks_for_nothing_is_cut(make_site, monkeypatch):
    monkeypatch.setattr("edge.preview.server._HEADER_SECONDS", 0.3)
    monkeypatch.setattr("edge.preview.server._SWEEP_SECONDS", 0.1)
    site = make_site(fps=30)
    watcher = site.watch()
    address = ("127.0.0.1", site.port)
    with socket.create_connection(address, 30) as silent, socket.create_connection(address, 30) as half:
        half.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ")
        assert silent.recv(100) == b""
        assert half.recv(100) == b""
    site.show(result(1))
    watcher.wait(lambda one: one.frames)  # who listens is left alone


def test_who_reads_nothing_holds_nobody_up(make_site):
    site = make_site(fps=30)
    stuck = site.watch_later()
    noise = np.random.default_rng(1).integers(0, 255, (480, 640), np.uint8)
    quick = site.watch()
    wait_until(lambda: site.stream.watchers == 2)
    for number in range(1, 60):
        site.show(result(number, luma=np.roll(noise, number, 1)))
        wait_until(lambda number=number: number in quick.frames)
    # The kernel ends it where it stays so: that takes half a minute.
    timeout_ms = site.preview._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
    assert timeout_ms == 30_000
    began = time.monotonic()
    site.close()
    assert time.monotonic() - began < 20
    stuck.close()
