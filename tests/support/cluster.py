"""A cluster of three brokers on one machine, each in a network namespace of its own, for tests that make nodes fail."""

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Self

from support.cluster_network import NODES, ClusterNetwork, processes_of

MQTT_PORT: Final = 1883
START_SECONDS: Final = 300.0
"""Ends a hang: a node of RabbitMQ starts in ten seconds alone, and in a minute beside a load on two cores."""
_POLL_SECONDS: Final = 0.1


class ClusterError(Exception):
    """A node does not do what it should; the text has the end of its log."""


class Cluster(ABC):
    """Three nodes, 0 to 2, with folders of their own; a context manager that starts and removes them."""

    name = ""
    keeps_order = True
    """Whether a subscriber whose node was lost gets in order what it had not acknowledged."""

    starts_in_turn = False
    """Whether a node may only be started for the first time once the one before it runs."""

    def __init__(self) -> None:
        self.network = ClusterNetwork()
        self._stack = contextlib.ExitStack()
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self.folder = Path()
        """Folder of all nodes, from the start on."""

    @property
    def urls(self) -> list[str]:
        """Address of each node as `mqtt.url` takes it."""
        return [f"mqtt://{self.host(node)}:{MQTT_PORT}" for node in range(NODES)]

    def host(self, node: int) -> str:
        """Return the address of a node for clients."""
        return self.network.client_address(node)

    def __enter__(self) -> Self:
        """Start all nodes, and return once they form a cluster."""
        with contextlib.ExitStack() as stack:
            self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"emotion-edge-{self.name}-")))
            stack.enter_context(self.network)
            stack.callback(self._end_all)
            for node in range(NODES):
                self.node_folder(node).mkdir()
                self.configure(node)
            for node in range(NODES):
                self.launch(node)
                if self.starts_in_turn:
                    self.wait_for(node)
            for node in range(NODES):
                self.wait_for(node)
            self.wait_until_whole()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """End all nodes and remove what they left."""
        self._stack.close()

    def node_folder(self, node: int) -> Path:
        """Return the folder of a node."""
        return self.folder / str(node)

    def log(self, node: int) -> str:
        """Return everything that a node has logged."""
        file = self.node_folder(node) / "log"
        return file.read_text(errors="replace") if file.exists() else ""

    def kill(self, node: int) -> None:
        """End a node with SIGKILL, with all processes of its own, as a power cut would."""
        for pid in processes_of(self.network, node):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._processes.pop(node).wait()

    def stop(self, node: int) -> None:
        """End a node with SIGTERM."""
        process = self._processes.pop(node)
        self.terminate(node, process)
        process.wait(START_SECONDS)

    def start(self, node: int) -> None:
        """Start a node again, and return once it is a member that takes clients."""
        self.launch(node)
        self.wait_for(node)

    def restart_in_turn(self) -> None:
        """Restart every node, each after the cluster can do without it, as for an upgrade."""
        for node in range(NODES):
            self.wait_until_whole()
            self.stop(node)
            self.start(node)
        self.wait_until_whole()

    @contextlib.contextmanager
    def parted(self, node: int) -> Iterator[None]:
        """Part a node from the other two; clients still reach all three."""
        self.network.part(node)
        try:
            yield
        finally:
            self.network.join(node)

    def launch(self, node: int) -> None:
        """Start the process of a node without waiting."""
        with (self.node_folder(node) / "log").open("ab") as log:
            self._processes[node] = subprocess.Popen(
                [*self.network.inside(node), *self.command(node)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | self.environment(node),
                start_new_session=True,
            )

    def wait_for(self, node: int) -> None:
        """Wait until a node takes clients and knows the others."""
        self._wait(node, "takes clients", lambda: self._listens(node) and self.ready(node))

    def terminate(self, node: int, process: subprocess.Popen[bytes]) -> None:  # noqa: ARG002 - for others
        """Ask a node to end."""
        process.terminate()

    @abstractmethod
    def configure(self, node: int) -> None:
        """Write the configuration of a node."""

    @abstractmethod
    def command(self, node: int) -> list[str]:
        """Return the command of a node, which stays in the foreground."""

    def environment(self, node: int) -> dict[str, str]:  # noqa: ARG002 - for others
        """Return further variables for the command."""
        return {}

    @abstractmethod
    def ready(self, node: int) -> bool:
        """Return whether a node that listens has started completely."""

    @abstractmethod
    def wait_until_whole(self) -> None:
        """Wait until every node runs and can be spared by the other two."""

    @property
    @abstractmethod
    def version(self) -> str:
        """Version of the broker."""

    def _listens(self, node: int) -> bool:
        with contextlib.suppress(OSError), socket.create_connection((self.host(node), MQTT_PORT), 1.0):
            return True
        return False

    def _wait(self, node: int, what: str, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not condition():
            process = self._processes[node]
            if process.poll() is not None or time.monotonic() > deadline:
                tail = "\n".join(self.log(node).splitlines()[-15:])
                ended = "has ended" if process.poll() is not None else f"after {START_SECONDS:.0f} s"
                msg = f"node {node} of {self.name}: not '{what}' ({ended}); the end of its log:\n{tail}"
                raise ClusterError(msg)
            time.sleep(_POLL_SECONDS)

    def _end_all(self) -> None:
        for node in list(self._processes):
            self.kill(node)
        for node in range(NODES):
            for pid in processes_of(self.network, node):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
