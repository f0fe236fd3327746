"""Covers events that wait in the outbox while the clock of the machine is set, in one process and over starts."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from edge.config.mqtt_schema import MqttConfig
from edge.mqtt.outbox.outbox import Outbox
from edge.mqtt.outbox.store import Store
from edge.mqtt.outbox.writer import OutboxWriter
from edge.mqtt.settings import Timing
from edge.mqtt.sink import MqttSink
from support.broker import PrivateBroker
from support.mqtt import OUTBOX, SettableClock, Subscriber, seconds_off, wait_until

MakeBroker = Callable[..., PrivateBroker]
MakeSink = Callable[..., MqttSink]
Subscribe = Callable[..., Subscriber]

YEARS = 2.5 * 365 * 86_400


class Process:
    """The outbox and its writer, of one start of the sensor. `close` is left out where it is killed."""

    def __init__(self, folder: Path, clock: SettableClock) -> None:
        self.clock = clock
        self.outbox = Outbox(MqttConfig(), clock=clock.clock)
        store = Store(folder / OUTBOX, machine_boot=clock.clock.machine_boot)
        self.writer = OutboxWriter(self.outbox, store, clock=clock.clock)
        self.writer.start()

    def add(self, *seqs: int, boot_id: str = "boot") -> None:
        for seq in seqs:
            self.outbox.add(self.clock.event(seq, boot_id=boot_id), time.monotonic())
        wait_until(lambda: self.outbox.unsaved == 0)

    def sent(self) -> list[dict[str, object]]:
        """Send all that waits; return the payloads."""
        payloads: list[bytes] = []

        def publish(payload: bytes, _key: tuple[str, int]) -> int:
            payloads.append(payload)
            return len(payloads)

        self.outbox.connection_made()
        while self.outbox.send_next(publish, lambda _: True):
            pass
        return [msgspec.json.decode(payload) for payload in payloads]


def killed(process: Process, folder: Path, copy: Path) -> Path:
    """Return a folder with the files as the process leaves them that is killed now."""
    shutil.copytree(folder, copy)
    process.writer.finish()
    return copy


@pytest.mark.parametrize("error_seconds", [-YEARS, YEARS])
def test_event_that_waits_while_the_clock_is_set_is_corrected(tmp_path: Path, error_seconds: float) -> None:
    process = Process(tmp_path, SettableClock(error_seconds=error_seconds, synchronised=False))
    process.add(1, 2)
    process.clock.error_seconds = 0.0
    process.clock.synchronised = True
    process.add(3)
    events = process.sent()
    assert [one["seq"] for one in events] == [1, 2, 3]
    assert [(one["time_corrected"], one["clock_synchronised"]) for one in events] == [(True, True)] * 2 + [
        (False, True)
    ]
    assert all(seconds_off(str(one["time"])) < 30 for one in events)
    assert all(0 <= float(str(one["latency_ms"])) < 30_000 for one in events)
    process.writer.finish()


def test_event_of_a_killed_process_is_corrected_by_the_next_on_the_same_machine(tmp_path: Path) -> None:
    clock = SettableClock(error_seconds=-YEARS, synchronised=False)
    first = Process(tmp_path / "one", clock)
    first.add(1)
    folder = killed(first, tmp_path / "one", tmp_path / "two")
    # Set while no sensor runs.
    clock.error_seconds, clock.synchronised = 0.0, True
    second = Process(folder, clock)
    (event,) = second.sent()
    assert (event["time_corrected"], event["clock_synchronised"]) == (True, True)
    assert seconds_off(str(event["time"])) < 30
    assert float(str(event["latency_ms"])) < 30_000
    second.writer.finish()


def test_event_is_corrected_after_a_power_cut_where_the_step_was_seen(tmp_path: Path) -> None:
    first = Process(tmp_path / "one", SettableClock("machine-1", error_seconds=-YEARS, synchronised=False))
    first.add(1)
    first.clock.error_seconds, first.clock.synchronised = 0.0, True
    first.add(2)  # is written together with what is known of the clock now
    folder = killed(first, tmp_path / "one", tmp_path / "two")
    # The machine starts again with a clock that is off by other years.
    second = Process(folder, SettableClock("machine-2", error_seconds=-2 * YEARS, synchronised=False))
    events = second.sent()
    assert [(one["time_corrected"], one["clock_synchronised"]) for one in events] == [(True, True), (False, True)]
    assert all(seconds_off(str(one["time"])) < 30 for one in events)
    second.writer.finish()


def test_event_from_before_a_power_cut_with_a_clock_that_was_never_set_says_so(tmp_path: Path) -> None:
    first = Process(tmp_path / "one", SettableClock("machine-1", error_seconds=-YEARS, synchronised=False))
    first.add(1)
    folder = killed(first, tmp_path / "one", tmp_path / "two")
    second = Process(folder, SettableClock("machine-2"))
    second.add(1, boot_id="later")
    before, now = second.sent()
    assert (before["time_corrected"], before["clock_synchronised"]) == (False, False)
    assert seconds_off(str(before["time"])) == pytest.approx(YEARS, abs=30)
    assert (now["time_corrected"], now["clock_synchronised"]) == (False, True)
    second.writer.finish()


def test_step_is_written_without_a_further_event() -> None:
    clock = SettableClock("machine-1", error_seconds=-YEARS, synchronised=False)
    outbox = Outbox(MqttConfig(), clock=clock.clock)
    outbox.add(clock.event(1), time.monotonic())
    work = outbox.disk_work(wait=False)
    assert work is not None
    outbox.disk_work_done(work, [1], clock.clock.read())
    assert outbox.disk_work(wait=False) is None
    clock.error_seconds = 0.0
    assert outbox.disk_work(wait=False) is not None


def test_broker_receives_corrected_times_after_the_clock_was_set(
    make_broker: MakeBroker, make_sink: MakeSink, subscribe: Subscribe
) -> None:
    broker = make_broker(persistence=True)
    broker.start()
    subscriber = subscribe(broker, session=True)
    broker.stop()
    clock = SettableClock(error_seconds=-YEARS, synchronised=False)
    sink = make_sink(broker, timing=Timing(clock=clock.clock))
    sink.start()
    for seq in (1, 2, 3):
        sink.event(clock.event(seq), time.monotonic())
    clock.error_seconds, clock.synchronised = 0.0, True
    broker.start()
    subscriber.wait(lambda: len(subscriber.seqs) == 3)
    # Forward, back, and right again, beside a broker that answers.
    for seq, error_seconds in ((4, 7200.0), (5, -7200.0), (6, 0.0)):
        clock.error_seconds = error_seconds
        sink.event(clock.event(seq), time.monotonic())
        subscriber.wait(lambda seq=seq: seq in subscriber.seqs)
    events = [seen.json for seen in subscriber.of("event")]
    assert [one["seq"] for one in events] == [1, 2, 3, 4, 5, 6]
    assert [one["time_corrected"] for one in events] == [True] * 3 + [False] * 3
    assert all(one["clock_synchronised"] for one in events)
    assert all(seconds_off(one["time"]) < 60 for one in (*events[:3], events[5]))
    assert sink.status().outbox_dropped == 0
