"""Refuses a second sensor on this machine that would have the device id and the broker of the first.

Both would connect with one client id, and the broker throws out the older connection each time (MQTT 3.1.1 and 5,
3.1.4): they would take turns for ever, each with half of the events. The outbox's lock finds only those that share a
state folder; the service and a user's program have different ones. Sensors on two machines are found by the connection.
"""

import ipaddress
from typing import Final

from edge.config.credentials import BrokerAddress, parse_broker_url
from edge.config.schema import Config
from edge.errors import ConfigError
from edge.mqtt.settings import broker_urls, sensor_client_id
from edge.system import board
from edge.system.machine_lock import LockedError, MachineLock

_LOOPBACK_NAMES: Final = {"localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback"}


def claim_device(config: Config, lock: MachineLock | None = None) -> MachineLock:
    """Lock the device id, and the client id, together with each broker until the lock is closed or the process ends.

    Without a broker nothing is locked: events then go to a stream of the process's own. Raises ConfigError, which names
    the other process and what to do, where another sensor on this machine has both; and for an invalid address.
    """
    lock = lock or MachineLock()
    mqtt = config.mqtt
    if not mqtt.url:
        return lock
    device = board.device_id(config.device.id)
    brokers = [parse_broker_url(url, key) for key, url in broker_urls(mqtt)]
    client_id = sensor_client_id(mqtt, device)
    # Two with different client ids would still write over each other's retained topics.
    clients = {f"client {client_id} of {_canonical(broker)}": broker for broker in brokers}
    topics = {f"topics {mqtt.base_topic}/{device} of {_canonical(broker)}": broker for broker in brokers}
    try:
        lock.acquire([*topics, *clients])
    except LockedError as error:
        key, broker = "device.id", (topics | clients)[error.name]
        what = f"device.id {device!r}" if config.device.id else f"the id {device} (device.id is empty)"
        if error.name in clients and mqtt.client_id:
            key, what = "mqtt.client_id", f"mqtt.client_id {mqtt.client_id!r}"
        process = "" if error.holder is None else f" ({error.holder})"
        msg = (
            f"{what} is in use on the broker {broker} by another sensor on this machine{process}: "
            f"stop that one, or set {key} to another id for this one"
        )
        raise ConfigError(msg) from error
    return lock


def _canonical(broker: BrokerAddress) -> str:
    """Return the same text for the names and addresses of this machine itself, which people mix."""
    host = broker.host.lower().removesuffix(".")
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = host in _LOOPBACK_NAMES
    return f"{'localhost' if local else host}:{broker.port}"
