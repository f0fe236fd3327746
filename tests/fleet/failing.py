"""Checks with a handful of sensors that what happens to a broker costs no event, and that order and marks are right."""

import time
from collections.abc import Callable
from typing import Final

from support.cluster import Cluster

from .ledger import settle
from .publishing import Publishing
from .rig import Rig, ensure, nodes_of
from .subscriber import PersistentSubscriber

_SENSORS: Final = 12
_PER_SECOND: Final = 60.0
_MOST_EVENTS: Final = 10_000
"""Of each sensor; the end of the fault ends them earlier."""
_BEFORE_SECONDS: Final = 3.0
_AFTER_SECONDS: Final = 6.0
_AWAY_SECONDS: Final = 5.0
_PARTED_SECONDS: Final = 30.0
"""Longer than a node's own clock of lost nodes, and than the sensor's patience with one that answers nothing."""
_PATIENCE_SECONDS: Final = 60.0
"""NATS delivers again what was not acknowledged after 30 s."""


def mosquitto_restarted(rig: Rig) -> str:
    """mosquitto is restarted."""
    with rig.mosquitto() as broker:

        def restart() -> None:
            broker.stop()
            time.sleep(_AWAY_SECONDS)
            broker.start()

        return _survived(rig, [broker.url], [("127.0.0.1", broker.port)], restart)


def nats_killed(rig: Rig) -> str:
    """A node of NATS is killed and comes back."""
    return _cluster_survives(rig, rig.nats(), _kill)


def nats_restarted(rig: Rig) -> str:
    """All nodes of NATS are restarted in turn."""
    return _cluster_survives(rig, rig.nats(), Cluster.restart_in_turn)


def nats_parted(rig: Rig) -> str:
    """A node of NATS is parted from the others, and its clients reach it."""
    return _cluster_survives(rig, rig.nats(), _part)


def rabbitmq_killed(rig: Rig) -> str:
    """A node of RabbitMQ is killed and comes back."""
    return _cluster_survives(rig, rig.rabbitmq(), _kill)


def rabbitmq_restarted(rig: Rig) -> str:
    """All nodes of RabbitMQ are restarted in turn."""
    return _cluster_survives(rig, rig.rabbitmq(), Cluster.restart_in_turn)


def rabbitmq_parted(rig: Rig) -> str:
    """A node of RabbitMQ is parted from the others, and its clients reach it."""
    return _cluster_survives(rig, rig.watchful_rabbitmq(), _part)


def _kill(cluster: Cluster) -> None:
    cluster.kill(1)
    time.sleep(_AWAY_SECONDS)
    cluster.start(1)
    cluster.wait_until_whole()


def _part(cluster: Cluster) -> None:
    with cluster.parted(1):
        time.sleep(_PARTED_SECONDS)
    cluster.wait_until_whole()


def _cluster_survives(rig: Rig, cluster: Cluster, fault: Callable[[Cluster], None]) -> str:
    # The subscriber begins with the node that fails.
    nodes = nodes_of(cluster)
    hosts = nodes[1:] + nodes[:1]
    return _survived(rig, cluster.urls, hosts, lambda: fault(cluster), keeps_order=cluster.keeps_order)


def _survived(
    rig: Rig, urls: list[str], nodes: list[tuple[str, int]], fault: Callable[[], None], *, keeps_order: bool = True
) -> str:
    """Let sensors publish while `fault` happens; returns the account of what arrived."""
    folder = rig.folder()
    fleet = Publishing(urls, folder, sensors=_SENSORS, events=_MOST_EVENTS, per_second=_PER_SECOND)
    # A session of its own, in which nothing of an earlier check is left.
    with PersistentSubscriber(nodes, client_id=f"observer-{folder.name}") as subscriber, fleet:
        fleet.go()
        time.sleep(_BEFORE_SECONDS)
        began = time.monotonic()
        fault()
        seconds = time.monotonic() - began
        time.sleep(_AFTER_SECONDS)
        fleet.enough()
        report = fleet.finish()
        subscriber.wait_for(sum(report.decided.values()), _PATIENCE_SECONDS)
        account = settle(subscriber.arrivals, report.decided)
    problem = account.problem(keeps_order=keeps_order)
    ensure(problem is None, f"{problem}\n{fleet.log[-2000:]}")
    ensure(report.left == 0, f"{report.left} events are not acknowledged")
    return f"{seconds:.0f} s; {account}"
