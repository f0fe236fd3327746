"""The watchdog in the whole program, with a publisher that hangs, a real socket and a real broker."""

import signal
import socket
import subprocess
import sys
import threading
import time

from support.mqtt import wait_until
from support.program import environment

PERIOD_SECONDS = 1.5
LIMIT_SECONDS = 5.0
"""Limit for a turn of the publisher, instead of three minutes. A turn takes a second, on a busy machine more."""

PROGRAM = """
import functools, sys, time
from pathlib import Path
import edge.daemon.daemon
from edge.cli import main
from edge.daemon.watchdog import WatchdogFeeder
from edge.mqtt.connection import Connection

hang, limit, *arguments = sys.argv[1:]
edge.daemon.daemon.WatchdogFeeder = functools.partial(WatchdogFeeder, publisher_seconds=float(limit))
poll = Connection.poll

def faulty(self, *arguments):
    while Path(hang).exists():
        time.sleep(0.1)
    poll(self, *arguments)

Connection.poll = faulty
sys.exit(main(arguments))
"""


class Service:
    """The program, whose publisher hangs while a file exists, with its notifications and its log."""

    def __init__(self, folder, url):
        self.hang = folder / "hang"
        self._manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._manager.bind(str(folder / "notify"))
        self._manager.settimeout(0.1)
        self.notifications, self.log = [], []
        changes = {
            "NOTIFY_SOCKET": str(folder / "notify"),
            "WATCHDOG_USEC": str(round(PERIOD_SECONDS * 1_000_000)),
            "EMOTION_EDGE_HEALTH_INTERVAL_SECONDS": "0.5",
            "EMOTION_EDGE_MQTT_OUTBOX_DIRECTORY": "none",
            "EMOTION_EDGE_MQTT_RECONNECT_MAX_SECONDS": "8",
        }
        arguments = ["run", "--source", "scripted:happy=2,none=1?seed=5&loop=1", "--mqtt", url]
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(self.hang), str(LIMIT_SECONDS), *arguments],
            stderr=subprocess.PIPE,
            text=True,
            env=environment(**changes),
        )
        self._readers = [threading.Thread(target=self._read), threading.Thread(target=self._listen)]
        for reader in self._readers:
            reader.start()

    def _read(self):
        self.log.extend(self.process.stderr)

    def _listen(self):
        while self.process.poll() is None:
            try:
                self.notifications.append(self._manager.recv(4096).decode())
            except TimeoutError:
                continue

    def count(self, beginning):
        return sum(message.startswith(beginning) for message in list(self.notifications))

    def more(self, beginning, times):
        target = self.count(beginning) + times
        wait_until(lambda: self.count(beginning) >= target)

    def close(self):
        self.process.kill()
        self.process.wait()
        for reader in self._readers:
            reader.join()
        self.process.stderr.close()
        self._manager.close()


def test_hanging_publisher_starves_the_watchdog_and_an_absent_broker_does_not(make_broker, tmp_path):
    broker = make_broker()
    broker.reserve()
    service = Service(tmp_path, broker.url)
    try:
        began = time.monotonic()
        while time.monotonic() - began < 1.2 * LIMIT_SECONDS:  # attempts to connect, and waits between them
            service.more("WATCHDOG=1", 2)
        assert not [line for line in service.log if "hung" in line]
        broker.start()
        wait_until(lambda: any("connected to" in line for line in service.log))
        service.more("WATCHDOG=1", 2)

        service.hang.touch()
        wait_until(lambda: any("the publisher has hung for" in line for line in service.log))
        fed = service.count("WATCHDOG=1")
        service.more("STATUS=", 4)  # health, twice a second: the pipeline goes on
        assert service.count("WATCHDOG=1") - fed <= 1, "one feed may have been in the socket"

        # If systemd has not killed it by then, a publisher that recovers feeds the watchdog again.
        service.hang.unlink()
        service.more("WATCHDOG=1", 2)
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(60) == 0
        assert sum("hung" in line for line in service.log) == 1
    finally:
        service.close()
