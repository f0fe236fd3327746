"""`emotion-edge fleet` with a real broker: what it collects, prints and returns."""

import contextlib
import io
import json
import threading
import time

import pytest

from edge.commands.fleet.command import Options, show_fleet
from edge.config.mqtt_schema import MqttConfig
from edge.errors import BrokerError, ConfigError
from edge.mqtt.sink import MqttSink
from support.fleet import now_messages, running
from support.mqtt import Subscriber, event, info, wait_until

QUICK = {"quiet_seconds": 0.3, "redraw_seconds": 0.1}
"""In place of the times for brokers that are far away, and for eyes."""


def publish(broker, name, published):
    # Not the fixture `subscribe`, which checks that every message fits its schema.
    with contextlib.closing(Subscriber(broker.port)) as client:
        for kind, payload in published.items():
            client.publish(f"emotion-edge/{name}/{kind}", payload, retain=True)


def show(broker, **options):
    stream = io.StringIO()
    code = show_fleet(MqttConfig(url=broker.url), Options(**QUICK, **options), stream)
    return code, stream.getvalue().splitlines()


def test_devices_that_the_broker_knows_are_listed_worst_first_and_one_that_is_wrong_gives_exit_code_1(broker):
    publish(broker, "fine", now_messages())
    publish(broker, "blind", now_messages(source="lost", source_error="/dev/video0 is gone"))
    publish(broker, "stopped", now_messages("stopped"))
    publish(broker, "gone", now_messages("offline"))
    publish(broker, "evil\u202e", {"health": b'{"fps": "many"}'})
    code, lines = show(broker)
    assert code == 1
    assert [line.split()[0] for line in lines[1:-1]] == ["gone", "blind", "evil�", "fine", "stopped"]
    assert lines[2].endswith("source lost: /dev/video0 is gone")
    assert "health cannot be read: Expected `float | null`, got `str` - at `$.fps`; no status" in lines[3]
    assert lines[-1].startswith("5 devices: 2 online, 1 stopped, 1 offline, 1 without a status; 3 with problems")
    code, lines = show(broker, filter="ok")
    assert (code, [line.split()[0] for line in lines[1:-1]]) == (0, ["fine", "stopped"])


def test_real_sensor_is_shown_with_what_it_publishes(broker):
    sink = MqttSink(MqttConfig(url=broker.url), "cam")
    sink.start()
    sink.info(info())
    sink.health(running(time.time()))
    try:
        wait_until(lambda: "emotion-edge/cam/health" in broker.log())
        code, (line,) = show(broker, json=True)
    finally:
        assert sink.close(5.0)
    record = json.loads(line)
    assert code == 0
    assert (record["device"], record["status"], record["fps"], record["problems"]) == ("cam", "online", 14.9, [])


def test_messages_that_the_brokers_queue_has_no_room_for_are_asked_for_by_name(make_broker):
    broker = make_broker(extra=["max_queued_messages 50"])
    broker.start()
    padded = now_messages(info_source="x" * 20_000)
    with contextlib.closing(Subscriber(broker.port)) as client:
        for number in range(400):
            for kind, payload in padded.items():
                client.publish(f"emotion-edge/cam-{number}/{kind}", payload, retain=True)
    code, lines = show(broker, json=True)
    assert "Outgoing messages are being dropped for client emotion-edge-fleet" in broker.log()
    assert len(lines) == 400
    assert all(json.loads(line)["model"] == "normal" and json.loads(line)["fps"] == 14.9 for line in lines)
    assert code == 0


def test_broker_that_knows_nobody_or_not_the_device_is_an_error(broker):
    with pytest.raises(BrokerError, match=r"has nothing on emotion-edge/\+/status: no sensor has published to it"):
        show(broker)
    publish(broker, "cam", now_messages())
    with pytest.raises(BrokerError, match=r"knows no device 'door-\*', but 1 others: a pattern must fit the whole id"):
        show(broker, filter="door-*")


@pytest.mark.parametrize("watch", [False, True])
def test_broker_that_cannot_be_reached_or_refuses_is_an_error(make_broker, watch):
    with pytest.raises(BrokerError, match="cannot be reached"):
        show_fleet(MqttConfig(url="mqtt://127.0.0.1:1"), Options(watch=watch), io.StringIO())
    broker = make_broker(users={"joe": "right"})
    broker.start()
    with pytest.raises(BrokerError, match="without a user name: Not authorized"):
        show(broker, watch=watch)
    with pytest.raises(ConfigError, match=r"mqtt\.url is empty"):
        show_fleet(MqttConfig(), Options(watch=watch), io.StringIO())


class Watching:
    """`fleet --watch` in a thread, without a terminal."""

    def __init__(self, broker, **options):
        self._stream = io.StringIO()
        self._stop = threading.Event()
        self.codes = []
        mqtt = MqttConfig(url=broker.url, reconnect_max_seconds=1.0)
        chosen = Options(watch=True, **QUICK, **options)
        self._thread = threading.Thread(
            target=lambda: self.codes.append(show_fleet(mqtt, chosen, self._stream, self._stop.is_set))
        )
        self._thread.start()

    @property
    def lines(self):
        return self._stream.getvalue().splitlines()

    def finish(self):
        self._stop.set()
        self._thread.join(20)
        return self.codes


def test_watch_without_a_terminal_writes_a_line_for_each_change_and_goes_on_after_a_restart(broker):
    publish(broker, "cam", now_messages())
    watched = Watching(broker)
    try:
        wait_until(lambda: len(watched.lines) == 3)
        publish(broker, "cam", now_messages(throttled=True))
        wait_until(lambda: watched.lines[-1].endswith("throttled by the firmware"))
        publish(broker, "new", now_messages())
        wait_until(lambda: " new " in watched.lines[-1])
        broker.stop()
        wait_until(lambda: "is lost" in watched.lines[-1])
        broker.start()
        wait_until(lambda: watched.lines[-1].endswith("connected to the broker again"))
        publish(broker, "cam", {"status": b"offline"})
        wait_until(lambda: "offline, last heard " in watched.lines[-1])
    finally:
        codes = watched.finish()
    assert codes == [1]


def test_watch_as_json_is_an_object_for_each_change_with_the_last_event(broker):
    publish(broker, "cam", now_messages())
    watched = Watching(broker, json=True)
    try:
        wait_until(lambda: len(watched.lines) == 1)
        publish(broker, "cam", {"event": json.dumps(json_of(event(3))).encode()} | now_messages(throttled=True))
        wait_until(lambda: len(watched.lines) >= 2)
    finally:
        assert watched.finish() == [1]
    record = json.loads(watched.lines[-1])
    assert record["problems"] == [{"kind": "throttled", "text": "throttled by the firmware"}]
    assert record["event"]["emotion"] == "happy"


def json_of(payload):
    return {"time": payload.time, "type": payload.type, "emotion": payload.emotion}
