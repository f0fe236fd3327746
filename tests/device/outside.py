"""What the tests see of the device: its MQTT messages, on a real mosquitto of this machine.

The broker is not on the device, so that a power cut takes the one and not the other.
"""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Final, Self

from edge.commands.demo_broker import PrivateBroker
from support.faults import Witness
from support.mqtt import Seen, Subscriber

_WATCH_STOPS_SECONDS: Final = 60


class Outside:
    """A broker, two independent subscribers and the project's own `watch --verify`; a context manager.

    The witness has a persistent session, so that it gets each event that the broker has acknowledged.
    """

    def __init__(self, scratch: Path) -> None:
        self.broker = PrivateBroker(persistence=True)
        self._watched = scratch / "watch.txt"

    def __enter__(self) -> Self:
        """Start all of it."""
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
        """Stop all of it."""
        self._watch.kill()
        self._watch.wait()
        self._subscriber.close()
        self.witness.close()
        self.broker.__exit__()

    @property
    def mark(self) -> int:
        """A point in time, to ask for what came after it."""
        return len(self._subscriber.seen)

    def of(self, kind: str, since: int = 0) -> list[Seen]:
        """Messages of a topic, oldest first; none that the broker had kept from before."""
        return [seen for seen in self._subscriber.seen[since:] if seen.kind == kind and not seen.retained]

    def events(self, since: int = 0) -> list[dict[str, Any]]:
        """Payloads of events as they came live."""
        return [seen.json for seen in self.of("event", since)]

    def last(self, kind: str, since: int) -> Any:
        """Newest payload of a topic; None where there is none."""
        return next((seen.json for seen in reversed(self.of(kind, since))), None)

    def said(self, word: str, since: int) -> bool:
        """Whether the device's status was `word` since then."""
        return any(seen.payload == word.encode() for seen in self.of("status", since))

    def heard(self) -> dict[str, int]:
        """Highest number of each boot that the witness has, boots in the order in which they came."""
        numbers: dict[str, int] = {}
        for arrival in self.witness.arrivals:
            numbers[arrival.boot_id] = max(arrival.seq, numbers.get(arrival.boot_id, 0))
        return numbers

    def end_watch(self) -> tuple[int, list[str]]:
        """End `watch --verify`; returns its exit code and what it said of gaps and duplicates."""
        self._watch.send_signal(signal.SIGINT)
        code = self._watch.wait(_WATCH_STOPS_SECONDS)
        lines = self._watched.read_text().splitlines()
        return code, [line for line in lines if line.startswith("verify:")]
