"""Requests to the real program over a real broker, with a file and with a camera that is released."""

import json
import math
import shutil
import signal
import threading
import time

import pytest

from edge.vision.calm_face import BOUND
from edge.vision.classification.manifest import find_model, manifest_path
from support import homeassistant_rules as rules
from support.fake_leds import FakeLed, FakeLeds
from support.http_camera import PASSWORD, USER, HttpCamera
from support.mqtt import wait_until
from support.mqtt5 import Requester
from support.program import kill, start

ENDLESS = "scripted:happy=2,surprise=2?seed=5&loop=1"
SETTINGS = {
    "EMOTION_EDGE_DEVICE_ID": "cam",
    "EMOTION_EDGE_HEALTH_INTERVAL_SECONDS": "1",
    # A busy machine must not lower the degradation level, which would change the events.
    "EMOTION_EDGE_BUDGET_LATENCY_MS": "10000",
}


class Running:
    """The running program, and a client that sends requests to it."""

    def __init__(self, broker, subscriber, source, inside=(), **changes):
        self.subscriber = subscriber
        self._log_lines = []
        subscribed = broker.log().count("request/+ (QoS 1)")
        self.process = start(
            *("run", "--source", source, "--mqtt", broker.url, "--log-level", "debug"),
            inside=inside,
            **(SETTINGS | changes),
        )
        # A flood of requests logs more at this level than a pipe holds.
        self._reader = threading.Thread(target=lambda: self._log_lines.extend(self.process.stderr), daemon=True)
        self._reader.start()
        wait_until(lambda: broker.log().count("request/+ (QoS 1)") > subscribed)

    @property
    def log(self):
        return "".join(self._log_lines)

    def request(self, name, payload=b""):
        before = len(self.subscriber.of("response"))
        self.subscriber.publish(f"emotion-edge/cam/request/{name}", payload)
        self.subscriber.wait(lambda: len(self.subscriber.of("response")) > before)
        response = self.subscriber.of("response")[before]
        return response.topic.rpartition("/")[2], response.json

    def states(self):
        return [seen.json for seen in self.subscriber.of("state")]

    def events(self):
        return [seen.json for seen in self.subscriber.of("event")]

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        code = self.process.wait(60)
        self._reader.join(60)
        return code


@pytest.fixture
def running(broker, subscribe):
    """Run the program, one at a time, with a subscriber."""
    programs = []

    def run(source=ENDLESS, **changes):
        programs.append(Running(broker, programs[0].subscriber if programs else subscribe(broker), source, **changes))
        return programs[-1]

    yield run
    for program in programs:
        kill(program.process)


def test_valid_and_invalid_requests_are_answered(running):
    program = running()
    name, response = program.request("health", b'{"transaction":"7"}')
    assert (name, response["status"], response["transaction"]) == ("health", "ok", "7")
    assert response["health"]["source"] in {"opening", "ok"}
    _, response = program.request("config")
    assert response["config"]["source"]["uri"] == ENDLESS
    assert response["config"]["budget"]["latency_ms"] == 10000
    for name, payload, parts in (
        ("reboot", b"", ('"reboot"', "known: pause, resume, health, config, set, reset, calibrate", "a JSON object")),
        ("reboot", b"now", ('"reboot"', "known: pause, resume, health, config, set, reset, calibrate")),
        ("health", b"{", ("not JSON", '{"transaction": "7"}')),
        ("pause", b"OFF", ('"OFF"', "not JSON", '{"paused": true}')),
        ("pause", b"[false]", ("[false]", "a JSON object", '{"paused": true}')),
        ("pause", b"x" * 5000, ("5000", "4096")),
        ("pause", b'{"paused":"no"}', ('"no"', "true or false")),
        ("resume", b'{"now":true}', ('"now"', "known: transaction")),
    ):
        answered, response = program.request(name, payload)
        assert answered == (name if name != "reboot" else "unknown")
        assert response["status"] == "error"
        assert all(part in response["error"] for part in parts), response["error"]
    assert program.end() == 0


def test_mqtt_5_request_is_answered_on_its_response_topic(running, broker):
    program = running()
    five = Requester(broker.port)
    five.request("emotion-edge/cam/request/health", b'{"transaction":"5"}', "answers/response/mine", b"\0\xff")
    wait_until(lambda: five.seen)
    topic, payload, correlation = five.seen[0]
    assert (topic, correlation) == ("answers/response/mine", b"\0\xff")
    assert (json.loads(payload)["status"], json.loads(payload)["transaction"]) == ("ok", "5")
    program.subscriber.wait(lambda: len(program.subscriber.of("response")) == 2)
    assert [(seen.topic, seen.payload) for seen in program.subscriber.of("response")] == [
        ("emotion-edge/cam/response/health", payload),
        ("answers/response/mine", payload),
    ]
    five.request("emotion-edge/cam/request/foo", b"now", "answers/response/mine", b"2")
    wait_until(lambda: len(five.seen) == 2)
    topic, payload, correlation = five.seen[1]
    assert (topic, correlation) == ("answers/response/mine", b"2")
    assert json.loads(payload)["error"].startswith(
        'unknown request "foo"; known: pause, resume, health, config, set, reset, calibrate; '
    )
    # A retained topic of the sensor is refused: the response would replace its state.
    five.request("emotion-edge/cam/request/pause", b"", "emotion-edge/cam/state", b"1")
    program.subscriber.wait(lambda: len(program.subscriber.of("response")) == 5)
    assert "the response topic" in program.subscriber.of("response")[4].json["error"]
    assert program.request("health")[1]["health"]["paused"] is False
    five.close()
    assert program.end() == 0


def test_pause_makes_every_face_leave_and_stops_a_file(running):
    program = running()
    program.subscriber.wait(lambda: [one for one in program.events() if one["type"] == "face_appeared"])
    assert program.request("pause", b'{"paused": true}')[1]["paused"] is True
    assert program.events()[-1]["type"] == "face_left"
    state = program.states()[-1]
    assert (state["paused"], state["present"], state["faces"]) == (True, False, [])
    _, response = program.request("health")
    assert (response["health"]["paused"], response["health"]["source"]) == (True, "paused")
    frames, events = response["health"]["frames"], len(program.events())
    time.sleep(1.0)
    assert program.request("health")[1]["health"]["frames"] == frames
    assert len(program.events()) == events
    assert program.request("resume")[1]["paused"] is False
    program.subscriber.wait(lambda: len(program.events()) > events)
    assert program.events()[-1]["type"] == "face_appeared"
    assert program.states()[-1]["paused"] is False
    assert program.end() == 0
    assert program.log.count(" by request") == 2


@pytest.fixture
def camera():
    served = HttpCamera()
    yield served
    served.close()


@pytest.fixture
def lit(tmp_path):
    """The LED that the program switches, and how it is started for that."""
    folder = tmp_path / "leds"
    folder.mkdir()
    with FakeLeds(folder, FakeLed("camera", most=255, trigger="mmc0")) as leds:
        yield leds.leds[0], {"inside": leds.inside(), "EMOTION_EDGE_INDICATOR_LED": "camera"}


def test_light_is_on_while_the_camera_is_open_and_after_a_kill_and_off_after_an_end(running, camera, lit):
    led, settings = lit
    program = running(camera.uri, **settings)
    wait_until(lambda: camera.watchers == 1)
    assert (led.brightness, led.trigger) == (255, "none")
    program.request("pause")
    wait_until(lambda: led.brightness == 0)
    program.request("resume")
    # The camera notices late that its only watcher has gone, so that it may still count that one.
    wait_until(lambda: camera.watchers == 1 and led.brightness == 255)
    changes = len(led.history)
    program.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "configuration reloaded" in program.log)
    assert len(led.history) == changes, "a reload leaves the camera and its light alone"
    camera.away = True
    wait_until(lambda: led.brightness == 0)
    camera.away = False
    wait_until(lambda: camera.watchers == 1 and led.brightness == 255)
    program.end(signal.SIGKILL)
    assert led.brightness == 255, "whoever is seen must not take a dark light for a closed camera"
    program = running(camera.uri, **settings)
    wait_until(lambda: camera.watchers == 1)
    assert program.end() == 0
    assert led.brightness == 0


def test_pause_releases_the_camera_and_outlives_the_process(running, camera):
    program = running(camera.uri)
    program.subscriber.wait(lambda: [one for one in program.events() if one["type"] == "face_appeared"])
    assert camera.watchers == 1
    program.request("pause")
    wait_until(lambda: camera.watchers == 0)
    program.request("resume")
    wait_until(lambda: camera.watchers == 1)
    events = len(program.events())
    program.subscriber.wait(lambda: len(program.events()) > events)
    response = program.request("config")[1]
    assert response["config"]["source"]["uri"].startswith("http://***@127.0.0.1")
    program.request("pause")
    wait_until(lambda: camera.watchers == 0)
    # As a power cut: nothing is published and nothing cleaned up.
    program.end(signal.SIGKILL)
    watched, log = camera.watched, program.log
    again = running(camera.uri)
    _, response = again.request("health")
    assert (response["health"]["paused"], response["health"]["frames"]) == (True, 0)
    assert again.states()[-1]["paused"] is True
    assert camera.watched == watched, "the camera is not even opened"
    again.request("resume")
    wait_until(lambda: camera.watchers == 1)
    again.subscriber.wait(lambda: again.events()[-1]["type"] == "face_appeared")
    assert again.end() == 0
    assert "capture is paused, as before the restart" in again.log
    published = b" ".join(seen.payload for seen in again.subscriber.seen).decode()
    for secret in (USER, PASSWORD):
        assert secret not in published
        assert secret not in log + again.log


def test_password_in_the_path_of_a_camera_is_neither_logged_nor_published(running, camera):
    program = running(camera.uri_with_secret_in_path)
    program.subscriber.wait(lambda: [one for one in program.events() if one["type"] == "face_appeared"])
    camera.away = True
    program.subscriber.wait(lambda: [one for one in program.subscriber.of("health") if one.json["source"] == "lost"])
    response = program.request("config")[1]
    shown = camera.uri_with_secret_in_path.replace(USER, "***").replace(PASSWORD, "***")
    assert response["config"]["source"]["uri"] == shown
    assert program.subscriber.of("info")[-1].json["source"] == shown
    errors = [one.json["source_error"] for one in program.subscriber.of("health") if one.json["source"] == "lost"]
    assert shown in errors[0]
    program.end()
    assert shown in program.log
    published = b" ".join(seen.payload for seen in program.subscriber.seen).decode()
    for secret in (USER, PASSWORD):
        assert secret not in published + program.log


def test_retained_requests_and_floods_are_ignored(running, subscribe, broker):
    early = subscribe(broker)
    early.publish("emotion-edge/cam/request/pause", b"{}", retain=True)
    program = running()
    program.subscriber.wait(lambda: program.events())
    assert program.request("health")[1]["health"]["paused"] is False
    before = len(program.subscriber.of("response"))
    for number in range(300):
        program.subscriber.publish("emotion-edge/cam/request/health", json.dumps({"transaction": str(number)}).encode())
    events = len(program.events())
    program.subscriber.wait(lambda: len(program.events()) > events)
    responses = [seen.json for seen in program.subscriber.of("response")[before:]]
    assert any("too many requests" in (one["error"] or "") for one in responses)
    assert len(responses) < 100
    assert program.end() == 0
    assert "request/pause' ignored: publish requests without the retain flag" in program.log


def test_disabled_requests_are_not_subscribed(broker, subscribe):
    subscriber = subscribe(broker)
    process = start(
        *("run", "--source", ENDLESS, "--mqtt", broker.url), **SETTINGS, EMOTION_EDGE_REQUESTS_ENABLED="false"
    )
    subscriber.wait(lambda: subscriber.of("event"))
    subscriber.publish("emotion-edge/cam/request/health", b"")
    count = len(subscriber.of("event"))
    subscriber.wait(lambda: len(subscriber.of("event")) > count)
    process.terminate()
    process.communicate(timeout=60)
    assert not subscriber.of("response")
    assert "request/+" not in broker.log()


def less_sure_model(folder):
    """Write a copy of `normal` whose probabilities are far from 0 and 1, which are rounded; return its path."""
    shipped = find_model("normal")
    copy = folder / "less_sure.tflite"
    shutil.copyfile(shipped, copy)
    manifest = json.loads(manifest_path(shipped).read_text())
    # The log-odds of both scale with it.
    scale = 4
    manifest["neutral_reading"]["log_odds"] = [value / scale for value in manifest["neutral_reading"]["log_odds"]]
    manifest["temperature"] *= scale
    manifest_path(copy).write_text(json.dumps(manifest))
    return copy


def test_calm_face_is_shown_kept_over_a_kill_and_reset(running, tmp_path):
    sad = "scripted:sad=2?seed=5&loop=1&fps=5"
    state = {
        "STATE_DIRECTORY": str(tmp_path),
        "EMOTION_EDGE_HOMEASSISTANT_ENABLED": "true",
        "EMOTION_EDGE_MODEL_NAME": str(less_sure_model(tmp_path)),
    }
    program = running(sad, **state)
    subscriber, stored = program.subscriber, tmp_path / "calm-face-cam.json"
    calm_face = lambda: subscriber.of("info")[-1].json["calm_face"]  # noqa: E731
    subscriber.wait(lambda: subscriber.of("info"))
    assert calm_face() == {"possible": True, "since": None}

    def odds():
        """Return the log-odds of sad against neutral of the next state with a face."""
        before = len(program.states())
        subscriber.wait(lambda: any(one["present"] for one in program.states()[before:]))
        found = next(one for one in reversed(program.states()) if one["present"])["faces"][0]["probabilities"]
        return math.log(found["sad"] / found["neutral"])

    before = odds()
    subscriber.publish("emotion-edge/cam/request/calibrate", b'{"transaction": "look"}')
    # The sensor looks; meanwhile other requests are answered, and a second look is not begun.
    _, second = program.request("calibrate")
    assert (second["status"], second["error"]) == ("error", "the sensor is looking already: wait for its answer")
    subscriber.wait(lambda: subscriber.of("response")[-1].json["transaction"] == "look")
    answer = subscriber.of("response")[-1].json
    assert (answer["status"], answer["error"]) == ("ok", None)
    assert answer["calm_face"] == calm_face()
    assert json.loads(stored.read_text())["log_odds"]["sad"] == BOUND
    after = odds()
    assert before - after == pytest.approx(BOUND, abs=0.1)

    program.end(signal.SIGKILL)
    seen = len(subscriber.of("info"))
    program = running(sad, **state)
    subscriber.wait(lambda: len(subscriber.of("info")) > seen)
    assert calm_face() == answer["calm_face"]
    assert odds() == pytest.approx(after, abs=0.1)
    _, paused = program.request("pause")
    assert paused["status"] == "ok"
    _, refused = program.request("calibrate")
    assert refused["error"] == "the sensor is paused"
    program.request("resume")
    # The buttons of Home Assistant.
    topic = "homeassistant/device/emotion-edge-cam/config"
    subscriber.wait(lambda: any(one.topic == topic for one in subscriber.seen))
    entities = rules.read(topic, next(one.payload for one in reversed(subscriber.seen) if one.topic == topic))
    assert entities["calibrate"].command_topic == "emotion-edge/cam/request/calibrate"
    button = entities["reset_calm_face"]
    subscriber.publish(button.command_topic, button.payload_press.encode())
    subscriber.wait(lambda: calm_face()["since"] is None)
    assert odds() == pytest.approx(before, abs=0.1)
    assert not stored.exists()
    assert program.end() == 0
    assert "request calibrate refused: the sensor is paused" in program.log
    assert "calm face reset by request" in program.log
