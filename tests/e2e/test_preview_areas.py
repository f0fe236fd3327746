"""What the page changes, in Chromium: masks and zones with the program's geometry, and the calm face."""

import numpy as np
import pytest
from msgspec.structs import replace

from edge.config.areas import check_areas
from edge.config.mqtt_schema import RequestsConfig
from edge.control.calm_face import CalmFace, CalmFaceFile
from edge.control.handler import RequestHandler
from edge.control.pause_file import PauseFile
from edge.messages.topics import Topics
from edge.polygon import oriented, problem_of
from edge.vision.classification.manifest import find_model, load_manifest
from support.browser import TIMEOUT_MS, chromium, click_corners
from support.mqtt import info, wait_until
from support.preview import LABELS, TOKEN, Site, result, shares

SQUARE = [(0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8)]


@pytest.fixture(scope="module")
def browser():
    with chromium() as one:
        yield one


@pytest.fixture(scope="module")
def page(browser):
    """A page without a token, for what its modules compute."""
    site = Site()
    page = browser.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    page.goto(f"http://127.0.0.1:{site.port}/")
    yield page
    page.close()
    site.close()


def test_corners_on_the_page_are_those_of_the_camera_whatever_rotation_and_flip(page):
    points = [(0.0, 0.0), (0.25, 0.0), (0.1, 0.7), (1.0, 0.4)]
    cases = [(rotate, flip) for rotate in (0, 90, 180, 270) for flip in ("none", "horizontal", "vertical")]
    shown = [[*oriented(points, *case)] for case in cases]
    script = """async ([cases, shown]) => {
      const { inCamera } = await import("/areas.js");
      return cases.map(([rotate, flip], index) => shown[index].map((point) => inCamera(point, { rotate, flip })));
    }"""
    found = page.evaluate(script, [cases, shown])
    for corners in found:
        assert [(round(x, 6), round(y, 6)) for x, y in corners] == points


def test_page_and_program_take_the_same_polygons(page):
    rng = np.random.default_rng(1)
    polygons = [rng.integers(0, 11, (count, 2)) / 10 for count in rng.integers(3, 7, 300)]
    polygons += [np.array(SQUARE), np.array([*SQUARE, SQUARE[1]]), np.array(SQUARE) / 1000]
    script = """async (polygons) => {
      const { problemOf } = await import("/areas.js");
      return polygons.map((corners) => problemOf({ kind: "zone", name: "a", corners }, []) === "");
    }"""
    taken = [problem_of([tuple(corner) for corner in polygon.tolist()]) is None for polygon in polygons]
    assert 20 < sum(taken) < 280
    assert page.evaluate(script, [polygon.tolist() for polygon in polygons]) == taken


def test_name_that_the_page_proposes_is_taken_by_the_program(page):
    names = ["Mask_1", "mask-2", "MASK--3"]
    script = """async (names) => {
      const { freeName } = await import("/areas.js");
      return freeName("mask", names.map((name) => ({ kind: "mask", name })));
    }"""
    proposed = page.evaluate(script, names)
    assert proposed == "mask-4"
    check_areas(dict.fromkeys([*names, proposed], SQUARE), {})


class AppliesSettings:
    """A sensor that brings what the page sets into force, as the daemon does. `site`: the page."""

    site = None

    def __init__(self):
        topics = Topics("emotion-edge", "cam")
        self.handler = RequestHandler(RequestsConfig(settable=["zones"]), topics, PauseFile(None))
        self.calm_face = self.look = None  # as the pipeline has them

    def submit(self, name, fields):
        response = self.handler.submit(name, fields)
        self.handler.process_pending(self, self.handler.settings.config)
        self.describe()
        return response

    def show_calm_face(self, *readings):
        """Show the sensor faces for five seconds, and let it answer."""
        for number in range(51):
            self.look.add(number / 10, list(enumerate(readings)))
        self.handler.process_pending(self, self.handler.settings.config)
        self.describe()

    def apply_settings(self, change):
        change.store()
        return change.config

    paused = False

    def describe(self):
        config = self.handler.settings.config
        model = replace(info().model, labels=list(LABELS))
        settings = self.handler.settings.describe(config)
        calm = self.handler.calm_face
        calm_face = info().calm_face if calm is None else calm.info
        changes = {"model": model, "zones": config.zones, "settings": settings, "calm_face": calm_face}
        self.site.preview.set_info(replace(info(), **changes))


def test_zone_is_applied_from_a_page_with_a_token_and_a_mask_that_may_not_be_set_is_not(browser, monkeypatch):
    monkeypatch.setenv("EMOTION_EDGE_PREVIEW_TOKEN", TOKEN)
    sensor = AppliesSettings()
    site = sensor.site = Site(server={"submit": sensor.submit})
    try:
        sensor.describe()
        page = browser.new_context().new_page()
        page.goto(f"http://127.0.0.1:{site.port}/login#{TOKEN}")
        site.show(result(1))
        page.click("#areas summary")
        page.click("#draw-zone")
        click_corners(page, SQUARE, page.mouse.click)
        page.fill("#area-name", "door")
        page.click("#area-done")
        page.locator("#areas-how", has_text="Not in force yet. Apply it, or put this text in place of").wait_for()
        page.click("#areas-apply")
        page.locator("#areas-how", has_text="In force. Zones: as set by a request").wait_for()
        assert page.inner_text("#areas-status") == "Applied."
        assert np.allclose(sensor.handler.settings.config.zones["door"], SQUARE, atol=0.01)
        assert page.locator("#areas-apply").is_hidden()
        # requests.settable names no masks.
        page.click("#draw-mask")
        click_corners(page, SQUARE, page.mouse.click)
        page.click("#area-done")
        page.locator("#areas-how", has_text="Not in force yet. Put this text in place of").wait_for()
        assert page.locator("#areas-apply").is_hidden()
        page.click("#areas-reset")
        page.locator("#areas-status", has_text="As the configuration file has it.").wait_for()
        page.locator("#areas-list li").filter(has_text="door").wait_for(state="detached")
        assert sensor.handler.settings.config.zones == {}
        page.context.close()
    finally:
        site.close()


def test_calm_face_is_shown_and_reset_from_a_page_with_a_token(browser, page, monkeypatch):
    assert page.locator("#calibrate").is_disabled(), "without a token"
    monkeypatch.setenv("EMOTION_EDGE_PREVIEW_TOKEN", TOKEN)
    sensor = AppliesSettings()
    sensor.handler.calm_face = CalmFace(load_manifest(find_model("normal")), CalmFaceFile(None))
    sensor.handler.calm_face.attach(sensor, lambda: "ok")
    site = sensor.site = Site(server={"submit": sensor.submit})
    sad = shares("sad", 0.97)
    try:
        sensor.describe()
        guarded = browser.new_context().new_page()
        guarded.goto(f"http://127.0.0.1:{site.port}/login#{TOKEN}")
        guarded.click("#calm-face summary")
        guarded.locator("#calm-face-text", has_text="None is kept.").wait_for()
        guarded.click("#calibrate")
        guarded.locator("#calm-face-status", has_text="Look at the camera, neutral, and hold still").wait_for()
        assert guarded.locator("#calibrate").is_disabled()
        wait_until(lambda: sensor.look is not None)
        sensor.show_calm_face(sad, sad)
        refusal = "Not calibrated: 2 faces are in view, but there must be one."
        guarded.locator("#calm-face-status.bad", has_text=refusal).wait_for()
        guarded.click("#calibrate")
        wait_until(lambda: sensor.look is not None)
        sensor.show_calm_face(sad)
        guarded.locator("#calm-face-status", has_text="Calibrated.").wait_for()
        guarded.locator("#calm-face-text", has_text="Shown on ").wait_for()
        assert sensor.calm_face is not None
        guarded.click("#calm-face-reset")
        guarded.locator("#calm-face-text", has_text="None is kept.").wait_for()
        assert sensor.calm_face is None
        guarded.context.close()
    finally:
        site.close()
