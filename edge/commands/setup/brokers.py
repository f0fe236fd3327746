"""Finds brokers that the sensor could use, and tries each with a real connection of MQTT."""

import contextlib
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final, Literal

import msgspec

from edge.commands.setup.mdns import HOME_ASSISTANT, USUAL_PORTS, Announcement, browse
from edge.config.credentials import PASSWORD_VARIABLE
from edge.config.mqtt_schema import MqttConfig
from edge.mqtt.connector import Connector
from edge.mqtt.errors import ConnectFailedError
from edge.mqtt.reason_codes import NOT_AUTHORIZED
from edge.mqtt.settings import broker_settings, command_client_id

_BAD_CREDENTIALS: Final = 0x86
"""Reason code of MQTT 5: bad user name or password. Brokers with MQTT 3.1.1 give it or Not authorized alike."""
HOME_ASSISTANT_HOST: Final = "homeassistant.local"
"""Name of Home Assistant's own operating system in the local network."""
SEARCH_SECONDS: Final = 8.0
"""Longest search: an address that does not exist takes the resolver five seconds, an avahi that hangs as long."""
_TRY_SECONDS: Final = 3.0
"""Timeout of TCP and TLS, and again of CONNACK, for a broker in the local network; it takes milliseconds."""

Verdict = Literal["open", "asks", "refuses"]
"""A broker accepts anybody, wants a user name and a password, or cannot be used."""


@dataclass(frozen=True, slots=True)
class BrokerTrial:
    """What a broker answered. `reason`: why it cannot be used, one sentence."""

    verdict: Verdict
    reason: str = ""


@dataclass(frozen=True, slots=True)
class FoundBroker:
    """A broker that answers. `where`: what is known of the place, in words."""

    url: str
    where: str
    trial: BrokerTrial

    @property
    def is_home_assistant(self) -> bool:
        """Whether Home Assistant runs on the same host."""
        return "Home Assistant" in self.where

    @property
    def in_words(self) -> str:
        """The line of a choice."""
        asks = "wants a user name and a password" if self.trial.verdict == "asks" else "accepts the connection"
        return f"{self.url} ({self.where}): {asks}"


def try_broker(mqtt: MqttConfig, password: str | None = None, connect_seconds: float = _TRY_SECONDS) -> BrokerTrial:
    """Connect to the broker of `mqtt.url` as the sensor would, and disconnect; nothing is published.

    Raises ConfigError where the address, or a file that it needs, cannot be used.
    """
    environ = {} if password is None else {PASSWORD_VARIABLE: password}
    settings = replace(
        broker_settings(msgspec.structs.replace(mqtt, fallback_urls=[]), environ)[0], connect_seconds=connect_seconds
    )
    try:
        with Connector([settings], command_client_id(mqtt, "setup")).connect() as connection:
            connection.close()
    except ConnectFailedError as error:
        refused = error.code in {NOT_AUTHORIZED, _BAD_CREDENTIALS}
        return BrokerTrial("asks" if refused else "refuses", str(error))
    return BrokerTrial("open")


def find_brokers(
    announced: Callable[[], list[Announcement]] = browse,
    *,
    hosts: Iterable[tuple[str, str]] = (("localhost", "on this machine"), (HOME_ASSISTANT_HOST, "Home Assistant")),
    seconds: float = SEARCH_SECONDS,
) -> list[FoundBroker]:
    """Return the brokers that answer, in the order in which they are offered: `hosts`, then what is announced.

    `hosts`: names that are tried at the usual port, each with its place in words. It takes `seconds` at most: names
    are resolved and hosts are tried at the same time.
    """
    results: queue.SimpleQueue[tuple[int, FoundBroker | None]] = queue.SimpleQueue()
    deadline = time.monotonic() + seconds
    candidates = [(f"mqtt://{host}", where) for host, where in hosts]
    for number, (url, where) in enumerate(candidates):
        _start(results, number, url, where)
    waiting = len(candidates)
    known = {url for url, _ in candidates}
    for announcement in announced():
        url = address_of(announcement)
        if url not in known:
            known.add(url)
            place = (
                "Home Assistant" if announcement.service == HOME_ASSISTANT else f'announced as "{announcement.name}"'
            )
            _start(results, len(known), url, place)
            waiting += 1
    found: dict[int, FoundBroker] = {}
    while waiting and (left := deadline - time.monotonic()) > 0:
        with contextlib.suppress(queue.Empty):
            number, broker = results.get(timeout=left)
            waiting -= 1
            if broker is not None:
                found[number] = broker
    return [found[number] for number in sorted(found)]


def address_of(announcement: Announcement) -> str:
    """Return a broker's address: with the host's name where this machine can resolve it, else with its IP address.

    Names that end in .local need nss-mdns, which not every system has; a number may be another one tomorrow.
    """
    usual = USUAL_PORTS[announcement.scheme]
    port = "" if announcement.broker_port == usual else f":{announcement.broker_port}"
    try:
        socket.getaddrinfo(announcement.host, announcement.broker_port, socket.AF_INET)
        host = announcement.host
    except OSError:
        host = announcement.address
    return f"{announcement.scheme}://{host}{port}"


def _start(results: "queue.SimpleQueue[tuple[int, FoundBroker | None]]", number: int, url: str, where: str) -> None:
    def work() -> None:
        trial = BrokerTrial("refuses")
        try:
            trial = try_broker(MqttConfig(url=url))
        finally:
            results.put((number, None if trial.verdict == "refuses" else FoundBroker(url, where, trial)))

    threading.Thread(target=work, name="broker", daemon=True).start()
