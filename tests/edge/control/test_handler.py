"""Requests: checked on arrival, executed in the pipeline's thread, answered, and limited."""

import logging
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from edge.config.mqtt_schema import MqttConfig, RequestsConfig
from edge.config.schema import Config
from edge.control.calm_face import CalmFaceError
from edge.control.handler import RequestHandler, create_request_handler
from edge.control.pause_file import PauseFile
from edge.errors import ConfigError
from edge.messages.calm_face import CalmFaceInfo
from edge.messages.schemas import load
from edge.messages.topics import Topics
from edge.mqtt.types import OutgoingMessage, ReceivedMessage
from support.mqtt import health

TOPICS = Topics("emotion-edge", "cam")
SCHEMA = jsonschema.Draft202012Validator(load("response"))


class Sensor:
    """Executes requests and counts them. `ends`: its source has ended; `fails`: it raises on a pause."""

    def __init__(self, *, ends: bool = False, fails: bool = False) -> None:
        self.paused = False
        self.ends, self.fails = ends, fails
        self.reports = 0

    def set_paused(self, paused: bool) -> None:  # noqa: FBT001
        if self.fails:
            raise ZeroDivisionError("a bug, with a secret in it")
        self.paused = paused and not self.ends

    def report(self):
        self.reports += 1
        return health()

    def apply_settings(self, change):
        change.store()
        return change.config


class Bench:
    """A request handler, the sensor behind it, and what it published. `now`: time of the handler's clock, seconds."""

    def __init__(self, pause_file: Path | None = None, sensor: Sensor | None = None, **settings: Any) -> None:
        self.now = 0.0
        self.handler = RequestHandler(RequestsConfig(**settings), TOPICS, PauseFile(pause_file), lambda: self.now)
        self.sensor = sensor or Sensor()
        self.published: list[OutgoingMessage] = []

    def publish(self, message: OutgoingMessage, delay_seconds: float = 0.0) -> bool:
        assert delay_seconds == 0.0
        assert (message.qos, message.retain) == (1, False)
        SCHEMA.validate(msgspec.json.decode(message.payload))
        self.published.append(message)
        return True

    def receive(self, name: str, payload: bytes = b"", *, retained: bool = False, **changes: Any) -> None:
        message = ReceivedMessage(f"emotion-edge/cam/request/{name}", payload, retained, **changes)
        self.handler.received(message, self.publish)

    def process_pending(self) -> None:
        self.handler.process_pending(self.sensor, self.handler.settings.config)

    def request(self, name: str, payload: bytes = b"", **changes: Any) -> list[dict[str, Any]]:
        """Send a request, process it, and return the responses."""
        before = len(self.published)
        self.receive(name, payload, **changes)
        self.process_pending()
        return [msgspec.json.decode(one.payload) for one in self.published[before:]]


def test_each_request_is_answered_once_in_the_pipelines_thread() -> None:
    bench = Bench()
    for name in ("pause", "health", "resume", "config"):
        bench.receive(name, b'{"transaction":"7"}')
    assert not bench.published, "nothing is executed in the publisher's thread"
    bench.process_pending()
    answers = [msgspec.json.decode(one.payload) for one in bench.published]
    assert [one.topic for one in bench.published] == [
        f"emotion-edge/cam/response/{name}" for name in ("pause", "health", "resume", "config")
    ]
    assert {(one["status"], one["error"], one["transaction"]) for one in answers} == {("ok", None, "7")}
    assert [one["paused"] for one in answers] == [True, True, False, False]
    assert [one["health"] is not None for one in answers] == [False, True, False, False]
    assert [one["config"] is not None for one in answers] == [False, False, False, True]
    bench.process_pending()
    assert len(bench.published) == 4


def test_mqtt_5_request_is_answered_on_both_topics() -> None:
    bench = Bench()
    answers = bench.request("health", response_topic="answers/mine", correlation=b"42")
    assert answers[0] == answers[1]
    assert [(one.topic, one.correlation) for one in bench.published] == [
        ("emotion-edge/cam/response/health", None),
        ("answers/mine", b"42"),
    ]


def test_refused_request_is_answered_and_not_executed() -> None:
    bench = Bench()
    (answer,) = bench.request("pause", b'{"transaction":"t","paused":"yes"}')
    assert answer["status"] == "error"
    assert answer["error"] == 'paused is "yes", but must be true or false'
    assert answer["transaction"] == "t"
    assert answer["paused"] is None
    assert not bench.sensor.paused


def test_retained_requests_are_ignored_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    for _ in range(3):
        assert not bench.request("pause", retained=True)
    assert not bench.sensor.paused
    (record,) = caplog.records
    assert "retained request on 'emotion-edge/cam/request/pause' ignored" in record.message


def test_flood_is_dropped_answered_every_five_seconds_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(per_second=5.0)
    answers = []
    for number in range(2000):
        bench.now = number / 200  # ten seconds in all
        answers += bench.request("health")
    accepted = [one for one in answers if one["status"] == "ok"]
    # Ten at once, then five a second.
    assert len(accepted) == pytest.approx(10 + 10 * 5, abs=1)
    refused = [one["error"] for one in answers if one["status"] == "error"]
    assert len(refused) == 2
    assert refused[0] == "too many requests: at most 5 per second are answered; 1 dropped so far"
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.message == (
        "request limit 5/s exceeded on emotion-edge/cam/request/health; 1 dropped so far; logged hourly at most"
    )


def test_flood_is_logged_again_after_an_hour(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(per_second=5.0)
    for bench.now in (0.0, 3599.0, 3600.0):
        for _ in range(11):
            bench.request("health")
    assert [record.message.split("; ")[1] for record in caplog.records] == ["1 dropped so far", "3 dropped so far"]


def test_request_is_refused_while_too_many_are_pending() -> None:
    bench = Bench(per_second=100.0)
    for _ in range(40):
        bench.receive("health", b'{"transaction":"t"}')
    answers = [msgspec.json.decode(one.payload) for one in bench.published]
    assert len(answers) == 8
    assert answers[0]["error"] == "the sensor is busy: 32 requests are waiting already"
    assert answers[0]["transaction"] == "t"
    bench.process_pending()
    assert len(bench.published) == 40


def test_failed_request_is_answered_and_later_ones_are_executed(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(sensor=Sensor(fails=True))
    (answer,) = bench.request("pause")
    assert (answer["status"], answer["error"]) == ("error", "the request failed in the sensor (ZeroDivisionError)")
    assert "request pause failed" in caplog.text
    assert bench.request("health")[0]["status"] == "ok"


def test_pause_is_refused_after_the_source_has_ended() -> None:
    (answer,) = Bench(sensor=Sensor(ends=True)).request("pause")
    assert (answer["status"], answer["error"]) == ("error", "the source has ended and cannot be paused")


def test_settings_are_set_and_undone_by_requests_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    bench = Bench(settable=["events", "zones"])
    (answer,) = bench.request("set", b'{"settings": {"events.margin": 0.2, "zones": {"door": [[0,0],[1,0],[1,1]]}}}')
    assert (answer["status"], answer["config"]) == ("ok", None)
    assert answer["settings"]["events.margin"] == {"value": 0.2, "set": True}
    assert answer["settings"]["events.dwell_seconds"] == {"value": 0.6, "set": False}
    assert answer["settings"]["zones"]["value"] == {"door": [[0, 0], [1, 0], [1, 1]]}
    (answer,) = bench.request("reset", b'{"keys": ["events.margin"]}')
    assert [name for name, one in answer["settings"].items() if one["set"]] == ["zones"]
    (answer,) = bench.request("reset")
    assert [name for name, one in answer["settings"].items() if one["set"]] == []
    assert [record.message for record in caplog.records] == [
        "events.margin = 0.2 set by request",
        "[zones] (door) set by request",
        "events.margin = 0.3 reset to the configuration's by request",
        "[zones] (empty) reset to the configuration's by request",
    ]
    (answer,) = Bench().request("config")
    assert answer["settings"] == {}


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ('"events.margin": 2', "events.margin is 2, but must be a number from 0 to 1"),
        ('"events.margin": "0.3"', "events.margin is '0.3', but must be a number from 0 to 1"),
        ('"events.margin": null', "events.margin is null, but must be a number from 0 to 1"),
        ('"events.margn": 0.3', "unknown key events.margn; did you mean margin?"),
        ('"event.margin": 0.3', "unknown table [event]; did you mean events?"),
        ('"events": {"margin": 0.3}', "events is a table: name one of its keys, as in events.smoothing_seconds"),
        ('"zones": [1]', 'zones is [1], but must be a JSON object, as in {"door":[[0.0,0.2],[0.3,0.2],[0.3,1.0]]}'),
        ('"zones": {"a": [[0,0],[1,1]]}', "zones.a has 2 different corners, but must have at least 3"),
        ('"zones.a": [[0,0],[1,0],[1,1]]', "[zones] is set as a whole: name zones, without a dot"),
        ('"mqtt.url": "mqtt://h"', "mqtt.url cannot be set by a request: it may name a secret"),
        ('"mqtt.username": "x"', "mqtt.username cannot be set by a request: it may name a secret"),
        ('"source.uri": "0"', "source.uri cannot be set by a request: a change of it needs a restart"),
        ('"detector.cascade": "/x"', "detector.cascade cannot be set by a request: it names a file of this machine"),
        ('"requests.settable": []', "requests.settable cannot be set by a request: it decides on requests"),
        ('"masks": {}', "masks may not be set by a request: requests.settable in the configuration does not name it"),
    ],
)
def test_setting_that_cannot_be_set_is_refused_with_all_of_its_request(settings: str, sentence: str) -> None:
    bench = Bench(settable=["events", "zones"])
    payload = f'{{"settings": {{"events.dwell_seconds": 1, {settings}}}, "transaction": "t"}}'
    (answer,) = bench.request("set", payload.encode())
    assert (answer["status"], answer["error"], answer["transaction"]) == ("error", sentence, "t")
    assert bench.handler.settings.names == ()
    assert not bench.request("set", b'{"settings": {"events.margin": 0.3}}', retained=True)
    assert bench.handler.settings.names == ()


def test_nothing_can_be_set_unless_the_configuration_allows_it() -> None:
    bench = Bench()
    sentence = "events.margin may not be set by a request: requests.settable in the configuration is empty"
    assert bench.request("set", b'{"settings": {"events.margin": 0.3}}')[0]["error"] == sentence
    sentence = "no setting can be undone: requests.settable in the configuration is empty"
    assert bench.request("reset")[0]["error"] == sentence


def test_request_of_the_page_is_executed_as_one_from_the_broker() -> None:
    bench = Bench(settable=["zones"])
    accepted = bench.handler.submit("set", {"settings": {"zones": {}}})
    refused = [bench.handler.submit("set", {"settings": {"masks": {}}}), bench.handler.submit("set", {})]
    assert [one.done() for one in (accepted, *refused)] == [False, False, True]
    bench.process_pending()
    assert accepted.result(0).error is None
    assert [one.result(0).error.partition(":")[0] for one in refused] == [
        "masks may not be set by a request",
        "settings is missing",
    ]
    assert not bench.published


def test_pause_is_stored_before_it_is_answered_and_removed_by_a_resume(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "paused-cam")
    assert not bench.handler.pause_file.is_set
    bench.request("pause")
    assert RequestHandler(RequestsConfig(), TOPICS, PauseFile(tmp_path / "paused-cam")).pause_file.is_set
    bench.request("pause")
    bench.request("pause", b'{"paused": false}')
    assert not bench.handler.pause_file.is_set


def test_pause_that_cannot_be_stored_is_effective_and_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_bytes(b"")
    bench = Bench(tmp_path / "file" / "paused-cam")
    assert bench.request("pause")[0]["paused"] is True
    assert "after a restart the sensor is not paused" in caplog.text


def test_without_broker_or_requests_nothing_is_subscribed_and_a_stored_pause_is_ignored(tmp_path: Path) -> None:
    mqtt = MqttConfig(url="mqtt://h", outbox_directory=str(tmp_path))
    (tmp_path / "paused-cam").touch()
    handler = create_request_handler(Config(mqtt=mqtt), "cam")
    assert list(handler.filters) == ["emotion-edge/cam/request/+"]
    assert handler.pause_file.is_set
    for config in (Config(mqtt=mqtt, requests=RequestsConfig(enabled=False)), Config()):
        handler = create_request_handler(config, "cam")
        assert not handler.pause_file.is_set, "no request could end it"
    assert not create_request_handler(Config(mqtt=mqtt, requests=RequestsConfig(enabled=False)), "cam").filters
    with pytest.raises(ConfigError, match=r"mqtt\.outbox_directory"):
        create_request_handler(Config(mqtt=MqttConfig(url="mqtt://h", outbox_directory="here")), "cam")


class Look:
    """A calm face whose look ends when it is told to. `outcome`: what `finish` returns or raises."""

    info = CalmFaceInfo(possible=True, since="2026-11-27T00:00:00.000Z")

    def __init__(self) -> None:
        self.outcome: bool | Exception = False
        self.resets = 0

    def start(self) -> None:
        if self.outcome is not False:
            raise CalmFaceError("the sensor is paused")

    def finish(self) -> bool:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    def reset(self) -> None:
        self.resets += 1


def test_answer_to_calibrate_follows_the_look_and_holds_up_no_other_request(caplog: pytest.LogCaptureFixture) -> None:
    bench, look = Bench(), Look()
    assert bench.request("calibrate")[0]["error"] == "this sensor takes no calm face"
    bench.handler.calm_face = look
    assert bench.request("calibrate", b'{"transaction":"7"}') == []
    assert bench.request("health")[0]["status"] == "ok"
    look.outcome = True
    bench.process_pending()
    answer = msgspec.json.decode(bench.published[-1].payload)
    assert (bench.published[-1].topic, answer["transaction"]) == ("emotion-edge/cam/response/calibrate", "7")
    assert (answer["status"], answer["calm_face"]["since"]) == ("ok", look.info.since)
    (reset,) = bench.request("calibrate", b'{"reset": true}')
    assert (reset["status"], reset["calm_face"]["possible"], look.resets) == ("ok", True, 1)
    assert bench.request("calibrate", b'{"reset": 1}')[0]["error"] == "reset is 1, but must be true or false"

    look.outcome = False
    assert bench.request("calibrate") == []
    look.outcome = ValueError("a bug, with a secret in it")
    bench.process_pending()
    assert "secret" not in bench.published[-1].payload.decode()
    caplog.clear()
    for _ in range(30):
        bench.now += 1
        assert bench.request("calibrate")[0]["error"] == "the sensor is paused"
    assert len(caplog.records) < 21
    assert caplog.records[-1].getMessage() == (
        "request calibrate refused: the sensor is paused; further refusals within the hour are not logged"
    )
