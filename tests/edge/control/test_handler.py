"""The desk where requests are taken and answered."""

import logging
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from edge.config.schema import Config, MqttConfig, RequestsConfig
from edge.control import handler as requests_module
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
    """Does what it is asked, and counts it."""

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


class Office:
    """A desk, the posts that leave it, and the sensor behind it."""

    def __init__(self, mark: Path | None = None, sensor: Sensor | None = None, **settings: Any) -> None:
        self.desk = RequestHandler(RequestsConfig(**settings), TOPICS, PauseFile(mark))
        self.sensor = sensor or Sensor()
        self.posted: list[OutgoingMessage] = []

    def post(self, message: OutgoingMessage, delay_seconds: float = 0.0) -> bool:
        assert delay_seconds == 0.0
        assert (message.qos, message.retain) == (1, False)
        SCHEMA.validate(msgspec.json.decode(message.payload))
        self.posted.append(message)
        return True

    def ask(self, name: str, payload: bytes = b"", *, retained: bool = False, **changes: Any) -> list[dict[str, Any]]:
        """Ask, let the line attend, and return what was answered."""
        before = len(self.posted)
        message = ReceivedMessage(f"emotion-edge/cam/request/{name}", payload, retained, **changes)
        self.desk.received(message, self.post)
        self.desk.attend(self.sensor, Config())
        return [msgspec.json.decode(one.payload) for one in self.posted[before:]]


def test_each_request_is_answered_once_by_the_line() -> None:
    office = Office()
    for name in ("pause", "health", "resume", "config"):
        message = ReceivedMessage(f"emotion-edge/cam/request/{name}", b'{"transaction":"7"}', retained=False)
        office.desk.received(message, office.post)
    assert not office.posted, "the publisher's thread does nothing itself"
    office.desk.attend(office.sensor, Config())
    answers = [msgspec.json.decode(one.payload) for one in office.posted]
    assert [one.topic for one in office.posted] == [
        f"emotion-edge/cam/response/{name}" for name in ("pause", "health", "resume", "config")
    ]
    assert {(one["status"], one["error"], one["transaction"]) for one in answers} == {("ok", None, "7")}
    assert [one["paused"] for one in answers] == [True, True, False, False]
    assert [one["health"] is not None for one in answers] == [False, True, False, False]
    assert [one["config"] is not None for one in answers] == [False, False, False, True]
    office.desk.attend(office.sensor, Config())
    assert len(office.posted) == 4


def test_mqtt_5_is_answered_twice() -> None:
    office = Office()
    answers = office.ask("health", response_topic="answers/mine", correlation=b"42")
    assert answers[0] == answers[1]
    assert [(one.topic, one.correlation) for one in office.posted] == [
        ("emotion-edge/cam/response/health", None),
        ("answers/mine", b"42"),
    ]


def test_a_refusal_is_said_at_once_and_nothing_is_done() -> None:
    office = Office()
    (answer,) = office.ask("pause", b'{"transaction":"t","paused":"yes"}')
    assert answer["status"] == "error"
    assert answer["error"] == "paused is 'yes', but must be true or false"
    assert answer["transaction"] == "t"
    assert answer["paused"] is None
    assert not office.sensor.paused


def test_requests_of_the_past_are_ignored(caplog: pytest.LogCaptureFixture) -> None:
    office = Office()
    for _ in range(3):
        assert not office.ask("pause", retained=True)
    assert not office.sensor.paused
    (record,) = caplog.records
    assert "retains on 'emotion-edge/cam/request/pause' is ignored" in record.message


def test_a_flood_is_dropped_and_said_once(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter(float(n) / 1000 for n in range(100_000))
    monkeypatch.setattr(requests_module.time, "monotonic", lambda: next(moments))
    office = Office(per_second=5.0)
    answers = [answer for _ in range(2000) for answer in office.ask("health")]
    good = [one for one in answers if one["status"] == "ok"]
    # Ten at once, then five a second of the clock above, which ticks with each look at it.
    assert 10 <= len(good) <= 60
    refused = [one["error"] for one in answers if one["status"] == "error"]
    assert 1 <= len(refused) <= 3
    assert refused[0] == "too many requests: 5 per second are answered, and 1 were dropped so far"
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "more than 5 requests per second" in caplog.text


def test_a_line_that_stands_still_says_so() -> None:
    office = Office(per_second=100.0)
    message = ReceivedMessage("emotion-edge/cam/request/health", b'{"transaction":"t"}', retained=False)
    for _ in range(40):
        office.desk.received(message, office.post)
    answers = [msgspec.json.decode(one.payload) for one in office.posted]
    assert len(answers) == 8
    assert answers[0]["error"] == "the sensor is busy, and many requests wait already"
    assert answers[0]["transaction"] == "t"
    office.desk.attend(office.sensor, Config())
    assert len(office.posted) == 40


def test_a_failure_is_an_answer_and_no_end(caplog: pytest.LogCaptureFixture) -> None:
    office = Office(sensor=Sensor(fails=True))
    (answer,) = office.ask("pause")
    assert (answer["status"], answer["error"]) == ("error", "the sensor failed over it (ZeroDivisionError)")
    assert "a request to pause failed" in caplog.text
    assert office.ask("health")[0]["status"] == "ok"


def test_nothing_to_pause() -> None:
    (answer,) = Office(sensor=Sensor(ends=True)).ask("pause")
    assert (answer["status"], answer["error"]) == (
        "error",
        "the source has ended: there is nothing left to look at",
    )


def test_a_pause_outlives_the_process(tmp_path: Path) -> None:
    file = tmp_path / "state" / "paused-cam"
    office = Office(file)
    assert not office.desk.mark.is_set
    office.ask("pause")
    assert file.exists()
    assert file.stat().st_mode & 0o077 == 0
    assert RequestHandler(RequestsConfig(), TOPICS, PauseFile(file)).mark.is_set
    office.ask("pause")
    office.ask("pause", b'{"paused": false}')
    assert not file.exists()
    assert list(file.parent.iterdir()) == []


def test_a_pause_that_cannot_be_kept_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_bytes(b"")
    office = Office(tmp_path / "file" / "paused-cam")
    assert office.ask("pause")[0]["paused"] is True
    assert "after a restart the sensor looks again" in caplog.text


def test_who_may_not_ask_is_not_heard(tmp_path: Path) -> None:
    mqtt = MqttConfig(url="mqtt://h", outbox_directory=str(tmp_path))
    (tmp_path / "paused-cam").touch()
    desk = create_request_handler(Config(mqtt=mqtt), "cam")
    assert list(desk.filters) == ["emotion-edge/cam/request/+"]
    assert desk.mark.is_set
    for config in (Config(mqtt=mqtt, requests=RequestsConfig(enabled=False)), Config()):
        desk = create_request_handler(config, "cam")
        assert not desk.mark.is_set, "nobody could take it back"
    assert not create_request_handler(Config(mqtt=mqtt, requests=RequestsConfig(enabled=False)), "cam").filters
    with pytest.raises(ConfigError, match=r"mqtt\.outbox_directory"):
        create_request_handler(Config(mqtt=MqttConfig(url="mqtt://h", outbox_directory="here")), "cam")
