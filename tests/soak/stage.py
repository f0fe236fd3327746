"""The parts that faults act on."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from .broker import SoakBroker, Watch, wait_for
from .camera import Camera
from .ledger import Ledger
from .proxy import Proxy
from .sensor import Sensor

SETTLE_SECONDS: Final = 30.0
"""Longest time for a step that takes a second alone."""

_FORWARDED_SECONDS: Final = 0.2
"""By then the proxy has forwarded what it had read before it was told to hold."""


class SkippedError(Exception):
    """This kind of fault is not possible here; the message is the reason."""


@dataclass(slots=True)
class Stage:
    """All that faults act on.

    `hold(seconds)` waits, and returns early at the end of the run. `mounted`: whether the state folder is a file system
    of its own. `admitted`: whether the sensor may connect. `exposed`: boots whose events on the disk may have been
    destroyed. `active`: the kinds of fault that act now. `memory_log`: the parts of the sensor's log, in bytes, that
    were written while memory was short.
    """

    broker: SoakBroker
    proxy: Proxy
    camera: Camera
    sensor: Sensor
    ledger: Ledger
    watch: Watch
    state: Path
    clock_file: Path | None
    mounted: bool
    hold: Callable[[float], None]
    admitted: list[bool] = field(default_factory=lambda: [True])
    exposed: set[str] = field(default_factory=set)
    breaches: list[str] = field(default_factory=list)
    active: set[str] = field(default_factory=set)
    memory_log: list[tuple[int, int]] = field(default_factory=list)

    def drain_broker(self) -> None:
        """Wait until the subscriber has what the broker has. The sensor's events are held back meanwhile.

        A broker that is killed loses what it acknowledged and had not passed on. That is its own loss, not the
        sensor's, so it is not killed before it has passed everything on.
        """
        self.proxy.hold_up.set()
        self.hold(_FORWARDED_SECONDS)
        if not wait_for(lambda: self.watch.has(self.ledger.at_broker()), SETTLE_SECONDS):
            self.breaches.append(f"the subscriber did not get what the broker had taken within {SETTLE_SECONDS:g} s")

    def expose_outbox(self) -> None:
        """Note that what is on the disk now may be destroyed."""
        self.exposed |= set(self.sensor.outbox())
        self.exposed |= {info["boot_id"] for info in self.ledger.infos[-1:]}
