"""`emotion-edge watch`: the lines it prints, reconnection, and the report of `--verify`."""

import argparse
import contextlib
import io
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.commands.watch import MessageFormatter, Options, run, watch
from edge.config.mqtt_schema import MqttConfig
from edge.config.schema import Config
from edge.errors import BrokerError, ConfigError
from edge.messages.payloads import FacePayload, encode
from edge.messages.text import clock
from edge.messages.topics import KINDS
from edge.mqtt.sink import MqttSink
from edge.mqtt.types import ReceivedMessage
from support.broker import PrivateBroker
from support.mqtt import NOW, Subscriber, event, health, state, wait_until

TIME = clock(NOW)


def message(kind: str, payload: bytes, *, retained: bool = False) -> ReceivedMessage:
    return ReceivedMessage(f"emotion-edge/cam/{kind}", payload, retained)


def test_face_that_leaves_is_printed_with_its_time_in_view() -> None:
    formatter = MessageFormatter("emotion-edge")
    for seq, kind in ((3, "face_appeared"), (7, "emotion_changed"), (15, "face_left")):
        line = formatter.format(message("event", encode(event(seq, type=kind))))
    assert line == f"{TIME} cam  face 1 left after 12.0 s, last happy (90 %), 0 ms"
    # Another boot numbers its faces from 1 again, so this is another face 1.
    line = formatter.format(message("event", encode(event(20, type="face_left", boot_id="later"))))
    assert line == f"{TIME} cam  face 1 left, last happy (90 %), 0 ms"


def test_state_and_health_are_printed_only_when_new() -> None:
    formatter = MessageFormatter("emotion-edge")
    retained = formatter.format(message("state", encode(state()), retained=True))
    assert re.fullmatch(rf"{TIME} cam  in view: face 1 happy \(90 %\) \(retained, from \d+ .* ago\)", str(retained))
    assert str(formatter.format(message("status", b"online", retained=True))).endswith(" cam  online (retained)")
    assert "(retained, from" in str(formatter.format(message("health", encode(health()), retained=True)))
    assert formatter.format(message("state", encode(state()))) is None
    # What was true earlier may not be any more, so the first line on what is true now is printed.
    assert "retained" not in str(formatter.format(message("health", encode(health()))))
    assert formatter.format(message("health", encode(health(frames=7)))) is None
    assert "stalled" in str(formatter.format(message("health", encode(health(source="stalled")))))


def test_oldest_faces_that_never_leave_are_forgotten() -> None:
    formatter = MessageFormatter("emotion-edge", most_faces=10)

    def line(track: int, kind: str, seconds: int) -> str | None:
        face = FacePayload(track=track, box=event(1).face.box)
        return formatter.format(message("event", encode(event(seconds, type=kind, face=face))))

    for track in range(1, 16):
        line(track, "face_appeared", 1)
    left = [str(line(track, "face_left", 9)) for track in range(1, 16)]
    assert [" after 8.0 s" in text for text in left] == [False] * 5 + [True] * 10


@given(st.sampled_from(KINDS), st.binary(max_size=60) | st.just(b"[" * 100_000) | st.just(b'{"schema":1e999}'))
def test_any_payload_of_another_device_is_at_most_one_line(kind: str, payload: bytes) -> None:
    line = MessageFormatter("emotion-edge").format(message(kind, payload))
    assert line is None or "\n" not in line


class Watching:
    """`watch` in a thread, and the lines that it printed. `expected_code`: the exit code that is asserted."""

    def __init__(self, broker: PrivateBroker, **options: Any) -> None:
        self._stop = threading.Event()
        self._stream = io.StringIO()
        self.codes: list[int] = []
        self.expected_code = 0
        mqtt = MqttConfig(url=broker.url, reconnect_max_seconds=1.0)
        chosen = Options(**options)
        self._thread = threading.Thread(
            target=lambda: self.codes.append(watch(mqtt, chosen, self._stream, self._stop.is_set))
        )
        self._thread.start()

    @property
    def lines(self) -> list[str]:
        return self._stream.getvalue().splitlines()

    def finish(self) -> None:
        self._stop.set()
        self._thread.join(20)


@pytest.fixture
def watching() -> Iterator[Callable[..., Watching]]:
    started = []

    def start(broker: PrivateBroker, **options: object) -> Watching:
        started.append(Watching(broker, **options))
        wait_until(lambda: "Sending SUBACK to emotion-edge-watch-" in broker.log())
        return started[-1]

    yield start
    for one in started:
        one.finish()
        assert one.codes == [one.expected_code]


def test_events_health_and_status_are_printed_as_they_arrive(
    broker: PrivateBroker, watching: Callable[..., Watching]
) -> None:
    watched = watching(broker)
    sink = MqttSink(MqttConfig(url=broker.url), "cam")
    sink.start()
    sink.event(event(1, type="face_appeared"), time.monotonic() - 1)
    sink.health(health())
    assert sink.close(5.0)
    # Not the fixture `subscribe`, which checks that every message fits its schema.
    with contextlib.closing(Subscriber(broker.port)) as other_device:
        other_device.publish("emotion-edge/\u202eodd/status", b"nonsense")
    wait_until(lambda: any("cannot be read" in line for line in watched.lines))
    printed = [line.partition(" ")[2] for line in watched.lines]
    assert printed[0] == "cam  online"
    assert any(line.startswith("cam  face 1 appeared: happy (90 %), 1") for line in printed)
    assert "cam  health: source ok, no new frames" in printed
    assert "cam  stopped" in printed
    assert printed[-1] == "�odd  status cannot be read: 'nonsense' is none of online, stopped, offline"


def test_json_of_one_device_is_one_object_per_line(broker: PrivateBroker, watching: Callable[..., Watching]) -> None:
    watched = watching(broker, device="cam", json=True)
    for device in ("other", "cam"):
        sink = MqttSink(MqttConfig(url=broker.url), device)
        sink.start()
        sink.event(event(1), time.monotonic())
        assert sink.close(5.0)
    wait_until(lambda: len(watched.lines) >= 3)
    records = [msgspec.json.decode(line) for line in watched.lines]
    assert {record["device"] for record in records} == {"cam"}
    assert records[0] == {"device": "cam", "kind": "status", "retained": False, "payload": "online"}
    assert records[1]["payload"]["seq"] == 1
    assert records[2]["payload"] == "stopped"


def test_lost_and_restored_connection_is_one_line_each(
    broker: PrivateBroker, watching: Callable[..., Watching]
) -> None:
    watched = watching(broker)
    broker.stop()
    wait_until(lambda: any("is lost" in line for line in watched.lines))
    broker.start()
    wait_until(lambda: any("connected to the broker again" in line for line in watched.lines))
    assert len(watched.lines) == 2


@pytest.mark.parametrize(
    ("url", "complaint"),
    [("mqtt://127.0.0.1:1", "cannot be reached"), ("mqtt://no-such-host.invalid", "cannot be (found|resolved)")],
)
def test_unreachable_broker_is_an_error(url: str, complaint: str) -> None:
    with pytest.raises(BrokerError, match=complaint):
        watch(MqttConfig(url=url), Options(), io.StringIO())


def test_refused_credentials_are_an_error(make_broker: Callable[..., PrivateBroker]) -> None:
    broker = make_broker(users={"joe": "right"})
    broker.start()
    with pytest.raises(BrokerError, match="without a user name: Not authorized"):
        watch(MqttConfig(url=broker.url), Options(), io.StringIO())


def test_missing_password_is_named_with_the_line_to_type(
    make_broker: Callable[..., PrivateBroker], caplog: pytest.LogCaptureFixture
) -> None:
    broker = make_broker(users={"joe": "right"})
    broker.start()
    with pytest.raises(BrokerError, match="as user 'joe', without a password: "):
        watch(MqttConfig(url=broker.url, username="joe"), Options(), io.StringIO())
    assert 'read -rsp "Broker password: " EMOTION_EDGE_MQTT_PASSWORD && export' in caplog.text


@pytest.mark.parametrize(("url", "device"), [("", None), ("mqtt://h", "a/b"), ("mqtt://h", "+"), ("mqtt://h", "")])
def test_missing_broker_or_wildcard_device_is_a_configuration_error(url: str, device: str | None) -> None:
    with pytest.raises(ConfigError):
        watch(MqttConfig(url=url), Options(device=device), io.StringIO())


def test_verify_reports_missing_events_and_returns_1(
    broker: PrivateBroker, subscribe: Callable[..., Subscriber], watching: Callable[..., Watching]
) -> None:
    watched = watching(broker, verify=True)
    sender = subscribe(broker)
    for seq in (1, 2, 5, 6):
        sender.publish("emotion-edge/cam/event", encode(event(seq)))
    wait_until(lambda: len(watched.lines) == 5)
    watched.expected_code = 1
    watched.finish()
    assert watched.lines[3] == "verify: cam boot boot: gap, 3 to 4 missing"
    assert watched.lines[-1] == "verify: cam boot boot: 1 to 6, 4 events, 2 missing"


def test_verify_of_a_complete_run_reports_none_missing(
    broker: PrivateBroker, watching: Callable[..., Watching]
) -> None:
    watched = watching(broker, verify=True, json=True)
    sink = MqttSink(MqttConfig(url=broker.url), "cam")
    sink.start()
    for seq in range(1, 6):
        sink.event(event(seq), time.monotonic())
    assert sink.close(5.0)
    wait_until(lambda: any("stopped" in line for line in watched.lines))
    watched.finish()
    assert watched.lines[-1] == '{"verify":"cam boot boot: 1 to 5, 5 events, none missing"}'


class InterruptingStream(io.StringIO):
    """Gets this process a SIGTERM with each line."""

    def write(self, text: str) -> int:
        count = super().write(text)
        os.kill(os.getpid(), signal.SIGTERM)
        return count


@pytest.fixture
def signal_handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("signal_handlers")
def test_second_signal_does_not_cut_the_summary_off(
    broker: PrivateBroker, subscribe: Callable[..., Subscriber], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = InterruptingStream()
    monkeypatch.setattr(sys, "stdout", stream)
    subscribe(broker).publish("emotion-edge/cam/status", b"online", retain=True)
    arguments = argparse.Namespace(device=None, json=False, verify=True)
    assert run(arguments, Config(mqtt=MqttConfig(url=broker.url))) == 0
    assert stream.getvalue().splitlines()[1:] == ["verify: no events received"]


def test_verify_does_not_count_events_published_while_it_was_disconnected_as_missing(
    broker: PrivateBroker, subscribe: Callable[..., Subscriber], watching: Callable[..., Watching]
) -> None:
    watched = watching(broker, verify=True)
    sender = subscribe(broker)
    sender.publish("emotion-edge/cam/event", encode(event(1)))
    wait_until(lambda: len(watched.lines) == 1)
    broker.stop()
    wait_until(lambda: any("is lost" in line for line in watched.lines))
    broker.start()
    wait_until(lambda: any("connected to the broker again" in line for line in watched.lines))
    later = subscribe(broker)
    later.publish("emotion-edge/cam/event", encode(event(4)))
    wait_until(lambda: "verify: cam boot boot: 2 to 3 not received, this subscriber was disconnected" in watched.lines)
    watched.finish()
    assert (
        watched.lines[-1] == "verify: cam boot boot: 1 to 4, 2 events, none missing, 2 not received while disconnected"
    )
