"""A camera and its light: which of the two goes first, and what happens where one of them fails."""

from pathlib import Path

import pytest

from edge.capture.auto import ACTOR, AutoSource, CameraChoice
from edge.capture.cameras.find import FoundCameras
from edge.capture.cameras.judgement import V4l2Camera
from edge.capture.cameras.video_nodes import VideoNode
from edge.capture.capture import Capture
from edge.capture.lit_source import LitSource, with_light
from edge.capture.reconnect import ReconnectPolicy
from edge.errors import SourceError, SourceLostError
from edge.system.led import IndicatorLight
from support.fake_leds import FakeLed, FakeLeds
from support.sources import LONG_SECONDS, FixedBackoff, ManualCamera, until


@pytest.fixture
def led(tmp_path):
    with FakeLeds(tmp_path, FakeLed("camera")) as leds:
        leds.leds[0].light = IndicatorLight("camera", tmp_path)
        leds.leds[0].leds = leds
        yield leds.leds[0]


class Witness(ManualCamera):
    """Notes whether the LED shone when the camera was opened and when it was closed."""

    def __init__(self, led, **options):
        super().__init__(**options)
        self.led = led
        self.seen = []

    def open(self):
        self.seen.append(self.led.brightness)
        super().open()

    def close(self):
        self.seen.append(self.led.brightness)
        super().close()


def test_light_is_on_before_the_camera_opens_and_until_it_has_closed(led):
    camera = Witness(led)
    source = LitSource(camera, led.light)
    assert (source.uri, source.live) == ("manual:", True)
    source.open()
    camera.give()
    assert source.read() is not None
    source.close()
    source.close()
    assert camera.seen[:2] == [1, 1]
    assert led.brightness == 0


def test_camera_that_cannot_be_opened_leaves_the_light_off(led):
    source = LitSource(Witness(led, open_error=SourceError("no such device")), led.light)
    with pytest.raises(SourceError, match="no such device"):
        source.open()
    assert [brightness for _, brightness in led.history] == [1, 0]


def test_camera_stays_closed_where_the_light_cannot_be_switched_on(led):
    led.writable = False
    camera = Witness(led)
    with pytest.raises(SourceError, match=r'indicator\.led is "camera", but .* cannot be written'):
        LitSource(camera, led.light).open()
    assert not camera.opened.is_set()


def test_file_is_no_camera_and_leaves_the_light_alone(led):
    source = ManualCamera(live=False)
    assert with_light(source, led.light) is source
    assert with_light(ManualCamera(), None).live


def test_light_that_something_switches_off_is_on_again_within_a_second_of_frames(led, caplog):
    now = 100.0
    camera = ManualCamera()
    source = LitSource(camera, led.light, lambda: now)
    source.open()
    led.write("brightness", b"0\n")
    camera.give()
    source.read()
    assert led.brightness == 0
    now = 101.0
    camera.give()
    source.read()
    assert led.brightness == 1
    assert "another program had switched off the light camera" in caplog.text
    source.close()


def test_camera_is_closed_where_the_light_goes_out_for_good(led):
    now = 100.0
    camera = ManualCamera()
    source = LitSource(camera, led.light, lambda: now)
    source.open()
    led.leds.leds.clear()
    now = 102.0
    camera.give()
    with pytest.raises(SourceLostError, match="the LED has gone"):
        source.read()
    source.close()
    assert camera.closed.is_set()


def test_light_follows_a_camera_through_pause_loss_and_stall(led):
    cameras = [Witness(led) for _ in range(4)]
    waiting = iter(cameras)
    capture = Capture(
        lambda: with_light(next(waiting), led.light),
        fast=False,
        policy=ReconnectPolicy(LONG_SECONDS),
        backoff=FixedBackoff(),
    )
    capture.start()
    first, lost, third, hanging = cameras
    assert led.brightness == 1
    capture.pause()
    first.give()  # the read that is in hand
    until(lambda: led.brightness == 0)
    capture.resume()
    assert lost.opened.wait(LONG_SECONDS)
    assert led.brightness == 1
    lost.lose()
    assert third.opened.wait(LONG_SECONDS)
    third.lose()
    assert hanging.opened.wait(LONG_SECONDS)
    # Each was opened, and closed, with the light on; between two it was off.
    assert [camera.seen for camera in cameras] == [[1, 1], [1, 1], [1, 1], [1]]
    assert [brightness for _, brightness in led.history] == [1, 0] * 3 + [1]
    # A thread that hangs in the driver keeps its camera open, whatever the program wants.
    assert hanging.reading.wait(LONG_SECONDS)
    capture.pause()
    assert led.brightness == 1
    hanging.give()
    until(lambda: led.brightness == 0)
    capture.stop()


def test_source_auto_lights_for_its_camera_and_not_for_the_actor(led):
    camera, found = Witness(led), []
    camera.uri = "v4l2:A Camera"
    actor = ManualCamera(live=False)
    made = {ACTOR: actor, camera.uri: camera}
    choice = CameraChoice(
        lambda uri: with_light(made[uri], led.light),
        may_play_actor=True,
        find=lambda: FoundCameras((), tuple(found)),
        devices=list,
    )
    source = AutoSource(choice)
    source.open()
    actor.give()
    assert source.read() is not None
    assert led.brightness == 0
    source.close()
    found.append(V4l2Camera(VideoNode(Path("/dev/video0")), "A Camera"))
    source = AutoSource(choice)
    source.open()
    assert (source.uri, camera.seen, led.brightness) == ("v4l2:A Camera", [1], 1)
    source.close()
    assert (camera.seen[1], led.brightness) == (1, 0)
