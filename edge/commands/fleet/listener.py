"""Listens to a broker in a thread of its own, so that keys are answered while a connection is waited for."""

import threading
import time
from collections.abc import Sequence
from typing import Final, Self

from edge.commands.fleet.collection import Collection
from edge.commands.fleet.devices import Fleet
from edge.commands.fleet.rows import Row, build_rows
from edge.commands.subscriber import receive_reconnecting
from edge.errors import EdgeError
from edge.messages.topics import parse_topic
from edge.mqtt.connector import Connector
from edge.mqtt.types import ReceivedMessage
from edge.pacing import Backoff

_JOIN_SECONDS: Final = 1.0
"""How long the end waits for the thread, which may be in the middle of connecting."""


class Listener:
    """Keeps what the devices below `base` publish, from the start of this context to its end.

    `collection`: what to ask for. `filters`: what is subscribed to beside it. Whoever reads rows holds `lock`, because
    they show the devices as they are.
    """

    def __init__(
        self, connector: Connector, base: str, collection: Collection, backoff: Backoff, filters: Sequence[str] = ()
    ) -> None:
        self.lock = threading.Lock()
        self.broker = connector.settings.broker
        self._connector, self._base, self._backoff = connector, base, backoff
        self._collection = collection
        self._filters = [*collection.first_filters, *filters]
        self._fleet = Fleet()
        self._connected = False
        self._lost = ""
        self._lost_unix = 0.0
        self._error: BaseException | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="fleet listener", daemon=True)

    def __enter__(self) -> Self:
        """Begin to listen."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Disconnect."""
        self._stop.set()
        self._thread.join(_JOIN_SECONDS)

    @property
    def lost(self) -> str:
        """Why there is no connection at present; empty while there is one."""
        return self._lost

    @property
    def complete(self) -> bool:
        """Whether all that the broker keeps has arrived. Raises BrokerError where it cannot be reached, or refuses."""
        if self._error is not None:
            raise self._error
        return self._connected and self._collection.complete(time.monotonic())

    @property
    def all_arrived(self) -> bool:
        """Whether nothing more is expected of what the broker keeps."""
        return self._collection.all_arrived(time.monotonic())

    def rows(self) -> list[Row]:
        """Return a row for each device, by trouble. Raises as `complete`."""
        if self._error is not None:
            raise self._error
        # While this program hears nothing, nobody can be called silent.
        return build_rows(self._fleet.devices, self._lost_unix if self._lost else time.time())

    def _listen(self) -> None:
        received = receive_reconnecting(
            self._connector, self._filters, self._backoff, self._stop.is_set, qos=0, more=self._more
        )
        try:
            for item in received:
                with self.lock:
                    self._take(item)
        except EdgeError as error:
            self._error = error
        except Exception as error:  # the thread that draws must end as well, and say why  # noqa: BLE001
            self._error = error

    def _take(self, item: ReceivedMessage | str | None) -> None:
        now = time.monotonic()
        if isinstance(item, ReceivedMessage):
            self._collection.received(item.topic, now, retained=item.retained)
            address = parse_topic(self._base, item.topic)
            if address is not None:
                self._fleet.take(address.device, address.kind, item.payload, time.time(), retained=item.retained)
        elif isinstance(item, str) and not self._lost:
            self._lost, self._lost_unix = item, time.time()
        elif isinstance(item, str) or not self._connected:
            self.broker = self._connector.settings.broker
            self._lost, self._connected = "", True
            self._collection.restart(now)

    def _more(self) -> list[str]:
        with self.lock:
            return self._collection.next_filters(self._fleet.devices, time.monotonic())
