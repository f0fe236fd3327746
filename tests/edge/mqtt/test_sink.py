"""Covers the sink on a real mosquitto that is up: payloads, retained topics, status, shutdown."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

from edge.mqtt.settings import Timing
from edge.mqtt.sink import MqttSink
from support.broker import PrivateBroker
from support.mqtt import Subscriber, assert_run, event, health, info, send, state, wait_until

MakeBroker = Callable[..., PrivateBroker]
Subscribe = Callable[..., Subscriber]
MakeSink = Callable[..., MqttSink]


def test_publishes_everything_between_online_and_stopped(
    broker: PrivateBroker, subscribe: Subscribe, make_sink: MakeSink
) -> None:
    subscriber = subscribe(broker)
    # On a busy machine a hundred events at once take longer than two seconds, from which they count as late.
    sink = make_sink(broker, timing=Timing(late_seconds=3600.0))
    sink.info(info())
    sink.start()
    assert sink.status().broker == "connected"
    sink.state(state(None))
    sink.health(health())
    send(sink, *range(1, 101))
    wait_until(sink.drained)
    subscriber.wait(lambda: len(subscriber.of("health")) == 1)  # a later one takes the place of one that still waits
    sink.health(health())
    sink.state(state("happy"))
    assert sink.close(5.0)
    assert sink.status().broker == "disconnected"
    assert sink.status().failure is None
    subscriber.wait(lambda: "stopped" in subscriber.statuses)
    kinds = [seen.kind for seen in subscriber.seen]
    assert kinds[:2] == ["status", "info"]
    assert_run(subscriber.seqs, 1, 100)
    assert kinds[-1] == "status"
    assert subscriber.statuses == ["online", "stopped"]
    assert [seen.qos for seen in subscriber.of("event")] == [1] * 100
    assert not any(seen.json["replayed"] for seen in subscriber.of("event"))
    assert [seen.qos for seen in subscriber.of("health")] == [1, 0], "the first shows whether the broker takes it"
    late_subscriber = subscribe(broker)
    late_subscriber.wait(lambda: len(late_subscriber.seen) == 4)
    retained = {seen.kind: seen for seen in late_subscriber.seen}
    assert set(retained) == {"status", "info", "state", "health"}
    assert retained["status"].payload == b"stopped"
    assert retained["state"].json["emotion"] == "happy"


def test_latency_is_counted_from_the_capture(broker: PrivateBroker, subscribe: Subscribe, make_sink: MakeSink) -> None:
    subscriber = subscribe(broker)
    sink = make_sink(broker)
    sink.start()
    captured = time.monotonic()
    sink.event(event(1), captured - 60)
    sink.event(event(2), captured)
    subscriber.wait(lambda: len(subscriber.seqs) == 2)
    old, new = (seen.json["latency_ms"] for seen in subscriber.of("event"))
    # A second of slack: the sink converts between two clocks, which it reads one after the other.
    passed_ms = (time.monotonic() - captured + 1.0) * 1e3
    assert 59_000 <= old <= 60_000 + passed_ms
    assert 0 <= new <= passed_ms


def test_close_delivers_the_events_that_wait(broker: PrivateBroker, subscribe: Subscribe, make_sink: MakeSink) -> None:
    subscriber = subscribe(broker)
    sink = make_sink(broker)
    sink.start()
    send(sink, *range(1, 301))
    assert sink.close(10.0)
    subscriber.wait(lambda: "stopped" in subscriber.statuses)
    assert_run(subscriber.seqs, 1, 300)


PROGRAM = """
import os, sys, time
from edge.config.mqtt_schema import MqttConfig
from edge.mqtt.settings import Timing
from edge.mqtt.sink import MqttSink
from support.mqtt import event
sink = MqttSink(MqttConfig(url=sys.argv[1]), "cam")
sink.start()
sink.event(event(1), time.monotonic())
sys.stdin.read()
"""


def test_killed_process_is_reported_offline_by_the_will(broker: PrivateBroker, subscribe: Subscribe) -> None:
    subscriber = subscribe(broker)
    environ = {"PYTHONPATH": ":".join(path for path in sys.path if path)}
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, broker.url], stdin=subprocess.PIPE, env=environ)
    try:
        subscriber.wait(lambda: subscriber.seqs == [1])
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    subscriber.wait(lambda: subscriber.statuses == ["online", "offline"])
    late_subscriber = subscribe(broker)
    late_subscriber.wait(lambda: late_subscriber.statuses)
    assert (late_subscriber.statuses, late_subscriber.seen[0].retained) == (["offline"], True)


def test_will_of_a_dead_connection_comes_before_the_new_online(
    broker: PrivateBroker, subscribe: Subscribe, make_sink: MakeSink
) -> None:
    subscriber = subscribe(broker)
    make_sink(broker).start()  # like the connection that a power cut left half open
    second = make_sink(broker)
    second.start()
    # From here on the broker disconnects each of the two when the other connects.
    wait_until(lambda: subscriber.statuses.count("online") >= 2)
    assert subscriber.statuses[:3] == ["online", "offline", "online"]


def test_close_returns_in_time_without_a_broker(make_broker: MakeBroker, make_sink: MakeSink) -> None:
    broker = make_broker()
    broker.reserve()
    sink = make_sink(broker, outbox_directory="none")
    sink.start()
    assert (sink.status().outbox_durable, sink.status().outbox_problem) == (False, None)
    send(sink, 1)
    began = time.monotonic()
    assert not sink.close(0.5)
    assert 0.4 < time.monotonic() - began < 15


def test_close_without_limit_waits_for_the_broker(
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
    late_subscriber = subscribe(broker)
    late_subscriber.wait(lambda: late_subscriber.statuses == ["stopped"])


def test_close_without_start_loses_nothing(make_broker: MakeBroker, make_sink: MakeSink) -> None:
    broker = make_broker()
    broker.reserve()
    assert make_sink(broker).close(5.0)
