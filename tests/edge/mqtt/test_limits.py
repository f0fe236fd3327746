"""Covers the sink on brokers with limits: real ones, as mosquitto can be set, and a scripted one for all others."""

import json
import logging
import time
from collections.abc import Callable

import pytest

from edge.config.mqtt_schema import RequestsConfig
from edge.control.handler import RequestHandler
from edge.control.pause_file import PauseFile
from edge.errors import BrokerError
from edge.messages.payloads import EventPayload
from edge.messages.topics import Topics
from edge.mqtt.settings import Timing
from edge.mqtt.sink import MqttSink
from edge.mqtt.types import OutgoingMessage
from support.broker import PrivateBroker
from support.limited_broker import CLOSE, Connect, LimitedBroker, Published
from support.mqtt import Subscriber, assert_run, event, health, info, send, state, wait_until

MakeBroker = Callable[..., PrivateBroker]
MakeSink = Callable[..., MqttSink]
Subscribe = Callable[..., Subscriber]
QUICK = Timing(first_wait_seconds=0.1, settle_seconds=0.05)


def running(make_broker: MakeBroker, *extra: str) -> PrivateBroker:
    broker = make_broker(extra=extra)
    broker.start()
    return broker


def started(make_sink: MakeSink, broker: PrivateBroker | LimitedBroker, *handlers: object) -> MqttSink:
    sink = make_sink(broker, *handlers, timing=QUICK)
    sink.info(info())
    sink.start()
    return sink


def logged(caplog: pytest.LogCaptureFixture, words: str) -> int:
    return sum(words in record.message for record in caplog.records if record.levelno >= logging.WARNING)


def big(seq: int, groups: int = 40) -> EventPayload:
    return event(seq, groups={f"group number {number}": 0.5 for number in range(groups)})


# Real brokers


def test_health_that_is_too_long_is_not_sent_and_events_flow(
    make_broker: MakeBroker, make_sink: MakeSink, subscribe: Subscribe, caplog: pytest.LogCaptureFixture
) -> None:
    broker = running(make_broker, "max_packet_size 600")
    subscriber = subscribe(broker)
    sink = started(make_sink, broker)
    for seq in (1, 2, 3):
        sink.health(health(source_error="x" * 600))
        send(sink, seq)
        wait_until(sink.drained)
    wait_until(lambda: sink.drained() and sink.status().messages_refused)
    sink.health(health())
    assert sink.close(5.0)
    subscriber.wait(lambda: "stopped" in subscriber.statuses)
    assert subscriber.seqs == [1, 2, 3]
    assert len(subscriber.of("health")) <= 1
    assert logged(caplog, "health is not published: a packet of") == 1
    assert broker.log().count(" as emotion-edge-cam (") == 1


@pytest.mark.parametrize(
    ("setting", "too_long", "sentence"),
    [
        ("max_packet_size 800", (2, 3), "an event is dropped: a packet of"),
        # mosquitto answers with a reason code that paho does not know in a PUBACK.
        ("message_size_limit 800", (2,), "refuses messages to emotion-edge/cam/event: Packet too large"),
    ],
)
def test_event_that_is_too_long_is_dropped_counted_and_nothing_waits_behind_it(
    make_broker: MakeBroker,
    make_sink: MakeSink,
    subscribe: Subscribe,
    caplog: pytest.LogCaptureFixture,
    setting: str,
    too_long: tuple[int, ...],
    sentence: str,
) -> None:
    broker = running(make_broker, setting)
    subscriber = subscribe(broker)
    sink = started(make_sink, broker)
    send(sink, 1)
    for seq in too_long:
        sink.event(big(seq), time.monotonic())
    send(sink, max(too_long) + 1)
    wait_until(sink.drained)
    assert sink.status().outbox_dropped == len(too_long)
    assert sink.close(5.0)
    subscriber.wait(lambda: "stopped" in subscriber.statuses)
    assert subscriber.seqs == [1, max(too_long) + 1]
    assert logged(caplog, sentence) == 1


def test_health_that_a_broker_throws_away_is_logged_and_counted(
    make_broker: MakeBroker, make_sink: MakeSink, subscribe: Subscribe, caplog: pytest.LogCaptureFixture
) -> None:
    broker = running(make_broker, "message_size_limit 800")
    subscriber = subscribe(broker)
    sink = started(make_sink, broker)
    sink.health(health(source_error="x" * 800))
    wait_until(lambda: sink.status().messages_refused)
    sink.health(health(source_error="x" * 801))
    send(sink, 1)
    wait_until(sink.drained)
    assert sink.close(5.0)
    subscriber.wait(lambda: "stopped" in subscriber.statuses)
    assert subscriber.seqs == [1]
    assert not subscriber.of("health")
    assert logged(caplog, "emotion-edge/cam/health: Packet too large") == 1


def test_broker_without_retain_works_and_status_is_repeated_with_health(
    make_broker: MakeBroker, make_sink: MakeSink, subscribe: Subscribe, caplog: pytest.LogCaptureFixture
) -> None:
    broker = running(make_broker, "retain_available false")
    sink = started(make_sink, broker)
    send(sink, 1)
    wait_until(sink.drained)
    late = subscribe(broker)
    assert not late.seen
    sink.health(health())
    late.wait(lambda: {"health", "status", "info"} <= {seen.kind for seen in late.seen})
    assert late.statuses == ["online"]
    assert sink.close(5.0)
    late.wait(lambda: late.statuses == ["online", "stopped"])
    assert logged(caplog, "the broker has no retained messages") == 1


def test_broker_of_qos_0_gets_every_event_also_over_a_kill(
    make_broker: MakeBroker, make_sink: MakeSink, subscribe: Subscribe, caplog: pytest.LogCaptureFixture
) -> None:
    broker = running(make_broker, "max_qos 0")
    subscriber = subscribe(broker)
    sink = started(make_sink, broker)
    send(sink, *range(1, 51))
    wait_until(sink.drained)
    subscriber.wait(lambda: len(subscriber.seqs) == 50)
    broker.kill()
    send(sink, *range(51, 61))
    assert sink.status().outbox_depth == 10
    broker.start()
    again = subscribe(broker)
    wait_until(sink.drained)
    send(sink, 61)
    again.wait(lambda: 61 in again.seqs)
    assert_run(subscriber.seqs[:50], 1, 50)
    assert {seen.qos for seen in again.seen} == {0}
    assert logged(caplog, "takes QoS 0 only") == 1


def test_topic_that_may_not_be_written_holds_up_no_event(
    make_broker: MakeBroker, make_sink: MakeSink, tmp_path, caplog: pytest.LogCaptureFixture
) -> None:
    """mosquitto 2.0 refuses such a message, and ends the connection as well."""
    rules = tmp_path / "acl"
    rules.write_text("topic write emotion-edge/cam/status\ntopic write emotion-edge/cam/event\n")
    broker = running(make_broker, f"acl_file {rules}")
    sink = started(make_sink, broker)
    sink.state(state())
    send(sink, *range(1, 6))
    wait_until(sink.drained)
    assert sink.status().outbox_dropped == 0
    assert logged(caplog, "refuses messages to emotion-edge/cam/info: Not authorized") == 1


def only_3_1_1(connect: Connect) -> tuple[int, bytes]:
    return 0x84 if connect.five else 0, b""


@pytest.fixture
def scripted():
    with LimitedBroker() as broker:
        yield broker


def test_mqtt_3_1_1_broker_that_closes_over_a_long_event_gets_the_others(
    scripted: LimitedBroker, make_sink: MakeSink, caplog: pytest.LogCaptureFixture
) -> None:
    scripted.on_connect = only_3_1_1
    scripted.on_publish = lambda message: CLOSE if message.packet_bytes > 800 else 0
    sink = started(make_sink, scripted)
    send(sink, 1)
    sink.event(big(2), time.monotonic())
    send(sink, 3)
    wait_until(sink.drained)
    sink.event(big(4, groups=41), time.monotonic())
    send(sink, 5)
    wait_until(sink.drained)
    assert sink.status().outbox_dropped == 2
    assert seqs(scripted) == [1, 3, 5]
    assert logged(caplog, "the broker ended 3 connections in a row when a packet of") == 1
    # The length is known by then: the second long event costs no connection.
    assert len({message.connection for message in scripted.published if message.packet_bytes > 800}) <= 4
    assert sink.close(5.0)


def test_mqtt_3_1_1_broker_that_closes_over_health_gets_events(scripted: LimitedBroker, make_sink: MakeSink) -> None:
    scripted.on_connect = only_3_1_1
    scripted.on_publish = lambda message: CLOSE if message.kind == "health" else 0
    sink = started(make_sink, scripted, RequestHandlerStub())
    sink.health(health())
    send(sink, 1)
    wait_until(lambda: sink.status().messages_refused)
    send(sink, 2)
    wait_until(sink.drained)
    assert sorted(set(seqs(scripted))) == [1, 2]
    assert sink.status().outbox_dropped == 0
    assert sink.close(5.0)


class RequestHandlerStub:
    """Subscribes to requests, as the real handler does: the subscription must not be taken for the reason."""

    filters = ("emotion-edge/cam/request/+",)

    def connected(self, _publish: object) -> None:
        pass

    def received(self, _message: object, _publish: object) -> None:
        pass


def seqs(broker: LimitedBroker) -> list[int]:
    return [json.loads(message.payload)["seq"] for message in broker.of("event")]


@pytest.mark.parametrize("code", [0x95, 0x99])
def test_disconnect_that_names_a_message_drops_it(scripted: LimitedBroker, make_sink: MakeSink, code: int) -> None:
    scripted.disconnect = lambda message: code if message.packet_bytes > 800 else None
    sink = started(make_sink, scripted)
    send(sink, 1)
    wait_until(sink.drained)
    sink.event(big(2), time.monotonic())
    wait_until(sink.drained)
    send(sink, 3)
    wait_until(sink.drained)
    assert sink.status().outbox_dropped == 1
    assert seqs(scripted) == [1, 3]


@pytest.mark.parametrize(
    ("code", "setting"),
    [(0x9A, lambda one: not one.will_retain), (0x9B, lambda one: not one.will_qos), (0x95, lambda one: not one.will)],
)
def test_will_that_connack_refuses_is_replaced_by_a_lesser_one(
    scripted: LimitedBroker, make_sink: MakeSink, caplog: pytest.LogCaptureFixture, code: int, setting
) -> None:
    scripted.on_connect = lambda connect: (0 if setting(connect) else code, b"")
    sink = started(make_sink, scripted)
    send(sink, 1)
    wait_until(sink.drained)
    assert sink.status().failure is None
    assert seqs(scripted) == [1]
    assert [setting(one) for one in scripted.connects] == [False, True]
    assert logged(caplog, "the broker ") == 1


@pytest.mark.parametrize("kept", ["retain", "none"])
def test_will_over_which_a_broker_closes_is_found(
    scripted: LimitedBroker, make_sink: MakeSink, caplog: pytest.LogCaptureFixture, kept: str
) -> None:
    def answer(connect: Connect) -> tuple[int | str, bytes]:
        refused = connect.will_retain if kept == "retain" else connect.will
        return (CLOSE, b"") if refused or connect.five else (0, b"")

    scripted.on_connect = answer
    sink = started(make_sink, scripted)
    send(sink, 1)
    wait_until(sink.drained)
    assert seqs(scripted) == [1]
    assert (scripted.connects[-1].will, scripted.connects[-1].will_retain) == (kept == "retain", False)
    assert logged(caplog, "no retained messages" if kept == "retain" else "takes no will") == 1


def test_disconnect_over_retain_is_learned(scripted: LimitedBroker, make_sink: MakeSink) -> None:
    scripted.disconnect = lambda message: 0x9A if message.retain else None
    sink = started(make_sink, scripted)
    send(sink, 1)
    wait_until(sink.drained)
    assert seqs(scripted) == [1]
    assert not any(message.retain for message in scripted.accepted)
    assert not scripted.connects[-1].will_retain


@pytest.mark.parametrize(
    ("code", "times", "dropped"),
    [(0x97, 1, 0), (0x80, 1, 0), (0x83, 9, 1), (0x87, 9, 1), (0x90, 9, 1), (0x95, 9, 1), (0x99, 9, 1), (0xC3, 9, 1)],
)
def test_refused_event_is_sent_again_where_the_reason_may_pass(
    scripted: LimitedBroker, make_sink: MakeSink, code: int, times: int, dropped: int
) -> None:
    left = [times]

    def answer(message: Published) -> int:
        if message.kind != "event" or b'"seq":2,' not in message.payload or not left[0]:
            return 0
        left[0] -= 1
        return code

    scripted.on_publish = answer
    sink = started(make_sink, scripted)
    send(sink, 1)
    wait_until(sink.drained)
    sink.event(big(2), time.monotonic())
    send(sink, 3, 4)
    wait_until(sink.drained)
    assert sink.status().outbox_dropped == dropped
    assert sorted(seqs(scripted)) == ([1, 3, 4] if dropped else [1, 2, 3, 4])
    again = [message for message in scripted.of("event") if b'"seq":2,' in message.payload]
    assert all(b'"replayed":true' in message.payload for message in again)
    assert len(scripted.connects) == 1


def test_two_sensors_with_one_id_are_suspected(
    broker: PrivateBroker, make_sink: MakeSink, caplog: pytest.LogCaptureFixture
) -> None:
    make_sink(broker, timing=QUICK).start()
    make_sink(broker, timing=QUICK).start()
    wait_until(lambda: logged(caplog, "two sensors with one device.id are the likely cause"))


def test_session_taken_over_names_the_likely_cause(
    scripted: LimitedBroker, make_sink: MakeSink, caplog: pytest.LogCaptureFixture
) -> None:
    scripted.disconnect = lambda message: 0x8E if message.kind == "event" and len(scripted.connects) == 1 else None
    sink = started(make_sink, scripted)
    send(sink, 1)
    wait_until(sink.drained)
    assert logged(caplog, "the id emotion-edge-cam and taken the connection over: two sensors with one device.id") == 1
    assert seqs(scripted) == [1]


def test_server_keep_alive_is_followed(scripted: LimitedBroker, make_sink: MakeSink) -> None:
    """The client asks for an hour; the broker may end the connection after one and a half of its own intervals."""
    scripted.on_connect = lambda _: (0, b"\x13\x00\x01")
    sink = make_sink(scripted, timing=QUICK, keepalive_seconds=3600)
    sink.start()
    began = time.monotonic()
    wait_until(lambda: len(scripted.pings) == 2)
    assert scripted.pings[1] - began >= 1
    assert sink.status().broker == "connected"


def test_second_client_is_suspected_where_the_broker_gives_no_reason(
    scripted: LimitedBroker, make_sink: MakeSink, caplog: pytest.LogCaptureFixture
) -> None:
    scripted.on_connect = only_3_1_1
    sink = started(make_sink, scripted)
    for number in range(3):
        wait_until(lambda number=number: len(scripted.of("info")) > number and sink.drained())
        time.sleep(0.1)
        scripted.close_connections()
    wait_until(lambda: logged(caplog, "two sensors with one device.id are the likely cause"))


def test_status_that_is_too_long_fails_the_start(scripted: LimitedBroker, make_sink: MakeSink) -> None:
    scripted.on_connect = lambda _: (0, b"\x27\x00\x00\x00\x14")
    with pytest.raises(BrokerError, match=r"status is not published: a packet of .* accepts at most 20"):
        make_sink(scripted, timing=QUICK).start()


def test_broker_without_wildcards_gets_the_names_of_the_requests(scripted: LimitedBroker, make_sink: MakeSink) -> None:
    scripted.on_connect = lambda _: (0, b"\x28\x00")
    started(make_sink, scripted, RequestHandler(RequestsConfig(), Topics("emotion-edge", "cam"), PauseFile(None)))
    names = ("pause", "resume", "health", "config", "set", "reset", "calibrate")
    wait_until(lambda: len(scripted.subscribed) == len(names))
    assert scripted.subscribed == [f"emotion-edge/cam/request/{name}" for name in names]


class Announcer(RequestHandlerStub):
    """Publishes a message that no limited broker takes."""

    filters = ()

    def connected(self, publish) -> None:
        publish(OutgoingMessage("homeassistant/config", bytes(5000), 1, retain=True))
        publish(OutgoingMessage("echo/short", b"", 1, retain=False))


def test_message_of_a_handler_that_is_too_long_is_counted_and_holds_up_nothing(
    make_broker: MakeBroker, make_sink: MakeSink, caplog: pytest.LogCaptureFixture
) -> None:
    broker = running(make_broker, "max_packet_size 2000")
    sink = started(make_sink, broker, Announcer())
    send(sink, 1)
    wait_until(lambda: sink.drained() and sink.status().messages_refused == 1)
    wait_until(lambda: "'echo/short'" in broker.log())
    assert logged(caplog, "a message to homeassistant/config is dropped: a packet of") == 1
