"""Requests: checked on arrival, executed in the pipeline's thread, answered, and limited."""

import logging
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from edge.config.mqtt_schema import MqttConfig, RequestsConfig
from edge.config.schema import Config
from edge.control.handler import RequestHandler, create_request_handler
from edge.control.pause_file import PauseFile
from edge.errors import ConfigError
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
        self.handler.process_pending(self.sensor, Config())

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
