"""Names of the topics, and the way back from a name to the device. Pure: no client, no broker."""

from dataclasses import dataclass
from typing import Final, Literal, get_args

Kind = Literal["status", "info", "state", "event", "health"]
"""Last part of a topic, and what its payload is."""

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

ONLINE: Final = "online"
STOPPED: Final = "stopped"
OFFLINE: Final = "offline"
STATUS_WORDS: Final = (ONLINE, STOPPED, OFFLINE)
"""All that `.../status` ever says: connected; ended cleanly; gone without a word (the will)."""


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one device. `base` may have several levels, `device` is a single one."""

    base: str
    device: str

    def of(self, kind: Kind) -> str:
        """Name of the device's topic for `kind`."""
        return f"{self.base}/{self.device}/{kind}"

    @property
    def status(self) -> str:
        """Retained, QoS 1: one of `STATUS_WORDS`, as plain text."""
        return self.of("status")

    @property
    def info(self) -> str:
        """Retained, QoS 1: what this sensor is."""
        return self.of("info")

    @property
    def state(self) -> str:
        """Retained, QoS 1: who is in view now."""
        return self.of("state")

    @property
    def event(self) -> str:
        """Not retained, QoS 1: one thing that happened."""
        return self.of("event")

    @property
    def health(self) -> str:
        """Retained, QoS 0: how the sensor is doing."""
        return self.of("health")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a message came from."""

    device: str
    kind: Kind


def subscription(base: str, kind: Kind, device: str | None = None) -> str:
    """Topic filter for one kind of message of `device`, or of every device."""
    return f"{base}/{'+' if device is None else device}/{kind}"


def parse(base: str, topic: str) -> Address | None:
    """Take a topic apart; None where it is no topic of ours under `base`."""
    prefix = f"{base}/"
    if not topic.startswith(prefix):
        return None
    device, _, last = topic[len(prefix) :].partition("/")
    for kind in KINDS:
        if device and last == kind:
            return Address(device, kind)
    return None
