"""Names of the topics, and the way back from a name to the device. Pure: no client, no broker."""

from dataclasses import dataclass
from typing import Final, Literal, get_args

Kind = Literal["status", "info", "state", "event", "health"]
"""Last part of a topic, and what its payload is."""

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

ONLINE: Final = "online"
STOPPED: Final = "stopped"
OFFLINE: Final = "offline"
_MOST_TOPIC_BYTES: Final = 65_535  # the length field of the protocol has 16 bits

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

    @property
    def requests(self) -> str:
        """Filter of the topics on which this sensor is asked for something."""
        return f"{self.base}/{self.device}/request/+"

    def response(self, name: str) -> str:
        """Not retained, QoS 1: what became of a request to `.../request/<name>`."""
        return f"{self.base}/{self.device}/response/{name}"


@dataclass(frozen=True, slots=True)
class DeviceTopic:
    """Where a message came from."""

    device: str
    kind: Kind


def subscription(base: str, kind: Kind, device: str | None = None) -> str:
    """Topic filter for one kind of message of `device`, or of every device."""
    return f"{base}/{'+' if device is None else device}/{kind}"


def is_name(topic: str) -> bool:
    """Whether a message can be published to `topic`: not empty, no wildcard, no NUL, as long as the protocol takes.

    Topics that begin with `$` are the broker's own.
    """
    try:
        length = len(topic.encode())
    except UnicodeEncodeError:  # half a surrogate pair
        return False
    return 0 < length <= _MOST_TOPIC_BYTES and topic[0] != "$" and not any(sign in topic for sign in "#+\0")


def matches(name: str, topic: str) -> bool:
    """Whether a message to `topic` comes on a subscription to the filter `name`."""
    if topic.startswith("$") and not name.startswith("$"):
        return False
    parts, levels = name.split("/"), topic.split("/")
    if parts[-1] == "#":
        # It stands for the level above it as well.
        parts = parts[:-1]
        if len(levels) < len(parts):
            return False
        levels = levels[: len(parts)]
    return len(parts) == len(levels) and all(part in {"+", level} for part, level in zip(parts, levels, strict=True))


def parse_topic(base: str, topic: str) -> DeviceTopic | None:
    """Take a topic apart; None where it is no topic of ours under `base`."""
    prefix = f"{base}/"
    if not topic.startswith(prefix):
        return None
    device, _, last = topic[len(prefix) :].partition("/")
    for kind in KINDS:
        if device and last == kind:
            return DeviceTopic(device, kind)
    return None
