"""Reads the MQTT packets that pass the soak's proxy, and notes which events the broker has acknowledged."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

_CONNECT: Final = 1
_PUBLISH: Final = 3
_PUBACK: Final = 4
_MQTT_5: Final = 5
_FIRST_REFUSAL: Final = 0x80
_SHORTEST_ACK_WITH_CODE: Final = 3
_MAX_LENGTH_BYTES: Final = 4

Key = tuple[str, int]
"""`boot_id` and `seq` of an event."""


class PacketReader:
    """Cuts a stream of bytes into MQTT packets."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the packets, header included, that `data` completes."""
        self._rest += data
        packets = []
        while (whole := _packet_bytes(self._rest)) is not None and whole <= len(self._rest):
            packets.append(self._rest[:whole])
            self._rest = self._rest[whole:]
        return packets


def _packet_bytes(data: bytes) -> int | None:
    """Return the length of the packet at the beginning of `data`; None where its length is not complete."""
    length = 0
    for index in range(1, min(len(data), 1 + _MAX_LENGTH_BYTES)):
        length |= (data[index] & 0x7F) << 7 * (index - 1)
        if not data[index] & 0x80:
            return 1 + index + length
    return None


@dataclass(slots=True)
class Handed:
    """An event that the sensor handed to the network.

    `times`: how often; `acknowledged`: the broker's PUBACK accepted it; `refused`: the reason code of a PUBACK that
    did not. `age_seconds`: from its `time` to the first hand-over, by this machine's clock. `marked`: as replayed, at
    the first hand-over.
    """

    age_seconds: float
    marked: bool
    times: int = 1
    acknowledged: bool = False
    refused: int | None = None


@dataclass(slots=True)
class Ledger:
    """What passed the proxy, over all connections. Thread-safe.

    `wall_clock` returns seconds since 1970. `infos`: the payloads of the topic `info`, in order.
    """

    wall_clock: Callable[[], float] = time.time
    events: dict[Key, Handed] = field(default_factory=dict)
    infos: list[dict[str, Any]] = field(default_factory=list)
    connections: int = 0
    broker_heard_monotonic: float = 0.0
    _taps: "list[Tap]" = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def connection(self) -> "Tap":
        """Return the tap of a new connection."""
        tap = Tap(self)
        with self._lock:
            self.connections += 1
            self._taps.append(tap)
        return tap

    def connection_ended(self, tap: "Tap") -> None:
        """Forget a connection that has ended: what it had not got acknowledged may not have reached the broker."""
        with self._lock:
            if tap in self._taps:
                self._taps.remove(tap)

    def at_broker(self) -> set[Key]:
        """Return the events that the broker has, or that are on their way to it on a connection that stands."""
        with self._lock:
            acknowledged = {key for key, handed in self.events.items() if handed.acknowledged}
            return acknowledged.union(*(tap.in_flight.copy().values() for tap in self._taps))

    def acknowledged(self) -> dict[str, int]:
        """Return the highest acknowledged `seq` of each boot."""
        highest: dict[str, int] = {}
        with self._lock:
            for (boot_id, seq), handed in self.events.items():
                if handed.acknowledged:
                    highest[boot_id] = max(seq, highest.get(boot_id, 0))
        return highest

    def refused(self) -> dict[Key, int]:
        """Return the reason codes of the events that the broker refused."""
        with self._lock:
            return {key: one.refused for key, one in self.events.items() if one.refused is not None}

    def note_event(self, payload: bytes) -> Key:
        """Note an event that is handed to the network."""
        event = json.loads(payload)
        key = event["boot_id"], event["seq"]
        with self._lock:
            if key in self.events:
                self.events[key].times += 1
            else:
                age = self.wall_clock() - unix_seconds(event["time"])
                self.events[key] = Handed(age, event["replayed"])
        return key

    def note_info(self, payload: bytes) -> None:
        """Note a description that the sensor publishes."""
        with self._lock:
            self.infos.append(json.loads(payload))

    def note_ack(self, key: Key, code: int) -> None:
        """Note a PUBACK with the reason code `code`."""
        with self._lock:
            if code < _FIRST_REFUSAL:
                self.events[key].acknowledged = True
            else:
                self.events[key].refused = code

    def note_broker(self) -> None:
        """Note that the broker has sent something to the sensor."""
        self.broker_heard_monotonic = time.monotonic()


class Tap:
    """Reads both directions of one connection into the ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._up, self._down = PacketReader(), PacketReader()
        self._mqtt_5 = False
        self.in_flight: dict[int, Key] = {}
        """Events without an acknowledgement, by message id."""

    def up(self, data: bytes) -> list[tuple[bytes, Key | None]]:
        """Read bytes from the sensor; returns the complete packets, each with the event that it carries."""
        return [(packet, self._from_sensor(packet)) for packet in self._up.feed(data)]

    def down(self, data: bytes) -> None:
        """Read bytes from the broker."""
        self._ledger.note_broker()
        for packet in self._down.feed(data):
            if packet[0] >> 4 == _PUBACK:
                body = _body(packet)
                key = self.in_flight.pop(int.from_bytes(body[:2], "big"), None)
                if key is not None:
                    self._ledger.note_ack(key, body[2] if len(body) >= _SHORTEST_ACK_WITH_CODE else 0)

    def _from_sensor(self, packet: bytes) -> Key | None:
        kind, body = packet[0] >> 4, _body(packet)
        if kind == _CONNECT:
            name_bytes = int.from_bytes(body[:2], "big")
            self._mqtt_5 = body[2 + name_bytes] == _MQTT_5
        if kind != _PUBLISH:
            return None
        topic_end = 2 + int.from_bytes(body[:2], "big")
        topic, at = body[2:topic_end].decode(), topic_end
        mid = 0
        if packet[0] & 0b0110:  # QoS 1 or 2
            mid, at = int.from_bytes(body[at : at + 2], "big"), at + 2
        if self._mqtt_5:
            at = _after_properties(body, at)
        if topic.endswith("/event"):
            key = self._ledger.note_event(body[at:])
            self.in_flight[mid] = key
            return key
        if topic.endswith("/info"):
            self._ledger.note_info(body[at:])
        return None


def message_id(packet: bytes) -> bytes:
    """Return the two bytes of the message id of a PUBLISH with QoS 1."""
    body = _body(packet)
    at = 2 + int.from_bytes(body[:2], "big")
    return body[at : at + 2]


def _body(packet: bytes) -> bytes:
    start = 2
    while packet[start - 1] & 0x80:
        start += 1
    return packet[start:]


def _after_properties(body: bytes, at: int) -> int:
    length = shift = 0
    while True:
        byte = body[at]
        at += 1
        length |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return at + length


def unix_seconds(timestamp: str) -> float:
    """Return the seconds since 1970 of a payload's `time`."""
    return datetime.fromisoformat(timestamp).timestamp()
