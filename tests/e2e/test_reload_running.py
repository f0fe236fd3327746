"""`systemctl reload`: SIGHUP to the real program, with a real broker and a real sd_notify socket."""

import os
import pty
import signal
import socket
import subprocess
import threading
import time

import pytest

from support.mqtt import wait_until
from support.program import COMMAND, environment, start

ENDLESS = "scripted:happy=1.2,surprise=1.2?seed=5&loop=1"
FILE = """
[device]
id = "cam"
name = "Kitchen"
[health]
interval_seconds = 0.5
[budget]
latency_ms = 5000
[labels]
positive = ["happy"]
"""


class Sensor:
    """The program, its log, and the socket that systemd would listen on."""

    def __init__(self, folder, broker):
        self.file = folder / "config.toml"
        self.file.write_text(FILE, encoding="utf-8")
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.manager.bind(str(folder / "notify"))
        self.manager.settimeout(60)
        notify = {"NOTIFY_SOCKET": str(folder / "notify")}
        # --source is a flag: it overrides the file, after a reload too.
        arguments = ("run", "--config", self.file, "--source", ENDLESS, "--mqtt", broker.url)
        self.process = start(*arguments, **notify)
        self.log = []
        self.reader = threading.Thread(target=lambda: self.log.extend(self.process.stderr))
        self.reader.start()

    def notifications(self, wanted):
        """Return the notifications up to the first that starts with `wanted`."""
        received = []
        while not received or not received[-1].startswith(wanted):
            received.append(self.manager.recv(4096).decode())
        return received

    def reload(self, text):
        """Let it load `text`; return the one line that it logs about that."""
        before = len(self.log)
        self.file.write_text(text, encoding="utf-8")
        self.process.send_signal(signal.SIGHUP)
        (state,) = self.notifications("RELOADING=1")[-1:]
        assert 0 < int(state.partition("MONOTONIC_USEC=")[2]) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        assert self.notifications("READY=1")[-1] == "READY=1"
        wait_until(lambda: any("configuration" in line for line in self.log[before:]))
        (line,) = [line for line in self.log[before:] if "configuration" in line]
        return line

    def close(self):
        self.process.kill()
        self.process.wait()
        self.reader.join()
        self.process.stderr.close()
        self.process.stdout.close()
        self.manager.close()


@pytest.fixture
def sensor(tmp_path, broker):
    sensor = Sensor(tmp_path, broker)
    yield sensor
    sensor.close()


def latest(subscriber, kind):
    return subscriber.of(kind)[-1].json


def test_reload_applies_what_can_change_and_refuses_what_cannot_be_used(sensor, broker, subscribe):
    subscriber = subscribe(broker)
    sensor.notifications("READY=1")
    subscriber.wait(lambda: any(seen.kind == "event" for seen in subscriber.seen))
    assert (latest(subscriber, "info")["name"], latest(subscriber, "event")["groups"].keys()) == (
        "Kitchen",
        {"positive"},
    )
    boot = latest(subscriber, "info")["boot_id"]

    # Keys that a reload applies change at once; the others are named; flags override the file.
    text = FILE.replace("Kitchen", "Hall").replace("5000", "4000").replace("positive", "glad")
    text += '[events]\ndwell_seconds = 0.3\n[mqtt]\nkeepalive_seconds = 60\n[source]\nuri = "0"\nflip = "horizontal"\n'
    text += "[masks]\nlast = [[0.9, 0], [1, 0], [1, 1], [0.9, 1]]\n[zones]\nall = [[0, 0], [1, 0], [1, 1], [0, 1]]\n"
    line = sensor.reload(text)
    assert " warning: " in line
    assert line.endswith(
        "configuration reloaded; changed: device.name, labels.glad, labels.positive, masks.last, zones.all, "
        "events.dwell_seconds, budget.latency_ms; restart needed for: source.flip, mqtt.keepalive_seconds\n"
    )
    subscriber.wait(lambda: latest(subscriber, "info")["name"] == "Hall")
    assert latest(subscriber, "info")["groups"] == {"glad": ["happy"]}
    assert latest(subscriber, "info")["boot_id"] == boot
    assert latest(subscriber, "info")["health_interval_seconds"] == 0.5
    subscriber.wait(lambda: latest(subscriber, "health")["budget_latency_ms"] == 4000)
    seen = len(subscriber.of("event"))
    subscriber.wait(
        lambda: len(subscriber.of("event")) > seen and latest(subscriber, "event")["groups"].keys() == {"glad"}
    )

    # Every face left when the mask came, and has appeared again, in the zone.
    wait_until(lambda: "masks hide 10 % of the picture" in "".join(sensor.log))
    subscriber.wait(
        lambda: latest(subscriber, "state")["zones"] and latest(subscriber, "state")["zones"]["all"]["faces"]
    )
    assert latest(subscriber, "info")["masks"] == {"last": [[0.9, 0], [1, 0], [1, 1], [0.9, 1]]}
    zones = [seen.json["face"]["zones"] for seen in subscriber.of("event")]
    first = zones.index(["all"])
    assert zones == [[]] * first + [["all"]] * (len(zones) - first)
    assert subscriber.of("event")[first].json["type"] == "face_left"
    assert subscriber.of("event")[first + 1].json["type"] == "face_appeared"

    # A file that cannot be used changes nothing, even where only the next start would use its keys.
    bad = {
        "[events]\ndwell_seconds = -1\n": "events.dwell_seconds is -1, but must be a number from 0 to 30",
        "[events\n": "is not valid TOML",
        '[labels]\nodd = ["glee"]\n': f"{sensor.file}: labels.odd holds 'glee', which is no label of the model",
        '[detector]\ncascade = "/dev/null"\n': f"{sensor.file}: detector.cascade",
        "[zones]\na = [[0, 0], [1, 1], [1, 0], [0, 1]]\n": f"{sensor.file}: zones.a crosses itself, but must not",
        '[mqtt]\nca_file = "/no/such.pem"\n': "mqtt.ca_file",
    }
    for text, reason in bad.items():
        line = sensor.reload('[device]\nid = "cam"\nname = "Attic"\n' + text)
        assert " error: " in line
        assert "the new configuration is refused, and the one in force stays: " in line
        assert reason in line
    sensor.file.unlink()
    sensor.process.send_signal(signal.SIGHUP)
    wait_until(lambda: f"configuration file {sensor.file} does not exist" in sensor.log[-1])
    seen = len(subscriber.of("health"))
    subscriber.wait(lambda: len(subscriber.of("health")) >= seen + 2)
    assert latest(subscriber, "health")["budget_latency_ms"] == 4000
    assert latest(subscriber, "info")["name"] == "Hall"

    # Sequence numbers continue.
    sensor.process.send_signal(signal.SIGTERM)
    assert sensor.process.wait(60) == 0
    subscriber.wait(lambda: subscriber.statuses[-1:] == ["stopped"])
    assert subscriber.seqs == list(range(1, len(subscriber.seqs) + 1))
    assert "Traceback" not in "".join(sensor.log)


def test_sighup_is_ignored_under_nohup(broker, subscribe):
    """There the signal means that the terminal is gone, and nohup requests to ignore that."""
    subscriber = subscribe(broker)
    process = subprocess.Popen(
        ["nohup", *COMMAND, "run", "--source", ENDLESS, "--mqtt", broker.url],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    try:
        subscriber.wait(lambda: any(seen.kind == "event" for seen in subscriber.seen))
        process.send_signal(signal.SIGHUP)
        seen = len(subscriber.of("event"))
        subscriber.wait(lambda: sum(one.kind == "event" for one in subscriber.seen) > seen)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert "configuration" not in err
    finally:
        process.kill()
        process.communicate()


def test_sighup_after_the_terminal_is_gone_ends_the_program(broker, subscribe):
    """A program started by hand over a connection that broke must not run for ever."""
    subscriber = subscribe(broker)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        ["setsid", "--ctty", *COMMAND, "run", "--source", ENDLESS, "--mqtt", broker.url],
        stdin=theirs,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    os.close(theirs)
    try:
        subscriber.wait(lambda: any(seen.kind == "event" for seen in subscriber.seen))
        process.send_signal(signal.SIGHUP)  # a reload, because the terminal is there
        for line in process.stderr:
            if "nothing has changed" in line:
                break
        os.close(ours)
        assert process.wait(60) == 0
        subscriber.wait(lambda: subscriber.statuses[-1:] == ["stopped"])
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
