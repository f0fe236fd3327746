"""A subscriber with a persistent session on a cluster: what it receives is what nobody may lose. Plain paho."""

import contextlib
import itertools
import threading
import time
from typing import Any, Final, Self

import msgspec
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from .ledger import Arrival

_KEEPALIVE_SECONDS: Final = 6
"""A node that is parted from the others closes nothing, so only a ping that is not answered shows it."""
_RETRY_SECONDS: Final = 0.2
_READY_SECONDS: Final = 60.0


class _Event(msgspec.Struct):
    """What of an event counts here."""

    boot_id: str
    seq: int
    replayed: bool


class PersistentSubscriber:
    """Receives the events of all devices from one node after the other; a context manager.

    `hosts`: addresses of the nodes. `topic`: the subscription.
    """

    def __init__(
        self, hosts: list[tuple[str, int]], client_id: str = "observer", topic: str = "emotion-edge/+/event"
    ) -> None:
        self._hosts = hosts
        self._topic = topic
        self._lock = threading.Lock()
        self._arrivals: list[Arrival] = []
        self._ready = threading.Event()
        self._ended = threading.Event()
        self.connections = 0
        """How often a node has accepted it."""
        # paho's clean session must be False for all its life, so there is one client.
        self._client = Client(
            CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=False, reconnect_on_failure=False
        )
        self._client.connect_timeout = 3.0
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_message = self._on_message
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        """Subscribe, and return once the broker has acknowledged that."""
        self._thread.start()
        assert self._ready.wait(_READY_SECONDS), "no node has acknowledged the subscription"
        return self

    def __exit__(self, *_: object) -> None:
        """Disconnect; the session stays."""
        self._ended.set()
        self._client.disconnect()
        self._thread.join(_READY_SECONDS)

    @property
    def arrivals(self) -> list[Arrival]:
        """Everything that has arrived, in order."""
        with self._lock:
            return list(self._arrivals)

    @property
    def count(self) -> int:
        """How many messages have arrived."""
        return len(self._arrivals)

    def wait_for(self, events: int, patience_seconds: float) -> None:
        """Wait until `events` different ones have arrived, or nothing new has for `patience_seconds`."""
        last, since = -1, time.monotonic()
        while (found := self._different()) < events and time.monotonic() - since < patience_seconds:
            if found != last:
                last, since = found, time.monotonic()
            time.sleep(0.5)

    def _different(self) -> int:
        return len({(one.boot_id, one.seq) for one in self.arrivals})

    def _run(self) -> None:
        for host, port in itertools.cycle(self._hosts):
            if self._ended.is_set():
                return
            with contextlib.suppress(OSError):
                self._client.connect(host, port, _KEEPALIVE_SECONDS)
                self._client.loop_forever()
            self._ended.wait(_RETRY_SECONDS)

    def _on_connect(self, client: Client, _data: object, _flags: object, code: Any, _properties: object) -> None:
        if code == 0:
            self.connections += 1
            client.subscribe(self._topic, 1)
        else:
            client.disconnect()

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        event = msgspec.json.decode(message.payload, type=_Event)
        with self._lock:
            self._arrivals.append(Arrival(event.boot_id, event.seq, event.replayed, message.dup))
