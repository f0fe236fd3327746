"""Keeps the last messages of every device. Pure: no connection, no clock."""

import datetime
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from edge.commands.fleet.readings import (
    READ_KINDS,
    EventReading,
    HealthReading,
    InfoReading,
    StateReading,
    UnreadableError,
    read,
)
from edge.messages.topics import Kind

MOST_DEVICES: Final = 100_000
"""Devices that are kept. There is a limit because whoever may publish can make up devices without end."""


def unix_of(timestamp: str | None) -> float | None:
    """Return the Unix time of an RFC 3339 time stamp; None for none, or one that cannot be."""
    try:
        return datetime.datetime.fromisoformat(timestamp or "").timestamp()
    except (ValueError, OverflowError, OSError):
        return None


@dataclass(slots=True)
class Device:
    """What one device has published, and when it arrived here. Times are Unix times in seconds.

    `status_live`, `health_live`: when that message arrived, where it was published while this program listened; None
    for what the broker had kept, because it does not say since when. `unreadable`: the reason by the kind of message.
    """

    name: str
    status: str | None = None
    status_live: float | None = None
    info: InfoReading | None = None
    health: HealthReading | None = None
    health_live: float | None = None
    event: EventReading | None = None
    unreadable: dict[str, str] = field(default_factory=dict)
    received: set[str] = field(default_factory=set)
    _state: bytes | StateReading | None = None

    def take(self, kind: Kind, payload: bytes, now_unix: float, *, retained: bool) -> None:
        """Take a message. An empty one removes what was known of this kind, as it removes a retained message."""
        if not payload:
            self._forget(kind)
            return
        self.received.add(kind)
        if kind == "state":
            # Each second from each device with a face in view: it is read only where it is shown.
            self._state = payload
            self.unreadable.pop(kind, None)
            return
        try:
            reading = read(kind, payload)
        except UnreadableError as error:
            self._forget(kind)
            self.received.add(kind)
            self.unreadable[kind] = str(error)
            return
        self.unreadable.pop(kind, None)
        live = None if retained else now_unix
        match reading:
            case str():
                if reading != self.status or live is not None:
                    self.status, self.status_live = reading, live
            case InfoReading():
                self.info = reading
            case HealthReading():
                self.health, self.health_live = reading, live
            case EventReading():
                self.event = reading

    @property
    def state(self) -> StateReading | None:
        """The faces in view, read now; None where there is none, or it cannot be read."""
        if isinstance(self._state, bytes):
            try:
                self._state = read("state", self._state)
                self.unreadable.pop("state", None)
            except UnreadableError as error:
                self._state, self.unreadable["state"] = None, str(error)
        return self._state if isinstance(self._state, StateReading) else None

    @property
    def heard_unix(self) -> float | None:
        """When the device was last heard of: by its own clock for what the broker had kept."""
        stamps = [unix_of(one.time) for one in (self.health, self.state, self.event) if one is not None]
        times = [one for one in (self.status_live, self.health_live, *stamps) if one is not None]
        return max(times, default=None)

    def _forget(self, kind: Kind) -> None:
        self.received.discard(kind)
        self.unreadable.pop(kind, None)
        match kind:
            case "status":
                self.status = self.status_live = None
            case "info":
                self.info = None
            case "health":
                self.health = self.health_live = None
            case "state":
                self._state = None
            case "event":
                self.event = None


class Fleet:
    """All devices, by name. `most_devices`: how many are kept; `ignored` counts messages of further ones."""

    def __init__(self, most_devices: int = MOST_DEVICES) -> None:
        self._devices: dict[str, Device] = {}
        self._most_devices = most_devices
        self.ignored = 0

    def take(self, name: str, kind: Kind, payload: bytes, now_unix: float, *, retained: bool) -> Device | None:
        """Take a message of the device `name`; returns the device. None for one that is gone, or not kept."""
        device = self._devices.get(name)
        if kind not in READ_KINDS:
            return device
        if device is None:
            if not payload or len(self._devices) >= self._most_devices:
                self.ignored += bool(payload)
                return None
            device = self._devices[name] = Device(name)
        device.take(kind, payload, now_unix, retained=retained)
        if not device.received:  # every retained message was removed: the device was taken out of the fleet
            del self._devices[name]
            return None
        return device

    @property
    def devices(self) -> Iterable[Device]:
        """All devices, in the order of their first message."""
        return self._devices.values()

    def __len__(self) -> int:
        """Return how many devices there are."""
        return len(self._devices)
