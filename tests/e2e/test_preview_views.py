"""What visitors read on the page, in Chromium: before the first picture, with groups, long labels, at any width."""

import dataclasses
import time
from types import SimpleNamespace

import numpy as np
import pytest
from msgspec.structs import replace

from edge.levels import LADDER
from edge.messages.payloads import BudgetStep
from edge.summary.report import Rules, period
from edge.summary.tally import LabelTally, Tally
from edge.types import Box, StepResult, TrackedFace
from support.browser import TIMEOUT_MS, chromium
from support.mqtt import NOW, event, health
from support.page_views import CUT_OFF, RECORDER
from support.preview import LABELS, Site, face, result, shares

LONG = (
    "anger_or_annoyance",
    "contemptuous_disapproval",
    "bored",
    "concentrated_on_something",
    "neutral",
    "overjoyed",
    "pain",
    "sleepy",
    "surprise",
    "tearful_sadness",
)
GROUPS = {"positive": ["happy", "surprise"], "negative": ["angry", "disgust", "fear", "sad"]}
UNKNOWN_YET = "Not known while there is no live picture."


@pytest.fixture(scope="module")
def browser():
    with chromium() as one:
        yield one


@pytest.fixture(scope="module")
def served():
    """One server for all tests of this file."""
    site = Site(fps=10)
    yield site
    site.close()


@pytest.fixture
def opened(browser, served):
    """Open the page of a sensor that has just started in a phone's window; its stream waits for `release`."""
    site = served
    site.health = health()
    site.describe()
    site.preview.blank()
    site.feed.history.clear()
    context = browser.new_context(viewport={"width": 390, "height": 844}, reduced_motion="reduce")
    context.set_default_timeout(TIMEOUT_MS)
    page = context.new_page()
    page.add_init_script(RECORDER)
    held, errors = [], []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.route("**/stream", lambda route: held.append(route))

    def open_page():
        page.goto(f"http://127.0.0.1:{site.port}/")

    def release():
        while not held:
            page.wait_for_timeout(20)
        held.pop().continue_()

    yield SimpleNamespace(site=site, page=page, open=open_page, release=release)
    context.close()
    assert errors == []


def assert_no_contradiction(views):
    """No view claims anything of the faces without a live picture, or beside boxes; none is black without a word."""
    for view in views:
        assert bool(view["instead"]) != view["live"], view
        assert view["boxes"] == 0 or view["live"], view
        assert view["cards"] == view["boxes"], view
        expected = "" if view["cards"] else "No face in view." if view["live"] else UNKNOWN_YET
        assert view["none"] == expected, view


def instead_of_picture(views):
    texts = [view["instead"] for view in views]
    return [text for index, text in enumerate(texts) if not index or text != texts[index - 1]]


def test_nothing_is_claimed_before_it_is_known(opened):
    page, site = opened.page, opened.site
    opened.open()
    page.locator("#live-absent", has_text="Connecting to the sensor").wait_for()
    assert page.locator("#current").is_disabled()
    opened.release()  # the sensor has no picture yet
    page.locator("#live-absent", has_text="Waiting for the first picture").wait_for()
    site.show(result(1, faces=[face()]))
    page.locator("#live-boxes .box", has_text="happy").wait_for()
    # In the background and back: what is on the page is old until the sensor is connected again.
    page.evaluate("setHidden(true)")
    page.locator("#live-absent", has_text="Connecting to the sensor").wait_for()
    page.evaluate("setHidden(false)")
    opened.release()
    page.locator("#live-boxes .box", has_text="happy").wait_for()
    # Paused: picture and boxes go in one step.
    site.health = replace(site.health, paused=True, source="paused")
    site.preview.blank()
    page.locator("#live-absent", has_text="Paused").wait_for()
    # Resumed: opening, then a picture without a face.
    site.health = replace(site.health, paused=False, source="opening")
    page.locator("#live-absent", has_text="The camera is being opened.").wait_for()
    site.show(result(2))
    site.health = replace(site.health, source="ok")
    page.locator("#no-faces", has_text="No face in view.").wait_for()
    views = page.evaluate("views")
    assert_no_contradiction(views)
    assert instead_of_picture(views) == [
        "Connecting to the sensor …",
        "Waiting for the first picture …",
        "",
        "Connecting to the sensor …",
        "",
        "Paused: the sensor captures no pictures.",
        "The camera is being opened.",
        "",
    ]
    assert views[0]["timeline"] == views[0]["events"] == "Not known before the sensor is connected."
    paused = [view for view in views if view["instead"].startswith("Paused")]
    assert not any(view["picture"] for view in paused)


def test_slow_connection_and_processor_show_no_contradiction(opened):
    session = opened.page.context.new_cdp_session(opened.page)
    session.send("Network.enable")
    slow = {"offline": False, "latency": 100, "downloadThroughput": 200_000, "uploadThroughput": 200_000}
    session.send("Network.emulateNetworkConditions", slow)
    session.send("Emulation.setCPUThrottlingRate", {"rate": 4})
    opened.site.show(result(1, faces=[face()]))
    opened.open()
    opened.release()
    opened.page.locator("#live-boxes .box").first.wait_for()
    views = opened.page.evaluate("views")
    assert_no_contradiction(views)
    assert "No face in view." not in {view["none"] for view in views}
    assert views[0]["instead"] == "Connecting to the sensor …"


def test_paused_sensor_is_shown_as_paused_from_the_start(opened):
    opened.site.health = replace(opened.site.health, paused=True, source="paused")
    opened.open()
    opened.release()
    opened.page.locator("#live-absent", has_text="Paused").wait_for()
    views = opened.page.evaluate("views")
    assert_no_contradiction(views)
    assert instead_of_picture(views)[-2:] == ["Connecting to the sensor …", "Paused: the sensor captures no pictures."]


def test_groups_and_held_labels_are_shown(opened):
    page, site = opened.page, opened.site
    site.describe(groups=GROUPS)
    held = TrackedFace(1, Box(16, 12, 32, 24), "happy", 0.91, shares("sad", 0.88), shares("sad", 0.88), "sad")
    site.feed.event_decided(replace(event(1), emotion="happy", confidence=0.9, group="positive"))
    opened.open()
    opened.release()
    site.show(result(1, faces=[held]))
    page.locator("#live-boxes .box", has_text="happy 91\u00a0% (positive), now sad 88\u00a0%").wait_for()
    card = page.locator("#faces .face")
    assert card.locator(".of").inner_text() == "happy 91\u00a0% (positive)"
    assert card.locator(".held").inner_text() == "Now sad leads with 88\u00a0%; happy is held."
    names = ["positive", "happy", "surprise", "negative", "angry", "disgust", "fear", "sad", "neutral"]
    assert card.locator("dt").all_inner_texts() == names
    values = dict(zip(names, card.locator("dd:not(.raw)").all_inner_texts(), strict=True))
    assert (values["positive"], values["negative"], values["sad"]) == ("4\u00a0%", "94\u00a0%", "88\u00a0%")
    # Nothing is averaged here, so that the last picture alone would show the same once more.
    assert page.locator(".legend").is_hidden()
    assert card.locator("dd.raw").first.is_hidden()
    palette = page.locator("#palette li").all_inner_texts()
    assert [text.split() for text in palette][:2] == [
        ["positive", *GROUPS["positive"]],
        ["negative", *GROUPS["negative"]],
    ]
    assert "(positive)" in page.locator("#events summary").inner_text()
    # A reload takes the groups away, without a new picture.
    site.describe()
    page.wait_for_function("() => document.querySelectorAll('#faces dt').length === 7")
    assert card.locator("dt").all_inner_texts() == list(LABELS)


def test_each_level_is_explained(opened):
    page, site = opened.page, opened.site
    opened.open()
    opened.release()
    levels = [level.name for level in LADDER]
    for index, level in enumerate(LADDER):
        step = BudgetStep(
            time=NOW, from_level="full", to_level=level.name, reason="latency", detail="3 of 40 were slow"
        )
        budget = replace(site.health.budget, level=level.name, level_index=index, levels=levels, steps=[step])
        site.health = replace(site.health, budget=budget)
        site.preview.blank()
        site.preview.show(result(index), 5.0, level)
        shown = "full" if index == 0 else f"reduced, step {index} of 3"
        page.locator("#pills", has_text=f"Work per frame: {shown}").wait_for()
        text = page.locator("#level-text").inner_text()
        if index == 0:
            assert text == "Full work: every frame gets all of the work, because frames keep within 100 ms."
        else:
            assert text.startswith(
                f"Less work per frame to keep within 100 ms, step {index} of 3 (level “{level.name}”): the "
            )
            assert text.endswith(" Reason: 3 of 40 were slow.")


def long_history(site):
    """Show ten faces with changing long labels over the last minutes, then two faces now."""
    now, luma = time.time(), np.full((480, 640), 90, np.uint8)
    later = time.monotonic() + 1  # than the last sample of the test before

    def step(number, unix, faces):
        frame = dataclasses.replace(result(number, luma=luma).frame, captured_unix=unix)
        return StepResult(frame, tuple(faces), (), {"detect": 1.0, "track": 0.1, "classify": 2.0})

    def tracked(track, label, box):
        return TrackedFace(track, box, label, 0.91, shares("bored", 0.8, LONG), shares("neutral", 0.8, LONG), "bored")

    for number in range(0, 290, 2):
        present = [track for track in range(1, 11) if 20 * track - 20 <= number < 20 * track + 110]
        label = [LONG[(number // 40 + track) % len(LONG)] for track in range(11)]
        faces = [tracked(track, label[track], Box(9, 9, 50, 50)) for track in present]
        site.feed.show(later + number, step(number, now - 290 + number, faces), 5.0, 0)
    corner, right = Box(5, 5, 90, 90), Box(480, 180, 140, 150)
    site.show(step(300, now, [tracked(11, "concentrated_on_something", right), tracked(12, "unknown", corner)]))


def made_up_hours():
    """Return the hours of a day: a busy one, one with few visits, one without the sensor, and others with nobody."""
    labels = [*LONG, "unknown"]
    rules = Rules(LONG, {}, 5, lambda _: 3600)
    busy = Tally(3500.0, 60.0, 3000.0, 123, [100, 10, 5, 5, 2, 1], {label: LabelTally(400.0, 9) for label in labels})
    busy.valence_seconds, busy.valence_sum = 3000.0, -750.0
    few = Tally(3600.0, 0.0, 90.0, 2, [0, 1, 1, 0, 0, 0], {labels[0]: LabelTally(90.0, 2)})
    tallies = [busy, few, Tally(), *(Tally(3600.0) for _ in range(20)), Tally(900.0)]
    noon = 1_795_780_800
    return [
        period(one, (noon + 3600 * at, noon + 3600 * at + 3600), noon + 83_700, rules) for at, one in enumerate(tallies)
    ]


def test_last_24_hours_are_a_chart_and_the_same_as_a_table(opened):
    page, site = opened.page, opened.site
    page.set_viewport_size({"width": 1000, "height": 844})
    site.preview.set_hours(())
    opened.open()
    opened.release()
    page.locator("#live-absent", has_text="Waiting for the first picture").wait_for()
    assert not page.locator("#hours-card").is_visible()  # a sensor that keeps no summary
    site.preview.set_hours(made_up_hours())
    page.locator("#hours-card").wait_for()
    assert page.locator("#hours-text").inner_text() == "125 visits, somebody in view for 52 min"
    heights = page.locator("#hours .present").evaluate_all("all => all.map((one) => parseFloat(one.style.height))")
    assert heights == [83.3, 2.5, *([0] * 22)]
    assert page.locator("#hours .looked").evaluate_all("all => all.map((one) => parseFloat(one.style.height))")[:3] == [
        97.2,
        100,
        0,
    ]
    page.locator("#hours-card summary").click()
    rows = [row.split("\t") for row in page.locator("#hours-card tbody tr").all_inner_texts()]
    assert len(rows) == 24
    assert rows[0][:6] == ["13:00", "123", "50 min", "58 min", "2 min", "-0.25"]  # by local time
    assert rows[1] == ["14:00", "2", "2 min", "1 h 0 min", "0 s", "\N{EN DASH}", "withheld"]
    assert rows[2] == ["15:00", "0", "0 s", "0 s", "1 h 0 min", "\N{EN DASH}", "\N{EN DASH}"]
    assert rows[23][0] == "12:00 (so far)"
    assert page.locator("#hours-card th[scope=col]").count() == len(rows[0])
    assert page.locator("#hours-card th[scope=row]").count() == 24
    assert page.locator("#hours").get_attribute("aria-hidden") == "true"
    spans = 'async (all) => { const { span } = await import("/hours.js"); return all.map(span); }'
    assert page.evaluate(spans, [0, 59.4, 59.6, 3569, 3571, 7190]) == [
        "0 s",
        "59 s",
        "1 min",
        "59 min",
        "1 h 0 min",
        "2 h 0 min",
    ]


def test_no_text_is_cut_off_at_any_width(opened):
    page, site = opened.page, opened.site
    site.describe(LONG, {"needs attention by the staff": ["pain", "sleepy", "tearful_sadness"], "fine": ["overjoyed"]})
    long_history(site)
    site.preview.set_hours(made_up_hours())
    opened.open()
    opened.release()
    page.locator("#live-boxes .box").first.wait_for()
    page.locator("#hours-card summary").click()
    texts = set()
    for width in (320, 390, 768, 1000, 1920):
        page.set_viewport_size({"width": width, "height": 844})
        assert (width, page.evaluate(CUT_OFF)) == (width, [])
        texts.update(page.locator("#timeline .segment:not(:empty)").all_inner_texts())
    assert {"bored", "neutral", "pain"} <= texts  # a text that has room is shown
    assert page.locator("#timeline-text").inner_text() == "last 5 minutes, newest 6 of 12 faces"
    tones = page.locator("#palette span").evaluate_all(
        "all => all.map((one) => getComputedStyle(one, '::before').backgroundColor)"
    )
    assert len(set(tones)) == len(LONG) + 1  # each label has a colour of its own
    page.emulate_media(color_scheme="dark")
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 844})
        assert (width, page.evaluate(CUT_OFF)) == (width, [])
