"""The sink against a real mosquitto."""

import logging
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest

from edge.brokerproc import PrivateBroker
from edge.mqtt.publisher import MqttSink
from mqtt_tools import Subscriber, assert_run, event, health, info, state, wait_until

pytestmark = pytest.mark.device

MakeBroker = Callable[..., PrivateBroker]
Subscribe = Callable[..., Subscriber]
MakeSink = Callable[..., MqttSink]


def send(sink: MqttSink, *seqs: int) -> None:
    for seq in seqs:
        sink.event(event(seq), time.monotonic())


def test_from_online_to_stopped(broker: PrivateBroker, subscribe: Subscribe, make_sink: MakeSink) -> None:
    subscriber = subscribe(broker)
    sink = make_sink(broker)
    sink.info(info())
    sink.start()
    assert sink.broker_state == "connected"
    sink.state(state(None))
    sink.health(health())
    send(sink, *range(1, 101))
    wait_until(sink.drained)
    sink.state(state("happy"))
    assert sink.close(5.0)
    assert sink.broker_state == "disconnected"
    assert sink.failure is None
    subscriber.wait(lambda: "stopped" in subscriber.statuses)
    kinds = [seen.kind for seen in subscriber.seen]
    assert kinds[:2] == ["status", "info"]
    assert_run(subscriber.seqs, 1, 100)
    assert kinds[-1] == "status"
    assert subscriber.statuses == ["online", "stopped"]
    assert [seen.qos for seen in subscriber.of("event")] == [1] * 100
    assert not any(seen.json["replayed"] for seen in subscriber.of("event"))
    assert subscriber.of("health")[0].qos == 0
    late_comer = subscribe(broker)
    late_comer.wait(lambda: len(late_comer.seen) == 4)
    retained = {seen.kind: seen for seen in late_comer.seen}
    assert set(retained) == {"status", "info", "state", "health"}
    assert retained["status"].payload == b"stopped"
    assert retained["state"].json["emotion"] == "happy"


def test_latency_counts_from_capture(broker: PrivateBroker, subscribe: Subscribe, make_sink: MakeSink) -> None:
    subscriber = subscribe(broker)
    sink = make_sink(broker)
    sink.start()
    sink.event(event(1), time.monotonic() - 0.5)
    sink.event(event(2), time.monotonic())
    subscriber.wait(lambda: len(subscriber.seqs) == 2)
    old, new = (seen.json["latency_ms"] for seen in subscriber.of("event"))
    assert 500 <= old < 2000
    assert 0 <= new < 500


def test_what_ends_in_the_drain_arrives(broker: PrivateBroker, subscribe: Subscribe, make_sink: MakeSink) -> None:
    subscriber = subscribe(broker)
    sink = make_sink(broker)
    sink.start()
    send(sink, *range(1, 301))
    assert sink.close(10.0)
    subscriber.wait(lambda: "stopped" in subscriber.statuses)
    assert_run(subscriber.seqs, 1, 300)


DIES = """
import os, sys, time
from edge.config import MqttConfig
from edge.mqtt.publisher import MqttSink
from mqtt_tools import event
sink = MqttSink(MqttConfig(url=sys.argv[1]), "cam")
sink.start()
sink.event(event(1), time.monotonic())
sys.stdin.read()
"""


def test_killed_process_is_offline(broker: PrivateBroker, subscribe: Subscribe) -> None:
    subscriber = subscribe(broker)
    environ = {"PYTHONPATH": ":".join(path for path in sys.path if path)}
    process = subprocess.Popen([sys.executable, "-c", DIES, broker.url], stdin=subprocess.PIPE, env=environ)
    try:
        subscriber.wait(lambda: subscriber.seqs == [1])
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    subscriber.wait(lambda: subscriber.statuses == ["online", "offline"])
    late_comer = subscribe(broker)
    late_comer.wait(lambda: late_comer.statuses)
    assert (late_comer.statuses, late_comer.seen[0].retained) == (["offline"], True)


def test_device_that_comes_back_is_not_marked_offline_later(
    broker: PrivateBroker, subscribe: Subscribe, make_sink: MakeSink
) -> None:
    subscriber = subscribe(broker)
    make_sink(broker).start()  # stands for the connection that a power cut left half open
    second = make_sink(broker)
    second.start()
    # The two now throw each other out in turn; the one that stays tells the truth in the end.
    wait_until(lambda: subscriber.statuses.count("online") >= 2)
    assert subscriber.statuses[:3] == ["online", "offline", "online"]


def test_broker_absent_at_start(
    make_broker: MakeBroker, subscribe: Subscribe, make_sink: MakeSink, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="edge")
    broker = make_broker()
    broker.reserve()
    sink = make_sink(broker)
    began = time.monotonic()
    sink.start()
    assert time.monotonic() - began < 5.5
    assert sink.broker_state == "disconnected"
    sink.info(info())
    send(sink, 1, 2, 3)
    sink.state(state("sad"))
    sink.state(state("happy"))
    assert sink.outbox_depth == 3
    assert not sink.drained()
    broker.start()
    subscriber = subscribe(broker)
    wait_until(sink.drained)
    send(sink, 4)
    subscriber.wait(lambda: 4 in subscriber.seqs)
    # Nothing is retained for who subscribes after an event, so any of the first three may be missed.
    assert subscriber.seqs == sorted(set(subscriber.seqs))
    assert [seen.json["replayed"] for seen in subscriber.of("event")] == [seq < 4 for seq in subscriber.seqs]
    assert [seen.json["emotion"] for seen in subscriber.of("state")] == ["happy"]
    said = [record.message for record in caplog.records if record.levelno >= logging.INFO]
    assert len(said) == 2, said
    assert "cannot be reached (Connection refused)" in said[0]
    assert f"connected to the broker at 127.0.0.1:{broker.port}" in said[1]


def test_events_of_before_the_broker_reach_a_waiting_subscriber(
    make_broker: MakeBroker, subscribe: Subscribe, make_sink: MakeSink
) -> None:
    broker = make_broker(persistence=True)
    broker.start()
    subscriber = subscribe(broker, session=True)
    broker.stop()
    sink = make_sink(broker)
    sink.start()
    send(sink, *range(1, 41))
    broker.start()
    wait_until(sink.drained)
    subscriber.wait(lambda: len(subscriber.seqs) >= 40)
    assert subscriber.seqs == list(range(1, 41))
    assert all(seen.json["replayed"] for seen in subscriber.of("event"))


def test_broker_restarted_in_the_middle(
    make_broker: MakeBroker, subscribe: Subscribe, make_sink: MakeSink, caplog: pytest.LogCaptureFixture
) -> None:
    """A broker that ends in good order has stored what it acknowledged, so each event must arrive.

    We send each once, as nothing of ours is under way when the broker goes. It may pass one on twice,
    where it goes before the subscriber's acknowledgement came.
    """
    caplog.set_level(logging.INFO, logger="edge.mqtt")
    broker = make_broker(persistence=True)
    broker.start()
    subscriber = subscribe(broker, session=True)
    sink = make_sink(broker)
    sink.start()
    send(sink, *range(1, 21))
    wait_until(sink.drained)
    broker.stop()
    wait_until(lambda: sink.broker_state == "disconnected")
    send(sink, *range(21, 41))
    broker.start()
    wait_until(sink.drained)
    send(sink, *range(41, 61))
    wait_until(sink.drained)
    subscriber.wait(lambda: 60 in subscriber.seqs)
    assert list(dict.fromkeys(subscriber.seqs)) == list(range(1, 61))
    ours = r"Received PUBLISH from emotion-edge-cam \(d\d, q1, r0, m\d+, 'emotion-edge/cam/event'"
    assert len(re.findall(ours, broker.log())) == 60
    replayed = {seen.json["seq"] for seen in subscriber.of("event") if seen.json["replayed"]}
    assert replayed == set(range(21, 41))
    said = [record.message for record in caplog.records]
    assert "connected to the broker" in said[0]
    assert "is gone: " in said[1]
    assert "connected to the broker" in said[-1]
    # In between: that nothing listens there now, once, however often it was tried. (A broker that is just
    # ending or starting has a few more ways to say so.)
    assert len(set(said[1:-1])) == len(said[1:-1]) <= 4, said


def test_broker_killed_under_load_loses_nothing_that_it_did_not_acknowledge(
    broker: PrivateBroker, subscribe: Subscribe, make_sink: MakeSink
) -> None:
    """Without persistence, so the subscriber's own gap while the broker is down is what may be missing."""
    sink = make_sink(broker)
    sink.start()
    stop = threading.Event()
    sent = []

    def keep_sending() -> None:
        seq = 0
        while not stop.wait(0.005):
            seq += 1
            send(sink, seq)
            sent.append(seq)

    sender = threading.Thread(target=keep_sending)
    sender.start()
    try:
        wait_until(lambda: len(sent) > 50)
        broker.kill()
        wait_until(lambda: sink.outbox_depth > 50)
        before = sink._pending._outbox.pending_seqs()
        broker.start()
        subscriber = subscribe(broker)
        subscriber.wait(lambda: subscriber.seqs)
    finally:
        stop.set()
        sender.join()
    assert sink.close(10.0)
    assert_run(before, before[0], before[-1])
    subscriber.wait(lambda: sent[-1] in subscriber.seqs)
    assert_run(subscriber.seqs, subscriber.seqs[0], sent[-1])
    assert sink.outbox_dropped == 0


def test_full_outbox_keeps_the_newest(
    make_broker: MakeBroker, make_sink: MakeSink, caplog: pytest.LogCaptureFixture
) -> None:
    broker = make_broker()
    broker.reserve()
    sink = make_sink(broker, outbox_max_events=10)
    sink.start()
    send(sink, *range(1, 26))
    assert (sink.outbox_depth, sink.outbox_dropped) == (10, 15)
    assert sink.close(0.2)
    said = [record.message for record in caplog.records if record.message.startswith("the outbox is full")]
    assert said == [
        "the outbox is full: more than 10 events wait, or one for over 168 hours; from now on the oldest go"
    ]


def test_close_returns_in_time_where_the_broker_is_away(make_broker: MakeBroker, make_sink: MakeSink) -> None:
    broker = make_broker()
    broker.reserve()
    sink = make_sink(broker, outbox_directory="none")
    sink.start()
    assert (sink.outbox_durable, sink.outbox_problem) == (False, None)
    send(sink, 1)
    began = time.monotonic()
    assert not sink.close(0.5)
    assert 0.4 < time.monotonic() - began < 15


def test_close_waits_without_limit_for_a_broker_that_comes(
    make_broker: MakeBroker, subscribe: Subscribe, make_sink: MakeSink
) -> None:
    broker = make_broker()
    broker.reserve()
    sink = make_sink(broker)
    sink.start()
    send(sink, 1)
    outcome: list[bool] = []
    closer = threading.Thread(target=lambda: outcome.append(sink.close(float("inf"))))
    closer.start()
    broker.start()
    closer.join(20)
    assert outcome == [True]
    late_comer = subscribe(broker)
    late_comer.wait(lambda: late_comer.statuses == ["stopped"])


def test_close_without_start(make_broker: MakeBroker, make_sink: MakeSink) -> None:
    broker = make_broker()
    broker.reserve()
    assert make_sink(broker).close(5.0)


def test_a_broker_that_is_away_for_long_is_a_line_an_hour(
    make_broker: MakeBroker, make_sink: MakeSink, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broker = make_broker()
    broker.reserve()
    sink = make_sink(broker)
    sink.start()
    send(sink, 1, 2)
    time.sleep(1.5)  # several tries
    assert len(caplog.records) == 1
    monkeypatch.setattr(sink._silence._absence, "_remind_seconds", 0.1)
    wait_until(lambda: len(caplog.records) > 1)
    reminder = caplog.records[1].message
    assert re.match(r"still no broker, for \d s: the broker at 127\.0\.0\.1", reminder)
    assert reminder.endswith("; 2 event(s) wait")
