"""The test rig of the fleet: one cluster of brokers at a time, PostgreSQL, a folder, and queries that checks share."""

import contextlib
import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self, TypeVar, cast

from support.broker import PrivateBroker
from support.cluster import MQTT_PORT, Cluster
from support.nats import NatsCluster
from support.rabbitmq import RabbitCluster

AnyCluster = TypeVar("AnyCluster", bound=Cluster)

_MOSQUITTO: Final = ("max_inflight_messages 0", "autosave_interval 0", "connection_messages true")


class _WatchfulRabbitCluster(RabbitCluster):
    """Finds a partition within a check's time; by default it takes a minute."""

    def __init__(self) -> None:
        super().__init__(tick_seconds=8)


class FleetError(Exception):
    """A check has failed; the text says what is wrong."""


def ensure(condition: object, what: str) -> None:
    """Raise `FleetError` with the message `what` unless a condition holds."""
    if not condition:
        raise FleetError(what)


class Rig:
    """Holds what the checks use; a context manager. A cluster stays up until a check asks for another one."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._brokers = contextlib.ExitStack()
        self._cluster: Cluster | None = None
        self._names = itertools.count(1)
        self.found: dict[str, dict[str, str]] = {}
        """What the probes have found, by broker."""

    def __enter__(self) -> Self:
        """Make the folder."""
        self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="emotion-edge-fleet-")))
        return self

    def __exit__(self, *_: object) -> None:
        """End what runs."""
        self._brokers.close()
        self._stack.close()

    def folder(self) -> Path:
        """Return a new path in the folder of this run."""
        return self._folder / str(next(self._names))

    def rabbitmq(self) -> RabbitCluster:
        """Return a cluster of RabbitMQ that is whole."""
        return self._whole(RabbitCluster)

    def watchful_rabbitmq(self) -> RabbitCluster:
        """Return a cluster of RabbitMQ whose nodes take each other for lost after some seconds of silence."""
        return self._whole(_WatchfulRabbitCluster)

    def nats(self) -> NatsCluster:
        """Return a cluster of NATS that is whole."""
        return self._whole(NatsCluster)

    @contextlib.contextmanager
    def mosquitto(self) -> Iterator[PrivateBroker]:
        """Return a mosquitto that keeps sessions; nothing else runs beside it."""
        self._close_cluster()
        with PrivateBroker(persistence=True, extra=_MOSQUITTO) as broker:
            yield broker

    def _whole(self, kind: type[AnyCluster]) -> AnyCluster:
        if type(self._cluster) is not kind:
            self._close_cluster()
            self._cluster = self._brokers.enter_context(kind())
        cluster = cast("AnyCluster", self._cluster)
        cluster.wait_until_whole()
        return cluster

    def _close_cluster(self) -> None:
        self._brokers.close()
        self._brokers = contextlib.ExitStack()
        self._cluster = None


def nodes_of(cluster: Cluster) -> list[tuple[str, int]]:
    """Return address and port of each node."""
    return [(cluster.host(node), MQTT_PORT) for node in range(len(cluster.urls))]
