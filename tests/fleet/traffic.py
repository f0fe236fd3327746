"""Measures what one real sensor sends and receives: by kind of message, and in bytes on the wire.

    python -m fleet.traffic SECONDS        with tests on PYTHONPATH, as root

The sensor runs in a network namespace of its own, whose link the kernel counts: Ethernet, IP and TCP headers,
acknowledgements and pings of both directions are in it.
"""

import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Final

from support.broker import PrivateBroker
from support.cluster_network import ClusterNetwork
from support.mqtt import Seen, Subscriber
from support.program import kill, start

_PORT: Final = 1883
SOURCE: Final = "scripted:happy=3,sad=3,surprise=3,none=13?seed=1&loop=1&fps=10"
"""A visit of nine seconds with two changes of expression every 22 s."""
_SETTLE_SECONDS: Final = 10.0
_HEADER_BYTES: Final = 4
"""Of a PUBLISH: type, a length of two bytes beyond 127, and the length of the topic in two; QoS 1 adds an id of two."""


def measure(seconds: float) -> str:
    """Run a sensor for `seconds` after it has started, and return what was counted as a table."""
    network = ClusterNetwork()
    with network, tempfile.TemporaryDirectory(prefix="emotion-edge-traffic-") as folder:
        address = network.gateway
        extra = [f"listener {_PORT} {address}", "allow_anonymous true"]
        with PrivateBroker(extra=extra) as broker:
            subscriber = Subscriber(broker.port)
            sensor = start(
                *("run", "--mqtt", f"mqtt://{address}:{_PORT}", "--source", SOURCE),
                inside=network.inside(0),
                XDG_STATE_HOME=folder,
            )
            try:
                subscriber.wait(lambda: subscriber.of("health"))
                time.sleep(_SETTLE_SECONDS)
                counted, first = network.counted(0), len(subscriber.seen)
                time.sleep(seconds)
                after, seen = network.counted(0), subscriber.seen[first:]
            finally:
                kill(sensor)
                subscriber.close()
    return _table(seen, {key: after[key] - counted[key] for key in counted}, seconds)


def _table(seen: Sequence[Seen], wire: Mapping[str, int], seconds: float) -> str:
    lines = ["| message | count | a second | payload, mean bytes | longest |", "| --- | --- | --- | --- | --- |"]
    application = 0
    for kind in sorted({one.kind for one in seen}):
        sizes = [len(one.payload) for one in seen if one.kind == kind]
        application += sum(len(one.payload) + len(one.topic) + _HEADER_BYTES + 2 for one in seen if one.kind == kind)
        mean = sum(sizes) / len(sizes)
        lines.append(f"| {kind} | {len(sizes)} | {len(sizes) / seconds:.3f} | {mean:.0f} | {max(sizes)} |")
    packets = wire["rx_packets"] + wire["tx_packets"]
    total = wire["rx_bytes"] + wire["tx_bytes"]
    lines += [
        "",
        f"{len(seen)} messages in {seconds:.0f} s: {len(seen) / seconds:.2f} a second",
        f"on the wire {total / seconds:.0f} bytes a second in {packets / seconds:.2f} packets; from the sensor "
        f"{wire['rx_bytes'] / seconds:.0f}, to it {wire['tx_bytes'] / seconds:.0f}",
        f"MQTT PUBLISH packets alone: {application / seconds:.0f} bytes a second; all else adds "
        f"{(total - application) / len(seen):.0f} bytes to each message",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(measure(float(sys.argv[1])) + "\n")
    sys.exit(0)
