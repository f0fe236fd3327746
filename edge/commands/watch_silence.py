"""Decides what `watch` says where nothing arrives: what it waits for, and what could be wrong. Reads no clock."""

from typing import Final

from edge.messages.payloads import HealthPayload
from edge.messages.text import count, format_age, printable

FIRST_SECONDS: Final = 5.0
"""Silence after which `watch` says what could be wrong: retained messages arrive at once, and a sensor that runs
publishes its health every ten seconds by default."""
QUIET_SECONDS: Final = 15.0
"""Interval of the lines while no new line is printed: longer ones make people ask whether the program hangs."""
_MOST_DEVICES: Final = 5
"""Devices that one line names."""


class Silence:
    """Follows what arrives, and returns a line where nothing new was printed for a while.

    `now` is in seconds on one clock that does not go backwards. `base`: the base topic. `device`: the one that is
    watched; None: all.
    """

    def __init__(
        self,
        base: str,
        device: str | None,
        now: float,
        *,
        first_seconds: float = FIRST_SECONDS,
        quiet_seconds: float = QUIET_SECONDS,
    ) -> None:
        self._topics = f"{base}/{'+' if device is None else device}/..."
        self._base = base
        self._device = device
        self._began = self._printed_at = now
        self._next_seconds = first_seconds
        self._quiet_seconds = quiet_seconds
        self._explained = False
        self._known: dict[str, str] = {}  # by device: what it does

    def printed(self, now: float) -> None:
        """Record that a line was printed."""
        self._printed_at, self._next_seconds = now, self._quiet_seconds

    def received(self, device: str, payload: object, *, retained: bool) -> None:
        """Record a message of `device`; `payload`: decoded, a plain word for its status."""
        if isinstance(payload, str):
            self._known[device] = payload
        elif isinstance(payload, HealthPayload) and not retained:
            self._known[device] = f"{payload.fps:.1f} frames a second, {count(payload.faces, 'face')} in view"
        else:
            self._known.setdefault(device, "no health yet")

    def line(self, now: float) -> str | None:
        """Return the line to print now, if any."""
        silent = now - self._printed_at
        if silent < self._next_seconds:
            return None
        self.printed(now)
        if self._known:
            known = sorted(self._known)
            shown = "; ".join(f"{printable(name)}: {self._known[name]}" for name in known[:_MOST_DEVICES])
            more = f"; and {len(known) - _MOST_DEVICES} more" if len(known) > _MOST_DEVICES else ""
            return f"no new event; {shown}{more}"
        waited = format_age(now - self._began)
        if self._explained:
            return f"still nothing on {self._topics} after {waited}"
        self._explained = True
        which = "no sensor" if self._device is None else f"no sensor with the id {printable(self._device)}"
        return (
            f"nothing on {self._topics} within {waited}: {which} has published to this broker. Check that a sensor "
            f"runs with this broker, that its mqtt.base_topic is {printable(self._base)}, and that this user may read "
            "these topics"
        )
