"""Runs the soak: faults of every kind at random, for some minutes, and a verdict at the end.

python -m soak.run MINUTES SEED FOLDER, with tests on PYTHONPATH; `make soak MINUTES=n` does that. docs/testing.md
describes what it does and what its verdict means.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from edge.commands import demo_broker

from .broker import SoakBroker, Watch, wait_for
from .camera import Camera
from .faults import DURATION_SECONDS, LANES, USUAL_SECONDS, Fault, can_mount
from .ledger import Ledger
from .proxy import Proxy
from .report import Observations, write_report
from .sensor import Ended, Sensor
from .stage import SkippedError, Stage
from .verdict import watch_breaches

STATE_MEGABYTES: Final = 2
_SAMPLE_SECONDS: Final = 1.0
_PAUSE_SECONDS: Final = {"camera": (5.0, 15.0), "broker": (2.0, 8.0), "device": (3.0, 12.0)}
"""Between two faults of a lane. Without a camera, or a sensor, there is no event to lose."""
_RECOVERY_SECONDS: Final = 90.0
"""Longest time until everything works again after the last fault: the longest wait before a camera is opened again
is 30 s, and one that hangs is given up after 15."""
_FIRST_EVENTS: Final = 3
_WATCH_SETTINGS: Final = {
    # It is back soon after each start of the broker, which admits the sensor only then.
    "EMOTION_EDGE_MQTT_RECONNECT_MAX_SECONDS": "1",
    # A virtual machine that stands still for a minute must not cost the subscriber its connection.
    "EMOTION_EDGE_MQTT_KEEPALIVE_SECONDS": "3600",
}
_FAKETIME: Final = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib/faketime/libfaketimeMT.so.1")
_CONFIG: Final = """
[device]
id = "soak"

[source]
uri = "{uri}"
stall_seconds = 3

[tracker]
lost_seconds = 0.7

[events]
dwell_seconds = 0.3

[mqtt]
url = "mqtt://127.0.0.1:{port}"
keepalive_seconds = 5
reconnect_max_seconds = 2
outbox_directory = "{state}"

[health]
interval_seconds = 2

[budget]
priority = "normal"
latency_ms = 1000
"""
"""Shorter times than the defaults, so that a fault of some seconds is noticed and many events are decided. The budget
is large, because the machine may be busy."""


class Timeline:
    """Writes records with the seconds since the start as JSON Lines, and prints those that a person wants to see."""

    def __init__(self, file: Path) -> None:
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._stream = file.open("w", encoding="utf-8")

    def note(self, what: str, /, *, quiet: bool = False, **values: object) -> None:
        """Write a record; `quiet`: to the file only."""
        seconds = round(time.monotonic() - self._began, 2)
        with self._lock:
            self._stream.write(json.dumps({"seconds": seconds, "what": what, **values}) + "\n")
            self._stream.flush()
        if not quiet:
            details = ", ".join(f"{name} {value}" for name, value in values.items() if value not in ("", None, {}))
            sys.stdout.write(f"{seconds:8.1f} s  {what}{': ' if details else ''}{details}\n")
            sys.stdout.flush()

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


class Soak:
    """One run. `folder` gets the timeline, the logs and the summary; `swallow`: see `Proxy`."""

    def __init__(self, folder: Path, seed: int, swallow: int | None = None) -> None:
        self._folder = folder
        self._seed = seed
        self.timeline = Timeline(folder / "timeline.jsonl")
        self._stopping = threading.Event()
        self._seen = Observations()
        self._state = folder / "state"
        self._state.mkdir()
        self._why_not_mounted = can_mount(self._state, STATE_MEGABYTES)
        if self._why_not_mounted is not None:
            self.timeline.note("note", text=self._why_not_mounted)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("EMOTION_EDGE_")}
        self._broker = SoakBroker()
        self._broker.start()
        self._watch = Watch(
            self._broker.url,
            folder / "watch.jsonl",
            environment | _WATCH_SETTINGS,
        )
        self._admitted = [True]
        self._ledger = Ledger()
        self._proxy = Proxy(self._broker.sensor_port, self._ledger, lambda: self._admitted[0], swallow)
        self._camera = Camera(seed)
        config = folder / "config.toml"
        config.write_text(_CONFIG.format(uri=self._camera.uri, port=self._proxy.port, state=self._state))
        clock_file = self._fake_clock(environment)
        active: set[str] = set()
        self._infos_before = 0
        self._sensor = Sensor(
            config, self._state, folder / "sensor.log", environment, self.timeline.note, self._note_end, active
        )
        self._stage = Stage(
            self._broker,
            self._proxy,
            self._camera,
            self._sensor,
            self._ledger,
            self._watch,
            self._state,
            clock_file,
            self._why_not_mounted is None,
            lambda seconds: self._stopping.wait(seconds) and None,
            self._admitted,
            active=active,
        )

    def run(self, seconds: float, lanes: dict[str, Sequence[Fault]]) -> int:
        """Run faults for `seconds`; returns the exit code."""
        threads = [threading.Thread(target=self._lane, args=(name, faults)) for name, faults in lanes.items()]
        threads.append(threading.Thread(target=self._sample))
        if not wait_for(lambda: self._broker.subscribed_since(0), _RECOVERY_SECONDS):
            self._stage.breaches.append("watch did not subscribe")
        self._sensor.start()
        if not wait_for(lambda: len(self._watch.arrived()) >= _FIRST_EVENTS, _RECOVERY_SECONDS):
            self._stage.breaches.append("no events before the first fault")
        for thread in threads:
            thread.start()
        try:
            self._stopping.wait(seconds)
        except KeyboardInterrupt:
            self.timeline.note("interrupted")
        self._stopping.set()
        for thread in threads:
            thread.join()
        self._end()
        return write_report(self._folder, self._seed, self._stage, self._seen)

    def close(self) -> None:
        """End and remove everything but the files of the report."""
        self._stopping.set()
        self._sensor.close()
        self._watch.end()
        self._camera.close()
        self._proxy.close()
        self._broker.__exit__()
        if self._why_not_mounted is None:
            subprocess.run(["umount", str(self._state)], check=False, capture_output=True)
        shutil.rmtree(self._state, ignore_errors=True)
        self.timeline.close()

    def _fake_clock(self, environment: dict[str, str]) -> Path | None:
        found = next((str(file) for place in _FAKETIME for file in Path("/").glob(place[1:])), None)
        if found is None:
            return None
        file = self._folder / "clock"
        file.write_text("+0\n")
        environment |= {
            "LD_PRELOAD": found,
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        return file

    def _note_end(self, end: Ended, on_disk: dict[str, int]) -> None:
        for boot, seq in on_disk.items():
            self._seen.stored[boot] = max(seq, self._seen.stored.get(boot, 0))
        infos = self._ledger.infos
        boots = {info["boot_id"] for info in infos[self._infos_before :]}
        self._infos_before = len(infos)
        if end.code == 0:
            self._seen.clean |= boots

    def _lane(self, name: str, faults: Sequence[Fault]) -> None:
        rng = random.Random(f"{self._seed} {name}")
        deck: list[Fault] = []
        while not self._stopping.wait(rng.uniform(*_PAUSE_SECONDS[name])):
            if not deck:
                deck = list(faults)
                rng.shuffle(deck)
            fault = deck.pop()
            kind = fault.__name__
            # Drawn before the fault acts, so that a seed always gives the same series.
            own, seconds = random.Random(rng.random()), rng.uniform(*DURATION_SECONDS.get(kind, USUAL_SECONDS))
            self.timeline.note("fault", kind=kind, lane=name)
            self._stage.active.add(kind)
            try:
                detail = fault(self._stage, own, seconds)
            except SkippedError as error:
                if kind not in self._seen.skipped:
                    self.timeline.note("skipped", kind=kind, reason=str(error))
                self._seen.skipped[kind] = str(error)
                continue
            except Exception as error:  # noqa: BLE001 - a fault that fails would leave the run without it
                self._stage.breaches.append(f"the fault {kind} failed: {error!r}")
                self.timeline.note("breach", kind=kind, error=repr(error))
                return
            finally:
                self._stage.active.discard(kind)
            self._seen.counts[kind] += 1
            self.timeline.note("over", kind=kind, detail=detail)

    def _sample(self) -> None:
        while not self._stopping.wait(_SAMPLE_SECONDS):
            now = time.monotonic()
            footprint = self._sensor.footprint()
            if footprint is not None:
                self._seen.footprints.setdefault(footprint.pid, []).append((now, footprint))
            health = self._watch.health or {}
            self.timeline.note(
                "sample",
                quiet=True,
                **({} if footprint is None else asdict(footprint)),
                events=len(self._watch.arrived()),
                active=sorted(self._stage.active),
                **{name: health.get(name) for name in ("source", "broker", "outbox_depth", "outbox_dropped")},
            )
            without_broker = now - self._ledger.broker_heard_monotonic
            self._seen.longest_without_broker_seconds = max(self._seen.longest_without_broker_seconds, without_broker)

    def _end(self) -> None:
        """Wait until everything works again and every event has arrived, and end the sensor and the subscriber."""
        self.timeline.note("the last fault is over")
        began = time.monotonic()
        self._watch.forget()
        if not wait_for(lambda: not self._why_not_well(), _RECOVERY_SECONDS):
            self._stage.breaches.append(
                f"{_RECOVERY_SECONDS:g} s after the last fault the sensor had not recovered: {self._why_not_well()}"
            )
        self.timeline.note("recovered", after_seconds=round(time.monotonic() - began, 1))
        ends = len(self._sensor.ends)
        self._sensor.stop()
        wait_for(lambda: len(self._sensor.ends) > ends, _RECOVERY_SECONDS)
        wait_for(lambda: self._watch.has(self._ledger.at_broker()), _RECOVERY_SECONDS)
        if not wait_for(lambda: self._watch.status == "stopped", _RECOVERY_SECONDS):
            self._stage.breaches.append(f"the last status is {self._watch.status!r}, not 'stopped'")
        if self._sensor.ends and self._sensor.ends[-1].code != 0:
            last = self._sensor.ends[-1]
            self._stage.breaches.append(f"after SIGTERM the sensor ended with {last.code}: {last.last_lines}")
        code = self._watch.end()
        self.timeline.note("watch --verify ended", code=code, findings=self._watch.findings[-20:])
        self._stage.breaches += watch_breaches(code, self._watch.findings)

    def _why_not_well(self) -> str:
        health = self._watch.health or {}
        wanted = {"source": "ok", "broker": "connected", "outbox_depth": 0}
        wrong = [f"{name} is {health.get(name)!r}" for name, value in wanted.items() if health.get(name) != value]
        if not self._sensor.ready.is_set():
            wrong.append("the sensor is not READY")
        if not self._watch.live_events:
            wrong.append("no event has arrived since")
        return ", ".join(wrong)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as a command; returns 0 where nothing was breached."""
    parser = argparse.ArgumentParser(prog="soak.run", description=__doc__)
    parser.add_argument("minutes", type=float)
    parser.add_argument("seed", type=int)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--lane", action="append", choices=[*LANES, "none"], help="these lanes only")
    parser.add_argument("--only", action="append", metavar="KIND", help="these kinds only")
    parser.add_argument("--swallow", type=int, metavar="SEQ", help="lose this event, to see that the soak finds it")
    options = parser.parse_args(arguments)
    # The programs started here must not outlive this one.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    if demo_broker.find_mosquitto() is None:
        sys.stderr.write("soak: mosquitto is not installed: on Debian and Raspberry Pi OS, apt install mosquitto\n")
        return 2
    options.folder.mkdir(parents=True, exist_ok=True)
    lanes = {
        name: [fault for fault in faults if options.only is None or fault.__name__ in options.only]
        for name, faults in LANES.items()
        if options.lane is None or name in options.lane
    }
    soak = Soak(options.folder.absolute(), options.seed, options.swallow)
    try:
        return soak.run(options.minutes * 60, {name: faults for name, faults in lanes.items() if faults})
    finally:
        soak.close()


if __name__ == "__main__":
    sys.exit(main())
