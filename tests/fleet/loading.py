"""Checks with thousands of sensors that nodes and archivers which fail cost no event, and that no node is stormed."""

import os
import time
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from support.cluster import Cluster
from support.postgres import PrivatePostgres

from .archiving import Archiver, stored, wait_for_rows
from .ledger import settle
from .publishing import Publishing
from .rig import Rig, ensure, nodes_of
from .subscriber import PersistentSubscriber

_PATIENCE_SECONDS: Final = 120.0
_AWAY_SECONDS: Final = 15.0
_MAX_SHARE: Final = 0.5
"""Share of the sensors of a killed node that may try to connect in any one second: as in tests/e2e/test_fleet.py."""
_FIRST_SECONDS: Final = 6.0
"""Within this time each sensor of a killed node tries to connect for the first time: the first wait, and some more."""


@dataclass(frozen=True)
class Load:
    """So many sensors, each with so many events, together so many a second."""

    sensors: int
    events: int
    per_second: float

    @property
    def seconds(self) -> float:
        """How long all events take to decide."""
        return self.sensors * self.events / self.per_second


SENSORS: Final = int(os.environ.get("FLEET_TEST_SENSORS", "2000"))
"""On RabbitMQ; a tenth of them on NATS."""
RABBITMQ: Final = Load(SENSORS, 100, 250.0)
NATS: Final = Load(SENSORS // 10, 250, 250.0)


def rabbitmq_loaded(rig: Rig) -> str:
    """Thousands of sensors on RabbitMQ: two nodes killed, all restarted, one of two archivers killed twice."""
    return _loaded(rig, rig.rabbitmq(), RABBITMQ)


def nats_loaded(rig: Rig) -> str:
    """Hundreds of sensors on NATS: two nodes killed, all restarted, one of two archivers killed twice."""
    return _loaded(rig, rig.nats(), NATS)


def _loaded(rig: Rig, cluster: Cluster, load: Load) -> str:
    folder = rig.folder()
    database = "fleet"
    urls = cluster.urls
    fleet = Publishing(urls, folder, sensors=load.sensors, events=load.events, per_second=load.per_second)
    nodes = nodes_of(cluster)
    began = time.monotonic()
    with PrivatePostgres() as postgres:
        store = postgres.create_database(database)
        with (
            PersistentSubscriber(nodes[1:] + nodes[:1], client_id=f"observer-{folder.name}") as subscriber,
            Archiver("one", urls, store, folder) as one,
            Archiver("two", urls[2:] + urls[:2], store, folder) as two,
        ):
            one.wait_until_subscribed()
            two.wait_until_subscribed()
            with fleet:
                connected = time.monotonic() - began
                fleet.go()
                kills = _fail(cluster, one, load.seconds)
                fleet.wait_until_decided()
                report = fleet.finish()
            events = sum(report.decided.values())
            rows = wait_for_rows(postgres, database, events, _PATIENCE_SECONDS)
            seconds = time.monotonic() - began - connected
            subscriber.wait_for(events, _PATIENCE_SECONDS)
            account = settle(subscriber.arrivals, report.decided)
            gaps = one.gaps()
        wanted = {(report.devices[boot], boot): (last, last) for boot, last in report.decided.items()}
        found = stored(postgres, database)
    ensure(report.left == 0, f"{report.left} events are not acknowledged\n{fleet.log[-2000:]}")
    ensure(report.dropped == 0, f"the sensors have dropped {report.dropped} events")
    problem = account.problem(keeps_order=cluster.keeps_order)
    ensure(problem is None, f"the observer: {problem}")
    different = [key for key in wanted.keys() | found.keys() if wanted.get(key) != found.get(key)]
    ensure(
        not different, f"the table has {rows} of {events} events; boots that differ: {different[:5]}\n{one.log[-2000:]}"
    )
    ensure(gaps.returncode == 0, f"archive --gaps: {gaps.stdout[-1000:]}{gaps.stderr[-1000:]}")
    storms = [_storm(report.attempts, moment, load.sensors) for moment in kills]
    return (
        f"{load.sensors:,} sensors, {load.per_second:.0f} events a second: {account}; all in the table after "
        f"{seconds:.0f} s; {report.threads} threads; {len(report.attempts)} attempts to connect; after a kill "
        f"{' and '.join(storms)}"
    )


def _fail(cluster: Cluster, archiver: Archiver, seconds: float) -> list[float]:
    """Kill two nodes and an archiver twice, then restart all nodes; returns when the nodes were killed.

    `seconds`: how long the sensors go on.
    """
    began, kills = time.monotonic(), []
    for node, share in ((1, 0.1), (0, 0.4)):
        time.sleep(max(0.0, began + share * seconds - time.monotonic()))
        kills.append(time.monotonic())
        cluster.kill(node)
        time.sleep(_AWAY_SECONDS)
        archiver.kill()
        cluster.start(node)
        archiver.start()
        cluster.wait_until_whole()
    time.sleep(max(0.0, began + 0.65 * seconds - time.monotonic()))
    cluster.restart_in_turn()
    return kills


def _storm(attempts: Sequence[float], killed: float, sensors: int) -> str:
    """Return how the sensors of a killed node came back."""
    after = [moment for moment in attempts if killed <= moment < killed + _FIRST_SECONDS]
    ensure(len(after) >= sensors / 6, f"only {len(after)} sensors have tried to connect after a kill")
    peak = max((number + 1 - bisect_left(after, moment - 1.0) for number, moment in enumerate(after)), default=0)
    sentence = f"{len(after)} attempts in {_FIRST_SECONDS:.0f} s, {peak} in any one second"
    ensure(peak <= _MAX_SHARE * len(after), sentence)
    return sentence
