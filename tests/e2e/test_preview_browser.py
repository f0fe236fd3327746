"""The page in Chromium: the real program, a real broker, and an independent subscriber to compare with."""

import contextlib
import dataclasses
import os
import re
import signal
import tomllib
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from msgspec.structs import replace

from edge.commands.demo_broker import find_mosquitto
from edge.commands.notice import write_notice
from edge.notice.page import WIDTH
from support.mqtt import event, wait_until
from support.notices import SETTINGS, config_with, read_code

if find_mosquitto() is None:
    pytest.skip("mosquitto is not installed: apt-get install mosquitto", allow_module_level=True)

from support.browser import PARTS, Scene, click_corners
from support.preview import TOKEN, Site, actor, encoded, face, result

# A browser on a busy machine is slow; none of these tests is about speed.


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    with contextlib.ExitStack() as stack:
        yield Scene(tmp_path_factory.mktemp("page"), stack)


def box_labels(page):
    return [text.split()[0] for text in page.locator("#live-boxes .box span").all_inner_texts()]


def test_boxes_move_and_labels_follow_the_script(scene):
    look = (
        "() => [...document.querySelectorAll('#live-boxes .box')].map(b => [b.style.left, b.style.width, b.innerText])"
    )
    seen = scene.poll(
        lambda: scene.page.evaluate(look), lambda seen: len({one[2].split()[0] for boxes in seen for one in boxes}) >= 4
    )
    boxes = [one for found in seen for one in found]
    lefts = {float(left.removesuffix("%")) for left, _, _ in boxes}
    assert len(lefts) > 5  # the actor sways
    assert all(20 < left < 50 for left in lefts)
    assert all(20 < float(width.removesuffix("%")) < 50 for _, width, _ in boxes)
    share = r"\w+ \d{1,3}\s%"
    assert all(re.fullmatch(rf"{share}(, now {share})?|unknown \({share}\)", text) for _, _, text in boxes)
    shown = [text.split()[0] for _, _, text in boxes]
    changes = [(one, other) for one, other in pairwise(shown) if one != other]
    assert changes
    following = dict(zip(PARTS, (*PARTS[1:], PARTS[0]), strict=True))
    assert all(following[one] == other for one, other in changes)


def test_each_face_shows_its_probabilities(scene):
    face = scene.page.locator("#faces .face").first
    face.wait_for()
    assert face.locator("dt").all_inner_texts() == ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]
    smoothed, raw = face.evaluate(
        "(f) => ['dd:not(.raw)', 'dd.raw'].map(s => [...f.querySelectorAll(s)].map(d => parseInt(d.innerText)))"
    )
    assert 96 <= sum(smoothed) <= 104
    assert 96 <= sum(raw) <= 104
    best = face.locator("dt.best").inner_text()
    assert best in PARTS


def test_timeline_grows(scene):
    count = "() => document.querySelectorAll('#timeline .segment').length"
    seen = scene.poll(lambda: scene.page.evaluate(count), lambda seen: len(set(seen)) >= 3)
    assert seen[-1] > seen[0]
    texts = scene.page.evaluate(
        "() => [...document.querySelectorAll('#timeline .segment')].map(s => s.innerText || s.title)"
    )
    assert {text.split(",")[0] for text in texts} <= {*PARTS, "unknown"}


PAYLOADS = """() => [...document.querySelectorAll('#events li')].reverse()
  .filter(li => li.dataset.published === 'true').map(li => JSON.parse(li.querySelector('pre').textContent))"""


def test_events_equal_those_that_a_subscriber_received(scene):
    shown = scene.poll(lambda: scene.page.evaluate(PAYLOADS), lambda seen: seen and len(seen[-1]) >= 6)[-1]
    wait_until(lambda: scene.subscriber.seqs and scene.subscriber.seqs[-1] >= shown[-1]["seq"])
    received = [message.json for message in scene.subscriber.of("event")]
    # From the first event on: the page was opened later and received the earlier events.
    assert shown == received[: len(shown)]
    assert shown[0]["seq"] == 1


def test_uploaded_picture_is_classified(scene, tmp_path):
    file = tmp_path / "actor.png"
    file.write_bytes(encoded(actor("happy"), ".png"))
    page = scene.page
    page.set_input_files("#choose", file)
    page.locator("#answer-faces .face").wait_for()
    assert re.fullmatch(r"1 face\. 640 . 480 pixels, read in \d+ ms\.", page.inner_text("#picture-text"))
    assert re.fullmatch(r"1: happy \d+\s%", page.inner_text("#answer-boxes .box"))
    crop = page.locator("#answer-faces canvas")
    assert crop.get_attribute("aria-label") == "Face 1 as the network received it"
    # The canvas is not empty.
    spread = "(c) => { const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; let a = 255, b = 0; "
    spread += "for (let i = 0; i < d.length; i += 4) { a = Math.min(a, d[i]); b = Math.max(b, d[i]); } return b - a; }"
    assert crop.evaluate(spread) > 100
    assert page.locator("#answer-faces dt.best").inner_text() == "happy"


def test_file_that_is_no_picture_is_refused_with_a_sentence(scene, tmp_path):
    file = tmp_path / "letter.jpg"
    file.write_text("Dear sensor,", encoding="utf-8")
    scene.page.set_input_files("#choose", file)
    scene.page.locator("#picture-text.bad").wait_for()
    assert scene.page.inner_text("#picture-text") == "Not read: this is not a picture. Choose a JPEG, PNG or WebP."
    assert scene.page.locator("#answer").is_hidden()
    # The browser logs each response with an error status.
    scene.console_errors[:] = [one for one in scene.console_errors if "status of 415" not in one]


def test_current_frame_is_classified(scene):
    scene.page.locator("#live-boxes .box").first.wait_for()
    scene.page.click("#current")
    scene.page.locator("#picture-text", has_text="read in").wait_for()
    assert "480 pixels" in scene.page.inner_text("#picture-text")


@pytest.mark.parametrize(("size", "scheme"), [("desktop", "light"), ("phone", "dark")])
def test_page_fits_the_screen_and_follows_the_colour_scheme(scene, size, scheme):
    page = scene.open(size, scheme)
    page.locator("#live-boxes .box").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    red, *_ = map(int, re.findall(r"\d+", page.evaluate("getComputedStyle(document.body).backgroundColor")))
    assert (red > 200) == (scheme == "light")
    folder = os.environ.get("EMOTION_EDGE_SCREENSHOTS")
    if folder:
        page.screenshot(path=Path(folder, f"{size}-{scheme}.png"), full_page=True)
    page.context.close()


def test_page_works_with_keyboard_and_screen_reader(scene):
    page = scene.open()
    page.locator("#events li").first.wait_for()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the faces in view"
    # The oldest one: a newer event may come at any moment, and is shown above.
    page.locator("#events summary").last.focus()
    page.keyboard.press("Enter")
    assert page.locator("#events pre").last.is_visible()
    for name in ("Choose a picture", "Use the current frame"):
        assert page.get_by_text(name, exact=True).is_visible()
    unnamed = """() => [...document.querySelectorAll('canvas, section, [role=img]')]
      .filter(one => !one.ariaLabel && !one.getAttribute('aria-labelledby')).length"""
    assert page.evaluate(unnamed) == 0
    # Elements that change ten times a second are no live regions; events are announced, one at a time.
    for selector in ("#faces", "#live-boxes", "#timeline"):
        assert (
            page.evaluate(f"() => document.querySelector('{selector}').closest('[aria-live], [role=status]')") is None
        )
    page.locator("#spoken", has_text="Face").wait_for(state="attached")
    page.context.close()


def test_zone_and_mask_are_drawn_with_mouse_and_keyboard_and_applied_by_a_reload(scene):
    page = scene.page
    page.click("#areas summary")
    # With the mouse: a zone around the actor, who stands in the middle. Its third corner is dragged there.
    page.click("#draw-zone")
    click_corners(page, [(0.2, 0.1), (0.8, 0.1), (0.5, 0.5), (0.2, 0.9)], page.mouse.click)
    box = page.locator("#drawing").bounding_box()
    page.locator(".corner").nth(2).hover()
    page.mouse.down()
    page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 0.9 * box["height"])
    page.mouse.up()
    page.click("#area-done")
    assert page.inner_text("#areas-status") == "Give the zone a name of 1 to 32 letters (a to z), digits, - and _."
    page.keyboard.type("desk")  # the field has the focus
    page.keyboard.press("Enter")
    # With the keyboard: a mask over the right end, on the page; first in an order in which its sides cross.
    page.click("#draw-mask")
    assert page.evaluate("document.activeElement.id") == "drawing"
    for keys in ("Shift+ArrowRight " * 4, "Shift+ArrowUp " * 5, "Shift+ArrowRight", "Shift+ArrowDown " * 9):
        for key in keys.split():
            page.keyboard.press(key)
        page.keyboard.press("Enter")
    assert page.inner_text("#areas-status") == "Corner 4 at 100\u00a0% from the left, 90\u00a0% from the top."
    page.keyboard.press("Backspace")
    page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")  # to the first corner, which is at (0.9, 0.5)
    assert page.get_by_role("button", name="Corner 1 at 90").evaluate("(one) => one === document.activeElement")
    for _ in range(5):
        page.keyboard.press("Shift+ArrowUp")
    page.keyboard.press("Delete")
    page.click("#area-done")
    # Drawn on a mirrored picture, and written for the camera's.
    text = page.input_value("#areas-text")
    (zone,) = tomllib.loads(text)["zones"].values()
    assert np.allclose(zone, [(0.8, 0.1), (0.2, 0.1), (0.2, 0.9), (0.8, 0.9)], atol=0.01)
    assert text.startswith("[masks]\nmask-1 = [[0.1, 0], [0, 0], [0.1, 0.9]]\n")
    assert "Not in force yet." in page.inner_text("#areas-how")

    scene.reload(text)
    page.locator("#areas-how", has_text="In force, as the configuration file has it.").wait_for()
    mask = {"mask-1": [[0.9, 0], [1, 0], [0.9, 0.9]]}
    scene.subscriber.wait(lambda: scene.subscriber.of("info")[-1].json["masks"] == mask)
    scene.subscriber.wait(lambda: scene.subscriber.of("state")[-1].json["zones"].get("desk", {}).get("faces") == 1)
    state = scene.subscriber.of("state")[-1].json
    assert [face["zones"] for face in state["faces"]] == [["desk"]]
    page.locator("#live-boxes .box").first.wait_for()
    corner = """() => {
      const copy = new OffscreenCanvas(1, 1).getContext("2d");
      copy.drawImage(document.getElementById("live-picture"), -610, -30);
      return copy.getImageData(0, 0, 1, 1).data[0];
    }"""
    assert page.evaluate(corner) < 10  # JPEG


def test_mask_that_is_drawn_by_touch_removes_the_face_from_page_and_payloads(scene):
    page = scene.open("phone", has_touch=True, is_mobile=True)
    page.locator("#live-boxes .box").first.wait_for()
    page.locator("#areas summary").tap()
    page.locator("#draw-mask").tap()
    click_corners(page, [(0.1, 0.02), (0.9, 0.02), (0.9, 0.98), (0.1, 0.98)], page.touchscreen.tap)
    page.locator("#area-done").tap()
    text = page.input_value("#areas-text")
    assert text.count("mask-") == 2
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    scene.reload(text)
    page.locator("#areas-how", has_text="In force, as the configuration file has it.").wait_for()
    page.locator("#no-faces", has_text="No face in view.").wait_for()
    page.locator("#current").tap()
    page.locator("#picture-text", has_text="No face").wait_for()
    assert box_labels(page) == []
    # It left, and in 2.7 seconds, of which the actor is away for 1.5 at most, it does not come back.
    types = [seen.json["type"] for seen in scene.subscriber.of("event")]
    assert types[-1] == "face_left"
    frames = scene.subscriber.of("health")[-1].json["frames"]
    scene.subscriber.wait(lambda: scene.subscriber.of("health")[-1].json["frames"] >= frames + 40)
    assert len(scene.subscriber.of("event")) == len(types)
    assert scene.subscriber.of("state")[-1].json["zones"]["desk"] == {
        "present": False,
        "faces": 0,
        "emotion": None,
        "confidence": None,
        "valence": None,
    }
    scene.reload("")
    page.locator("#live-boxes .box").first.wait_for()
    page.context.close()


def test_login_is_needed_once_and_a_lost_camera_is_shown(scene, monkeypatch):
    monkeypatch.setenv("EMOTION_EDGE_PREVIEW_TOKEN", TOKEN)
    site = Site()
    try:
        context = scene.browser.new_context()
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{site.port}/")
        page.fill("#token", "not the token at all")
        page.get_by_role("button", name="Sign in").click()
        page.locator(".wrong", has_text="That is not the token.").wait_for()
        page.fill("#token", TOKEN)
        page.get_by_role("button", name="Sign in").click()
        page.locator("#name", has_text="Camera").wait_for()
        page.goto(f"http://127.0.0.1:{site.port}/login")  # a browser with the cookie is redirected
        page.locator("#name", has_text="Camera").wait_for()
        context.clear_cookies()
        page.goto(f"http://127.0.0.1:{site.port}/login#{TOKEN}")
        page.locator("#name", has_text="Camera").wait_for()
        (cookie,) = context.cookies()
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
        assert TOKEN not in page.url

        # A label that is held while another leads, a face that was not read yet, and what was held by one that left.
        held = dataclasses.replace(face(), label="sad", confidence=0.62)
        unread = dataclasses.replace(face(track=2), label="unknown", confidence=1 / 7, prediction=None, leader=None)
        site.show(result(1, faces=[held, unread]))
        page.locator("#live-boxes .box", has_text=re.compile("^sad 62\u00a0%, now happy")).wait_for()
        page.locator("#live-boxes .box", has_text=re.compile("^unknown$")).wait_for()
        assert page.locator("#faces .face").nth(1).locator("dt.best").count() == 0
        site.feed.event_decided(event(1, type="face_left", emotion="sad", confidence=0.62))
        page.locator("#events summary", has_text="Face 1 left, last sad 62\u00a0%").wait_for()

        # A lost camera in the health message.
        site.show(result(2, faces=[face()]))
        page.locator("#live-boxes .box", has_text="happy").wait_for()
        site.health = replace(site.health, source="lost", source_error="The device is gone", temperature_c=81.2)
        site.preview.blank()
        page.locator("#notices", has_text="The camera is lost: The device is gone.").wait_for()
        page.locator("#pills", has_text="81 °C").wait_for()
        page.locator("#no-faces", has_text="Not known while there is no live picture.").wait_for()
        assert box_labels(page) == []
        assert page.locator("#stage").get_attribute("class") == "stage old"
        context.close()
    finally:
        site.close()


def test_pause_removes_picture_and_boxes(scene):
    page = scene.page
    page.locator("#live-boxes .box").first.wait_for()
    scene.subscriber.publish("emotion-edge/cam/request/pause", b"{}")
    page.locator("#notices", has_text="Paused").wait_for()
    page.locator("#live-absent", has_text="Paused").wait_for()
    assert (
        page.evaluate("document.getElementById('live-picture').getContext('2d').getImageData(320, 240, 1, 1).data[3]")
        == 0
    )
    assert box_labels(page) == []
    assert page.locator("#current").is_disabled()
    scene.subscriber.publish("emotion-edge/cam/request/resume", b"{}")
    page.locator("#live-boxes .box").first.wait_for()
    assert page.locator("#notices p").count() == 0


def test_lost_broker_is_shown_and_events_wait(scene):
    page = scene.page
    scene.broker.stop()
    page.locator("#notices", has_text="The broker is not connected").wait_for()
    page.locator("#events small", has_text="not sent yet").first.wait_for()
    scene.broker.start()
    page.locator("#notices p").first.wait_for(state="detached")
    page.locator("#events small", has_text="sent late").first.wait_for()


def test_end_is_shown_and_the_console_has_no_errors(scene):
    assert scene.console_errors == []
    scene.process.send_signal(signal.SIGTERM)
    scene.page.locator(
        "#notices", has_text=re.compile(r"The sensor was stopped|No connection to the sensor")
    ).wait_for()
    assert box_labels(scene.page) == []
    assert scene.process.wait(60) == 0
    assert "Traceback" not in scene.err


def test_notice_is_one_sheet_of_a4_with_its_whole_text_and_a_code_that_can_be_read(scene, tmp_path):
    config = config_with(led="camera", KEEP_DAYS="30", OFFICER="iod@muzeum.example", LEGAL_BASIS="zgoda")
    html, svg = tmp_path / "notice.html", tmp_path / "notice.svg"
    page = scene.browser.new_page(
        viewport={"width": 794, "height": 1123}, device_scale_factor=2
    )  # A4 at 96 dpi, doubled
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text))
    for language in ("pl", "de"):
        write_notice(config, language, html)
        page.goto(html.as_uri())
        assert len(re.findall(rb"/Type /Page\b(?!s)", page.pdf(prefer_css_page_size=True, print_background=True))) == 1
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
        assert read_code(screenshot(page)) == SETTINGS["URL"]
    write_notice(config, "pl", svg)
    page.goto(svg.as_uri())
    # Whatever font there is, no line leaves the sheet.
    right = "Math.max(...[...document.querySelectorAll('text')].map(t => t.getBBox().x + t.getBBox().width))"
    assert page.evaluate(right) < WIDTH
    assert read_code(screenshot(page)) == SETTINGS["URL"]
    assert errors == []
    page.close()


def screenshot(page):
    return cv2.imdecode(np.frombuffer(page.screenshot(), np.uint8), cv2.IMREAD_GRAYSCALE)
