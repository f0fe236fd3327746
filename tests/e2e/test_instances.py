"""Two instances of the service on one device: a fault of one, a real process, never touches the other."""

import signal
import subprocess
import sys
import threading

import pytest

from edge.system.board import device_id
from support.mqtt import assert_run, wait_until
from support.program import environment

RUN = "import sys; from pathlib import Path; from edge.cli import main; sys.exit(main(sys.argv[2:], Path(sys.argv[1])))"
FILE = """
[source]
uri = "scripted:happy=0.4,surprise=0.4?seed=5&loop=1"
[events]
dwell_seconds = 0.1
smoothing_seconds = 0
[mqtt]
url = "{url}"
[health]
interval_seconds = 0.5
[homeassistant]
enabled = true
[budget]
latency_ms = 10000
"""


class Instance:
    """A running instance, its log, and what a subscriber has received of it."""

    def __init__(self, name, folder, state, broker, subscriber):
        self.device, self.file, self._subscriber = f"{device_id()}-{name}", folder / f"{name}.toml", subscriber
        self.file.write_text(FILE.format(url=broker.url), encoding="utf-8")
        self.process = subprocess.Popen(
            [sys.executable, "-c", RUN, folder, "run", "--config", self.file],
            stderr=subprocess.PIPE,
            text=True,
            env=environment(STATE_DIRECTORY=str(state)),
        )
        self.log = []
        self._reader = threading.Thread(target=lambda: self.log.extend(self.process.stderr))
        self._reader.start()

    def of(self, kind):
        return [one for one in self._subscriber.of(kind) if one.topic.split("/")[1] == self.device]

    def goes_on(self):
        """Wait for two further events and a report of health after the next one."""
        events, health = len(self.of("event")), len(self.of("health"))
        self._subscriber.wait(lambda: len(self.of("event")) >= events + 2 and len(self.of("health")) >= health + 2)

    def announced_name(self):
        """Return the name of the device that the instance has announced to Home Assistant."""
        topic = f"homeassistant/device/emotion-edge-{self.device}/config"
        self._subscriber.wait(lambda: any(seen.topic == topic for seen in self._subscriber.seen))
        return next(seen.json for seen in self._subscriber.seen if seen.topic == topic)["device"]["name"]

    def close(self):
        self.process.kill()
        self.process.wait()
        self._reader.join()
        self.process.stderr.close()


@pytest.fixture
def start(tmp_path, broker, subscribe):
    subscriber, instances = subscribe(broker), []

    def start_(name, state=None):
        instances.append(Instance(name, tmp_path, state or tmp_path / "state" / name, broker, subscriber))
        return instances[-1]

    yield start_
    for instance in instances:
        instance.close()


def test_fault_of_one_instance_does_not_touch_the_other(start, tmp_path):
    # The door can keep nothing: its state folder can never be made.
    hall, door = start("hall"), start("door", state="/proc/door")
    for one in (hall, door):
        one.goes_on()
        assert one.announced_name() == f"Emotion sensor {one.file.stem}", "a device of its own in Home Assistant"
    assert door.of("health")[-1].json["outbox_durable"] is False
    assert hall.of("health")[-1].json["outbox_durable"] is True

    door.process.send_signal(signal.SIGSTOP)
    hall.goes_on()
    door.process.send_signal(signal.SIGCONT)
    door.file.write_text("[source\n", encoding="utf-8")
    door.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "the new configuration is refused, and the one in force stays" in "".join(door.log))
    hall.goes_on()
    door.goes_on()
    door.process.kill()
    hall.goes_on()
    wait_until(lambda: [seen.payload for seen in door.of("status")] == [b"online", b"offline"])

    hall.process.send_signal(signal.SIGTERM)
    assert hall.process.wait(60) == 0
    wait_until(lambda: [seen.payload for seen in hall.of("status")] == [b"online", b"stopped"])
    numbers = [seen.json["seq"] for seen in hall.of("event")]
    assert_run(numbers, 1, len(numbers))
    assert not any(seen.json["replayed"] for seen in hall.of("event"))
    assert {seen.json["broker"] for seen in hall.of("health")} <= {"connecting", "connected"}
    assert not [line for line in hall.log if " warning: " in line or " error: " in line]
    assert all(hall.device in file.name for file in (tmp_path / "state" / "hall").iterdir())
