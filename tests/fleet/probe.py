"""Finds out what a broker takes, by trying it. Plain paho, no product code.

Each probe is a function of the nodes' addresses that returns a cell of the table in the documentation; its first line
names the row. `table` runs all of them.
"""

import contextlib
import itertools
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeAlias

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

Nodes: TypeAlias = Sequence[tuple[str, int]]

_VERSIONS: Final = {
    "3.1": MQTTProtocolVersion.MQTTv31,
    "3.1.1": MQTTProtocolVersion.MQTTv311,
    "5": MQTTProtocolVersion.MQTTv5,
}
_ANSWER_SECONDS: Final = 10.0
_QUIET_SECONDS: Final = 2.0
"""After so long without a message no more is expected."""
_AGAIN_SECONDS: Final = 60.0
_LARGEST_KIB: Final = 32_768


class _Probe:
    """One client on one node, in paho's own thread."""

    def __init__(
        self,
        node: tuple[str, int],
        version: str,
        *,
        client_id: str = "",
        session: bool = False,
        will: str = "",
        acknowledges: bool = True,
    ) -> None:
        five = version == "5"
        self.received: list[MQTTMessage] = []
        self.accepted: bool | None = None
        self.session_present = False
        self.announced: Any = None
        self.granted: list[int] = []
        self._events = {name: threading.Event() for name in ("connected", "subscribed", "published", "ended")}
        self.client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id or f"probe-{secrets.token_hex(4)}",
            clean_session=None if five else not session,
            protocol=_VERSIONS[version],
            reconnect_on_failure=False,
            manual_ack=not acknowledges,
        )
        self.client.on_connect = self._on_connect
        self.client.on_subscribe = self._on_subscribe
        self.client.on_publish = lambda *_: self._events["published"].set()
        self.client.on_disconnect = lambda *_: self._events["ended"].set()
        self.client.on_message = lambda _client, _data, message: self.received.append(message)
        if will:
            self.client.will_set(will, b"gone", 1, retain=True)
        properties = None
        if five:
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = 3600 if session else 0
        with contextlib.suppress(OSError):
            self.client.connect(*node, 30, clean_start=not session if five else 3, properties=properties)
            self.client.loop_start()
            self._await("connected")

    def subscribe(self, topic: str, qos: int = 1) -> bool:
        """Subscribe; returns whether the broker granted it."""
        self._events["subscribed"].clear()
        self.client.subscribe(topic, qos)
        return self._await("subscribed") and all(code < 0x80 for code in self.granted)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> bool:
        """Publish with QoS 1; returns whether the broker acknowledged it."""
        self._events["published"].clear()
        self.client.publish(topic, payload, 1, retain)
        return self._await("published")

    def wait(self, count: int = 1) -> int:
        """Wait until `count` messages have arrived, or none for some time; returns how many have."""
        since, last = time.monotonic(), -1
        while len(self.received) < count and time.monotonic() - since < _QUIET_SECONDS:
            if len(self.received) != last:
                since, last = time.monotonic(), len(self.received)
            time.sleep(0.05)
        return len(self.received)

    def break_off(self) -> None:
        """End the connection without DISCONNECT."""
        sock = self.client.socket()
        if sock is not None:
            sock.close()
        self.client.loop_stop()

    def close(self) -> None:
        """Disconnect."""
        self.client.disconnect()
        self.client.loop_stop()

    def _await(self, name: str) -> bool:
        deadline = time.monotonic() + _ANSWER_SECONDS
        while time.monotonic() < deadline and not self._events["ended"].is_set():
            if self._events[name].wait(0.05):
                return True
        return self._events[name].is_set()

    def _on_connect(self, _client: Client, _data: object, flags: Any, code: Any, properties: Any) -> None:
        self.accepted = not code.is_failure
        self.session_present = flags.session_present
        self.announced = properties
        self._events["connected"].set()

    def _on_subscribe(self, _client: Client, _data: object, _mid: int, codes: list[Any], _properties: Any) -> None:
        self.granted = [code.value for code in codes]
        self._events["subscribed"].set()


@contextlib.contextmanager
def _client(node: tuple[str, int], version: str, **options: Any) -> Iterator[_Probe]:
    probe = _Probe(node, version, **options)
    try:
        yield probe
    finally:
        probe.close()


def _topic() -> str:
    return f"probe/{secrets.token_hex(4)}"


def _newest(nodes: Nodes) -> str:
    return versions(nodes).rpartition(", ")[2]


def _others(nodes: Nodes) -> tuple[str, int]:
    return nodes[1 % len(nodes)]


def versions(nodes: Nodes) -> str:
    """Versions of MQTT"""
    taken = []
    for version in _VERSIONS:
        with _client(nodes[0], version) as probe:
            if probe.accepted:
                taken.append(version)
    return ", ".join(taken)


def retain(nodes: Nodes) -> str:
    """Retained messages"""
    version, topic = _newest(nodes), _topic()
    with _client(nodes[0], version) as publisher:
        if not publisher.publish(topic, b"kept", retain=True):
            return "no: the connection is closed"
    seen = []
    for node in nodes:
        with _client(node, version) as probe:
            probe.subscribe(topic)
            seen.append(bool(probe.wait()) and bool(probe.received[0].retain))
    if len(nodes) == 1:
        return "yes" if seen[0] else "no"
    return {
        (True, True): "yes, the same on every node",
        (True, False): "only on the node to which it was published",
    }.get((seen[0], all(seen)), "no")


def retain_by_wildcard(nodes: Nodes) -> str:
    """Retained messages for a filter with +"""
    version, topic = _newest(nodes), _topic()
    with _client(nodes[0], version) as probe:
        if not probe.publish(f"{topic}/one", b"kept", retain=True):
            return "no: the connection is closed"
        probe.subscribe(f"{topic}/+")
        return "sent" if probe.wait() else "not sent"


def will(nodes: Nodes) -> str:
    """Will, with QoS 1 and retained"""
    version, topic = _newest(nodes), _topic()
    with _client(_others(nodes), version) as probe:
        probe.subscribe(topic)
        dying = _Probe(nodes[0], version, will=topic)
        if not dying.accepted:
            return "no: the connection is closed"
        dying.break_off()
        live = probe.wait() > 0
    kept = []
    for node in nodes:
        with _client(node, version) as later:
            later.subscribe(topic)
            kept.append(later.wait() > 0)
    told = "published" if live else "not published"
    if all(kept):
        return f"{told}, and retained"
    return f"{told}, and retained on {sum(kept)} of {len(nodes)} nodes" if any(kept) else f"{told}, not retained"


def receive_maximum(nodes: Nodes) -> str:
    """Receive Maximum that it announces"""
    if _newest(nodes) != "5":
        return "none (MQTT 5 only)"
    with _client(nodes[0], "5") as probe:
        return str(getattr(probe.announced, "ReceiveMaximum", "none: 65,535"))


def unacknowledged(nodes: Nodes) -> str:
    """Messages of QoS 1 that a subscriber may leave unacknowledged"""
    version, topic, tried = _newest(nodes), _topic(), 1200
    with (
        _client(nodes[0], version, session=True, acknowledges=False) as probe,
        _client(_others(nodes), version) as publisher,
    ):
        probe.subscribe(topic)
        for number in range(tried):
            publisher.client.publish(topic, str(number), 1)
        found = probe.wait(tried)
    return f"{found}" if found < tried else f"{tried} or more"


def session(nodes: Nodes) -> str:
    """Session of a subscriber that is away"""
    version, topic, client_id = _newest(nodes), _topic(), f"probe-{secrets.token_hex(4)}"
    with _client(nodes[0], version, client_id=client_id, session=True) as probe:
        probe.subscribe(topic)
    with _client(nodes[0], version) as publisher:
        for number in range(5):
            publisher.publish(topic, str(number).encode())
    with _client(_others(nodes), version, client_id=client_id, session=True) as back:
        found, present = back.wait(5), back.session_present
    where = "" if len(nodes) == 1 else ", also on another node"
    flag = "" if present else "; Session Present is not set"
    return f"kept{where}{flag}" if found == 5 else f"{found} of 5 messages kept{flag}"


def redelivery(nodes: Nodes) -> str:
    """DUP flag on what was not acknowledged and comes again"""
    version, topic, client_id = _newest(nodes), _topic(), f"probe-{secrets.token_hex(4)}"
    probe = _Probe(nodes[0], version, client_id=client_id, session=True, acknowledges=False)
    probe.subscribe(topic)
    with _client(nodes[0], version) as publisher:
        publisher.publish(topic, b"once")
    probe.wait()
    probe.break_off()
    with _client(_others(nodes), version, client_id=client_id, session=True) as back:
        began = time.monotonic()
        while not back.received and time.monotonic() < began + _AGAIN_SECONDS:
            time.sleep(0.05)
        if not back.received:
            return f"does not come again within {_AGAIN_SECONDS:.0f} s"
        return f"{'set' if back.received[0].dup else 'not set'}; comes after {time.monotonic() - began:.0f} s"


def shared(nodes: Nodes) -> str:
    """Shared subscriptions"""
    version, topic = _newest(nodes), _topic()
    filters, sent = f"$share/probe/{topic}", 40
    with _client(nodes[0], version) as one, _client(_others(nodes), version) as other:
        granted = one.subscribe(filters) and other.subscribe(filters)
        if not granted:
            return "no: refused"
        with _client(nodes[0], version) as publisher:
            for number in range(sent):
                publisher.publish(topic, str(number).encode())
        found = one.wait(sent) + other.wait(1)
        parts = len(one.received), len(other.received)
    if not found:
        return "no: granted, and nothing is delivered"
    return f"yes: {sent} messages to two subscribers as {parts[0]} and {parts[1]}"


def packet(nodes: Nodes) -> str:
    """Longest message"""
    version = _newest(nodes)
    announced, taken = "", 0
    for kib in itertools.takewhile(lambda size: size <= _LARGEST_KIB, (2**power for power in range(6, 30))):
        with _client(nodes[0], version) as probe:
            limit = getattr(probe.announced, "MaximumPacketSize", None)
            announced = f"; announces {limit:,} bytes" if limit else ""
            if not probe.publish(_topic(), b"x" * (kib * 1024 - 512)):
                break
        taken = kib
    amount = f"{taken // 1024} MiB" if taken >= 1024 else f"{taken} KiB"
    return f"{amount}{' or more' if taken == _LARGEST_KIB else ', less than twice that'}{announced}"


def dots(nodes: Nodes) -> str:
    """A dot in a topic, as `mqtt.base_topic` may have"""
    version, topic = _newest(nodes), f"{_topic()}.local"
    with _client(nodes[0], version) as probe:
        if not probe.subscribe(topic):
            return "no: the subscription is refused"
        return "yes" if probe.publish(topic, b"1") and probe.wait() else "no: the connection is closed"


PROBES: Final[Sequence[Callable[[Nodes], str]]] = (
    versions,
    retain,
    retain_by_wildcard,
    will,
    receive_maximum,
    unacknowledged,
    session,
    redelivery,
    shared,
    packet,
    dots,
)


def findings(nodes: Nodes) -> dict[str, str]:
    """Return what a broker takes, by row."""
    return {(probe.__doc__ or ""): probe(nodes) for probe in PROBES}


def table(columns: dict[str, dict[str, str]]) -> str:
    """Return the findings of several brokers as a table in Markdown."""
    rows = dict.fromkeys(itertools.chain.from_iterable(columns.values()))
    lines = [["", *columns], ["---"] * (len(columns) + 1)]
    lines += [[row, *(column.get(row, "") for column in columns.values())] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
