"""What the fault runs share: a subscriber that counts, a network that fails on demand, and what must hold."""

import contextlib
import itertools
import random
import select
import socket
import struct
import threading
import time
from collections import defaultdict
from dataclasses import dataclass

import msgspec
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from support.mqtt import TIMEOUT_SECONDS, wait_until

CHUNK_BYTES = 65_536


@dataclass(frozen=True)
class Arrival:
    boot_id: str
    seq: int
    marked: bool  # replayed, or the broker's own mark of a message that it sends again


class Witness:
    """A subscriber to events with a persistent session. Plain paho, none of our own code.

    It is away as little as it can be, and can `hold` its acknowledgements: a client whose write fails
    closes its socket, and with it what the broker had sent before it was killed and nobody had read yet.
    """

    def __init__(self, port: int) -> None:
        self.connected = threading.Event()
        self._holding = False
        self._lock = threading.Lock()
        self._arrivals: list[Arrival] = []
        self._unacknowledged: list[MQTTMessage] = []
        self._client = Client(CallbackAPIVersion.VERSION2, client_id="witness", clean_session=False, manual_ack=True)
        self._client.reconnect_delay_set(0.05, 0.05)  # type: ignore[arg-type]
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = lambda *_: self.connected.clear()
        self._client.on_subscribe = lambda *_: self.connected.set()
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self.connected.wait(TIMEOUT_SECONDS)

    def hold(self) -> None:
        """Write nothing more until there is a new connection; `connected` speaks of that one from here on."""
        with self._lock:
            self._holding = True
        wait_until(lambda: not self._client.want_write())
        self.connected.clear()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def arrivals(self) -> list[Arrival]:
        with self._lock:
            return list(self._arrivals)

    def _on_connect(self, client: Client, *_: object) -> None:
        with self._lock:
            self._holding = False
            self._unacknowledged.clear()  # of a connection that is gone
        client.subscribe("emotion-edge/+/event", 1)

    def _on_message(self, client: Client, _data: object, message: MQTTMessage) -> None:
        event = msgspec.json.decode(message.payload)
        with self._lock:
            self._arrivals.append(Arrival(event["boot_id"], event["seq"], event["replayed"] or message.dup))
            self._unacknowledged.append(message)
            if self._holding:
                return
            for one in self._unacknowledged:
                client.ack(one.mid, one.qos)
            self._unacknowledged.clear()


def check(arrivals: list[Arrival], accepted: dict[str, int]) -> None:
    """All that must hold: each accepted number of each boot, in order, and what comes again is marked.

    `accepted`: the highest number that each boot had accepted; more may have come.
    """
    first: dict[str, dict[int, None]] = defaultdict(dict)  # numbers in the order of their first arrival
    for arrival in arrivals:
        seen = first[arrival.boot_id]
        if arrival.seq in seen:
            assert arrival.marked, f"{arrival} came again without a mark"
        else:
            seen[arrival.seq] = None
    for boot_id, last in accepted.items():
        numbers = first[boot_id]
        gaps = [pair for pair in itertools.pairwise([0, *numbers]) if pair[1] != pair[0] + 1]
        assert not gaps, f"boot {boot_id}: {gaps[:5]} of {len(gaps)} gaps or turns"
        assert len(numbers) >= last, f"boot {boot_id}: {last} accepted, {len(numbers)} came"
    # Boots come in the order in which they were.
    assert [boot for boot in first if boot in accepted] == [boot for boot in accepted if first[boot]]


class Network:
    """A TCP proxy on a port of its own, between a client and the broker's port."""

    def __init__(self, broker_port: int, rng: random.Random) -> None:
        self._broker_port = broker_port
        self._rng = rng
        self._lock = threading.Lock()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._swallow = threading.Event()
        self._slow = threading.Event()
        self._closed = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, args=(self._listener,))]
        self._threads[0].start()

    def reset(self) -> None:
        """Each connection ends at once, with all that was under way on it."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for sock in itertools.chain(*pairs):
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                # Wakes the pump; the close in there then sends the reset.
                sock.shutdown(socket.SHUT_RD)

    def drop(self, seconds: float) -> None:
        """Nothing comes through in either direction for a while, and is lost for good; then it all ends."""
        self._swallow.set()
        time.sleep(seconds)
        self.reset()
        self._swallow.clear()

    def delay(self, seconds: float) -> None:
        """Each packet takes up to 50 ms for a while."""
        self._slow.set()
        time.sleep(seconds)
        self._slow.clear()

    def refuse(self, seconds: float) -> None:
        """Connections end, and nobody is there for a while."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.reset()
        time.sleep(seconds)
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._threads.append(threading.Thread(target=self._accept, args=(self._listener,)))
        self._threads[-1].start()

    def close(self) -> None:
        self._closed.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.reset()
        for thread in self._threads:
            thread.join(TIMEOUT_SECONDS)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            broker = socket.create_connection(("127.0.0.1", self._broker_port))
            with self._lock:
                self._pairs.append((client, broker))
            thread = threading.Thread(target=self._pump, args=(client, broker))
            self._threads.append(thread)
            thread.start()

    def _pump(self, client: socket.socket, broker: socket.socket) -> None:
        other = {client: broker, broker: client}
        dead = False  # for good: no network leaves out the middle of a connection and brings the rest
        with client, broker:
            while not self._closed.is_set():
                readable, _, _ = select.select([client, broker], [], [], 1.0)
                for sock in readable:
                    try:
                        data = sock.recv(CHUNK_BYTES)
                        if not data:
                            return
                        if self._slow.is_set():
                            time.sleep(self._rng.uniform(0, 0.05))
                        dead = dead or self._swallow.is_set()
                        if not dead:
                            other[sock].sendall(data)
                    except OSError:
                        return
