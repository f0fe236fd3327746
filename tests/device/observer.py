"""Observes the device's MQTT messages, on a mosquitto of this machine.

The broker is not on the device, so that a power cut of the device leaves the broker running.
"""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Final, Self

from support.broker import PrivateBroker
from support.faults import Witness
from support.mqtt import Seen, Subscriber

_WATCH_STOPS_SECONDS: Final = 60


class Observer:
    """A broker, two independent subscribers and the project's own `watch --verify`; a context manager.

    The witness has a persistent session, so that it gets each event that the broker has acknowledged.
    """

    def __init__(self, scratch: Path) -> None:
        self.broker = PrivateBroker(persistence=True)
        self._watched = scratch / "watch.txt"

    def __enter__(self) -> Self:
        """Start the broker and its subscribers."""
        self.broker.start()
        self.witness = Witness(self.broker.port)
        self._subscriber = Subscriber(self.broker.port)
        with self._watched.open("wb") as out:
            self._watch = subprocess.Popen(
                [sys.executable, "-m", "edge.cli", "watch", "--verify", "--mqtt", self.broker.url],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the broker and its subscribers."""
        self._watch.kill()
        self._watch.wait()
        self._subscriber.close()
        self.witness.close()
        self.broker.__exit__()

    @property
    def position(self) -> int:
        """Number of messages so far: the argument `since` of the other methods."""
        return len(self._subscriber.seen)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish a message."""
        self._subscriber.publish(topic, payload, retain=retain)

    def messages(self, kind: str, since: int = 0) -> list[Seen]:
        """Return the messages of a topic, oldest first, without retained ones."""
        return [seen for seen in self._subscriber.seen[since:] if seen.kind == kind and not seen.retained]

    def events(self, since: int = 0) -> list[dict[str, Any]]:
        """Return the payloads of live events."""
        return [seen.json for seen in self.messages("event", since)]

    def last(self, kind: str, since: int) -> Any:
        """Return the newest payload of a topic; None where there is none."""
        return next((seen.json for seen in reversed(self.messages(kind, since))), None)

    def last_of(self, device: str, kind: str, since: int) -> Any:
        """Return the newest payload of a topic of one of several devices; None where there is none."""
        found = (seen for seen in reversed(self.messages(kind, since)) if seen.topic.split("/")[-2] == device)
        return next((seen.json for seen in found), None)

    def status_seen(self, status: str, since: int) -> bool:
        """Return whether the device's status was `status` since a position."""
        return any(seen.payload == status.encode() for seen in self.messages("status", since))

    def highest_seqs(self) -> dict[str, int]:
        """Return the highest `seq` that the witness has of each `boot_id`, in order of arrival."""
        numbers: dict[str, int] = {}
        for arrival in self.witness.arrivals:
            numbers[arrival.boot_id] = max(arrival.seq, numbers.get(arrival.boot_id, 0))
        return numbers

    def end_watch(self) -> tuple[int, list[str]]:
        """End `watch --verify`; returns its exit code and its lines on gaps and duplicates."""
        self._watch.send_signal(signal.SIGINT)
        code = self._watch.wait(_WATCH_STOPS_SECONDS)
        lines = self._watched.read_text().splitlines()
        return code, [line for line in lines if line.startswith("verify:")]
