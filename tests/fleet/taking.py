"""Checks what each broker takes, by the probes, and prints the table of the documentation."""

import re

from support.broker import PrivateBroker

from .probe import Nodes, findings, table
from .rig import Rig, ensure, nodes_of


def mosquitto_takes(rig: Rig) -> str:
    """mosquitto takes what the sensor needs."""
    with rig.mosquitto() as broker:
        return _judged(rig, f"mosquitto {_version(broker)}", [("127.0.0.1", broker.port)])


def nats_takes(rig: Rig) -> str:
    """A cluster of NATS takes what the sensor needs."""
    cluster = rig.nats()
    return _judged(rig, cluster.version, nodes_of(cluster))


def rabbitmq_takes(rig: Rig) -> str:
    """A cluster of RabbitMQ takes what the sensor needs."""
    cluster = rig.rabbitmq()
    return _judged(rig, cluster.version, nodes_of(cluster))


def _version(broker: PrivateBroker) -> str:
    found = re.search(r"mosquitto version (\S+) starting", broker.log())
    return found[1] if found else ""


def _judged(rig: Rig, name: str, nodes: Nodes) -> str:
    found = rig.found[name] = findings(nodes)
    rows = {row.partition(" ")[0]: cell for row, cell in found.items()}
    ensure("3.1.1" in rows["Versions"], f"{name} speaks MQTT {rows['Versions']}")
    ensure(rows["Session"].startswith("kept"), f"{name}: {rows['Session']}")
    ensure(rows["Will,"].startswith("published"), f"{name}: the will is {rows['Will,']}")
    return f"{name}\n{table({name: found})}"
