"""Helpers of the fault tests: a counting subscriber, a network that fails on demand, and a check of what arrived."""

import contextlib
import itertools
import random
import select
import socket
import struct
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from support.held_port import HeldPort
from support.mqtt import TIMEOUT_SECONDS, wait_until

CHUNK_BYTES = 65_536


@dataclass(frozen=True)
class Arrival:
    """An event that arrived. `marked`: as replayed, or by the broker's DUP flag."""

    boot_id: str
    seq: int
    marked: bool


class Witness:
    """A subscriber to events with a persistent session. Plain paho, no product code.

    It reconnects at once, and can `hold` its acknowledgements: a client whose write fails closes its socket, and loses
    what a broker had sent before it was killed and the client had not read yet.
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
        """Write nothing more until there is a new connection; `connected` is cleared until then."""
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
            self._unacknowledged.clear()  # of the lost connection
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
    """Assert that every accepted event of each boot arrived in order, and that duplicates are marked.

    `accepted`: the highest accepted `seq` of each boot, in the order of the boots; more may have arrived.
    """
    first: dict[str, dict[int, None]] = defaultdict(dict)  # `seq` in the order of first arrival
    for arrival in arrivals:
        seen = first[arrival.boot_id]
        if arrival.seq in seen:
            assert arrival.marked, f"{arrival} arrived again without a mark"
        else:
            seen[arrival.seq] = None
    for boot_id, last in accepted.items():
        numbers = first[boot_id]
        gaps = [pair for pair in itertools.pairwise([0, *numbers]) if pair[1] != pair[0] + 1]
        assert not gaps, f"boot {boot_id}: {gaps[:5]} of {len(gaps)} gaps or inversions"
        assert len(numbers) >= last, f"boot {boot_id}: {last} accepted, {len(numbers)} arrived"
    # The events of an earlier boot arrive first.
    assert [boot for boot in first if boot in accepted] == [boot for boot in accepted if first[boot]]


class Network:
    """A TCP proxy between clients and a broker, which fails on demand. `port`: where clients connect."""

    def __init__(self, broker_port: int, rng: random.Random) -> None:
        self._broker_port = broker_port
        self._rng = rng
        self._lock = threading.Lock()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._dropping = threading.Event()
        self._delaying = threading.Event()
        self._held = threading.Event()
        self._closed = threading.Event()
        self._place = HeldPort()
        self.port = self._place.number
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._threads = [threading.Thread(target=self._accept, args=(self._listener,))]
        self._threads[0].start()

    @property
    def url(self) -> str:
        """Value for `mqtt.url`."""
        return f"mqtt://127.0.0.1:{self.port}"

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Stop forwarding, without closing anything: what arrives meanwhile is delivered afterwards."""
        self._held.set()
        try:
            yield
        finally:
            self._held.clear()

    def reset(self) -> None:
        """Reset every connection; what is in transit is lost."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for sock in itertools.chain(*pairs):
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                # Wakes the thread that forwards; its close then sends the reset.
                sock.shutdown(socket.SHUT_RD)

    def drop(self, seconds: float) -> None:
        """Drop all data in both directions for `seconds`, then reset every connection."""
        self._dropping.set()
        time.sleep(seconds)
        self.reset()
        self._dropping.clear()

    def delay(self, seconds: float) -> None:
        """Delay each chunk of data by up to 50 ms, for `seconds`."""
        self._delaying.set()
        time.sleep(seconds)
        self._delaying.clear()

    def refuse(self, seconds: float) -> None:
        """Reset every connection, and refuse new ones for `seconds`."""
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
        self._place.release()
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
            thread = threading.Thread(target=self._forward, args=(client, broker))
            self._threads.append(thread)
            thread.start()

    def _forward(self, client: socket.socket, broker: socket.socket) -> None:
        other = {client: broker, broker: client}
        dead = False  # for good: no network drops the middle of a connection and delivers the rest
        with client, broker:
            while not self._closed.is_set():
                readable, _, _ = select.select([client, broker], [], [], 1.0)
                while self._held.is_set() and not self._closed.wait(0.01):
                    pass
                for sock in readable:
                    try:
                        data = sock.recv(CHUNK_BYTES)
                        if not data:
                            return
                        if self._delaying.is_set():
                            time.sleep(self._rng.uniform(0, 0.05))
                        dead = dead or self._dropping.is_set()
                        if not dead:
                            other[sock].sendall(data)
                    except OSError:
                        return
