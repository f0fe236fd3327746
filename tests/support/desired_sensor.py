"""A sensor that a test plays and that follows documents of the fleet, and the folder in which it keeps its state."""

import contextlib
import time
from pathlib import Path
from typing import Any, Final

from edge.config.loader import tables_of
from edge.config.schema import Config
from edge.desired.desired import Desired
from edge.desired.preparation import Offer
from edge.desired.timing import Timing
from edge.messages.desired import Assignment, Plan
from edge.mqtt.types import ReceivedMessage
from support.mqtt import TIMEOUT_SECONDS
from support.signed_documents import BASE

TOPIC: Final = f"{BASE}/fleet/desired"
WATCH_SECONDS: Final = 0.3
QUICK: Final = Timing(refused_pause_seconds=0.0, again_seconds=0.1, first_wait_seconds=0.1)


def plan(name: str = "n", **assignment: Any) -> Plan:
    """Return a plan with one assignment."""
    return Plan(name=name, assignments=[Assignment(**assignment)])


def margin(value: float) -> Plan:
    """Return a plan that sets `events.margin`."""
    return plan(settings={"events.margin": value})


class Sensor:
    """What the daemon does with `Desired`: takes offers, answers, reports health. `folder`: of the state."""

    def __init__(self, folder: Path, config: Config, *, within: bool | None = True) -> None:
        self.folder, self.within = folder, within
        self.offers: list[Offer] = []
        self.refuse: str | None = None
        self.plain = tables_of(config)
        self.desired = Desired(config, "cam", folder, timing=QUICK)
        self.start_config = self.desired.over(self.plain).config()
        self._end = contextlib.ExitStack()
        self._end.enter_context(self.desired.running())
        self.desired.start(self.start_config.model.name)

    def receive(self, payload: bytes) -> None:
        """Get a document, as the broker delivers one."""
        message = ReceivedMessage(TOPIC, payload, retained=True)
        self.desired.received(message, lambda *_: False)

    def turn(self) -> None:
        """Do what the daemon does between two frames."""
        offer = self.desired.take()
        if offer is not None:
            self.desired.offered(offer)
            self.offers.append(offer)
            self.desired.answer(offer, self.refuse)
        self.desired.report(self.within)
        time.sleep(0.01)

    def until(self, **expected: Any) -> Any:
        """Go on until `info` has these values; returns it."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while True:
            info = self.desired.info
            if all(getattr(info, name) == value for name, value in expected.items()):
                return info
            assert time.monotonic() < deadline, info
            self.turn()

    def until_offers(self, count: int) -> None:
        """Go on until the sensor has switched so often."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while len(self.offers) < count:
            assert time.monotonic() < deadline, self.desired.info
            self.turn()

    def end(self, error: Exception | None = None) -> None:
        """End the program: as it should, or with an error."""
        with contextlib.suppress(Exception):
            self._end.__exit__(None if error is None else type(error), error, None)

    @property
    def in_force(self) -> Config:
        """The configuration with what the fleet wants over it."""
        return self.desired.over(self.plain).config()


class Place:
    """Starts sensors in one folder, or in others, and ends them all."""

    def __init__(self, folder: Path, config: Config) -> None:
        self.folder, self.config = folder, config
        self._sensors: list[Sensor] = []

    def start(self, folder: Path | None = None, config: Config | None = None, *, within: bool = True) -> Sensor:
        """Start one more."""
        self._sensors.append(Sensor(folder or self.folder, config or self.config, within=within))
        return self._sensors[-1]

    def end(self) -> None:
        """End all."""
        for sensor in self._sensors:
            sensor.end()
