"""What of the messages is kept: samples are thinned, and malformed messages are counted and logged a few times."""

import logging

import msgspec
import pytest

from edge.archive.intake import Intake
from edge.messages.payloads import encode
from edge.mqtt.types import ReceivedMessage
from support.mqtt import event, health, state

PAUSED = msgspec.structs.replace(state(None), paused=True)


def message(kind: str, payload: bytes, device: str = "cam") -> ReceivedMessage:
    return ReceivedMessage(f"emotion-edge/{device}/{kind}", payload, retained=False)


def kept(intake: Intake, *messages: ReceivedMessage, every_seconds: float = 1.0) -> list[bool]:
    return [bool(intake.records(one, number * every_seconds)) for number, one in enumerate(messages)]


def test_one_state_and_one_health_of_each_sensor_are_kept_in_a_period() -> None:
    intake = Intake("emotion-edge", 10.0)
    both = [message("state", encode(state())), message("health", encode(health()))]
    assert kept(intake, *both * 10) == [True, True] + [False] * 8 + [True, True] + [False] * 8
    assert intake.records(message("state", encode(state()), "hall"), 20.0)


def test_change_is_kept_at_once() -> None:
    intake = Intake("emotion-edge", 3600.0)
    states = [message("state", encode(one)) for one in (state("happy"), state("sad"), state(None), PAUSED, state())]
    assert kept(intake, *states) == [True, False, True, True, True]
    healths = [message("health", encode(health(**one))) for one in ({}, {"fps": 2.0}, {"source": "lost"}, {})]
    assert kept(intake, *healths) == [True, False, True, True]


def test_every_sample_is_kept_without_a_period() -> None:
    assert kept(Intake("emotion-edge", 0.0), *[message("state", encode(state()))] * 3, every_seconds=0.0) == [True] * 3


def test_events_are_never_thinned() -> None:
    assert kept(Intake("emotion-edge", 3600.0), *[message("event", encode(event(1)))] * 3) == [True] * 3


def test_malformed_messages_are_counted_and_logged_ten_times_an_hour(caplog: pytest.LogCaptureFixture) -> None:
    intake = Intake("emotion-edge", 0.0)
    with caplog.at_level(logging.WARNING):
        assert not any(kept(intake, *[message("event", b"{\n\x1b[2J")] * 50))
    assert intake.malformed == 50
    assert len(caplog.messages) == 10
    assert caplog.messages[-1].endswith("; further ones of the next hour are only counted")
    assert not any("\x1b" in line or "\n" in line for line in caplog.messages)
    caplog.clear()
    intake.records(message("event", b"{"), 3700.0)
    assert len(caplog.messages) == 1


@pytest.mark.parametrize("topic", ["emotion-edge/cam/doctor", "other/cam/event", "emotion-edge/fleet/desired", "x"])
def test_other_topic_is_nothing(topic: str) -> None:
    intake = Intake("emotion-edge", 0.0)
    assert intake.records(ReceivedMessage(topic, b"{", retained=False), 0.0) == []
    assert intake.malformed == 0
