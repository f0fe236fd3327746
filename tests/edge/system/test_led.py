"""The light on an LED of the kernel: who holds it, who switches it off, and what else may switch it."""

import re

import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from edge.errors import IndicatorError
from edge.system.led import IndicatorLight
from support.fake_leds import FakeLed, FakeLeds


@pytest.fixture
def leds(tmp_path):
    with FakeLeds(tmp_path, FakeLed("camera", most=255), FakeLed("ACT", trigger="mmc0")) as leds:
        yield leds


def light(leds, name="camera"):
    return IndicatorLight(name, leds.folder)


def test_light_is_as_bright_as_the_led_can_be_until_the_last_holder_releases_it(leds):
    one = light(leds)
    one.hold()
    one.hold()
    assert leds.leds[0].brightness == 255
    one.release()
    assert leds.leds[0].brightness == 255
    one.release()
    assert leds.leds[0].brightness == 0


def test_another_process_does_not_switch_off_a_light_that_is_held(leds):
    service, doctor = light(leds), light(leds)
    service.hold()
    doctor.hold()
    doctor.release()
    assert leds.leds[0].brightness == 255
    assert doctor.clear() is False
    assert leds.leds[0].brightness == 255
    doctor.hold()
    service.release()
    assert leds.leds[0].brightness == 255
    doctor.release()
    assert leds.leds[0].brightness == 0


def test_clear_switches_off_what_a_killed_process_has_left_on(leds):
    leds.leds[0].shine(255)
    assert light(leds).clear() is True
    assert leds.leds[0].brightness == 0


def test_trigger_of_the_kernel_is_removed_before_the_light_goes_on(leds):
    led = leds.leds[1]
    led.shine(1)
    act = light(leds, "ACT")
    assert act.trigger() == "mmc0"
    act.hold()
    assert (led.trigger, led.brightness, act.trigger()) == ("none", 1, None)


def test_ensure_puts_right_what_something_else_has_switched(leds):
    led, camera = leds.leds[0], light(leds)
    camera.hold()
    assert camera.ensure() is None
    led.write("brightness", b"0")
    assert camera.ensure() == "another program had switched off the light camera: it is on again"
    led.write("trigger", b"heartbeat\n")
    assert camera.ensure() == "the kernel's trigger heartbeat had taken the light camera: it is on again"
    assert (led.trigger, led.brightness) == ("none", 255)


def test_led_that_goes_while_it_is_held_is_an_error_and_not_a_crash_at_the_end(leds, caplog):
    camera = light(leds)
    camera.hold()
    gone = leds.leds.pop(0)
    with pytest.raises(IndicatorError, match=r"cannot be written \(No such device\): the LED has gone"):
        camera.ensure()
    camera.release()
    assert "the light camera cannot be switched off" in caplog.text
    with pytest.raises(IndicatorError, match="there is no such LED"):
        camera.hold()
    leds.leds.append(gone)
    camera.hold()
    assert gone.brightness == 255


def test_led_that_is_not_there_is_named_with_those_that_are(leds):
    with pytest.raises(IndicatorError) as error:
        light(leds, "camra").check()
    assert str(error.value) == f'indicator.led is "camra", but there is no such LED: {leds.folder} has ACT, camera'
    leds.leds.clear()
    with pytest.raises(IndicatorError, match=re.escape(f"{leds.folder} has none (dtoverlay=gpio-led makes one")):
        light(leds).hold()


def test_led_that_may_not_be_written_is_named_with_the_way_to_the_right(leds):
    leds.leds[0].writable = False
    for use in (light(leds).check, light(leds).hold, light(leds).clear):
        with pytest.raises(IndicatorError, match=r"camera/brightness cannot be written \(Permission denied\): `sudo "):
            use()


def test_led_that_stays_dark_is_an_error_and_is_not_held(leds):
    led, camera = leds.leds[0], light(leds)
    led.broken = True
    with pytest.raises(IndicatorError, match="this LED stays dark when it is switched on"):
        camera.hold()
    led.broken = False
    assert light(leds).clear() is True


class Users(RuleBasedStateMachine):
    """Two processes whose cameras open and close in any order, while other programs play with the LED."""

    leds: FakeLeds

    def __init__(self):
        super().__init__()
        self.processes = [light(self.leds) for _ in range(2)]
        self.held = [0, 0]
        self.disturbed = False
        self.leds.leds[0].shine(0)

    def _hold(self, process):
        self.processes[process].hold()
        self.held[process] += 1
        self.disturbed = False

    def _release(self, process):
        if self.held[process]:
            self.processes[process].release()
            self.held[process] -= 1

    @rule()
    def first_opens(self):
        self._hold(0)

    @rule()
    def second_opens(self):
        self._hold(1)

    @rule()
    def first_closes(self):
        self._release(0)

    @rule()
    def second_closes(self):
        self._release(1)

    @rule()
    def somebody_switches_it_off(self):
        self.leds.leds[0].write("brightness", b"0\n")
        self.disturbed = True

    @rule()
    def who_holds_it_looks(self):
        for process, held in zip(self.processes, self.held, strict=True):
            if held:
                process.ensure()
                self.disturbed = False

    @rule()
    def a_start_clears(self):
        light(self.leds).clear()

    @invariant()
    def it_is_on_exactly_while_it_is_held(self):
        if not self.disturbed:
            assert bool(self.leds.leds[0].brightness) == (sum(self.held) > 0)

    def teardown(self):
        for process, held in zip(self.processes, self.held, strict=True):
            for _ in range(held):
                process.release()
        assert self.leds.leds[0].brightness == 0


def test_light_is_on_exactly_while_somebody_holds_it(leds):
    machine = type("UsersOfTheseLeds", (Users,), {"leds": leds})
    test_case = machine.TestCase()
    test_case.settings = settings(max_examples=30, stateful_step_count=20, deadline=None)
    test_case.runTest()
