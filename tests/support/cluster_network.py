"""A network for a cluster on one machine: a namespace for each node, a bridge for clients, a bridge between the nodes.

It needs root. With two bridges the nodes can lose each other while clients still reach each of them, which is the
partition that a broker must survive.
"""

import contextlib
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

NODES: Final = 3
COUNTERS: Final = ("rx_bytes", "rx_packets", "tx_bytes", "tx_packets")


def missing_for_a_network() -> str | None:
    """Return why no such network can be made here, or None."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    done = _ip("netns", "add", f"ee{os.getpid()}try", check=False)
    if done.returncode:
        return f"no network namespace can be made: {done.stderr.strip()}"
    _ip("netns", "delete", f"ee{os.getpid()}try")
    return None


class ClusterNetwork:
    """Namespaces 0 to 2, each with an address for clients and one for the other nodes; a context manager.

    The addresses are of 198.18.0.0/15, which is reserved for benchmarks (RFC 2544) and so used by nobody.
    """

    def __init__(self) -> None:
        number = os.getpid() % 100_000
        self._tag = f"ee{number}"
        self._third = number % 127 * 2
        self._made: list[Sequence[str]] = []

    def __enter__(self) -> Self:
        """Make namespaces and bridges."""
        try:
            self._make()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Remove them."""
        for arguments in reversed(self._made):
            _ip(*arguments, check=False)
        self._made.clear()

    def client_address(self, node: int) -> str:
        """Return the address at which clients on this machine reach a node."""
        return f"198.18.{self._third}.{node + 11}"

    def node_address(self, node: int) -> str:
        """Return the address at which the other nodes reach a node."""
        return f"198.18.{self._third + 1}.{node + 11}"

    @property
    def gateway(self) -> str:
        """Address of this machine as the namespaces reach it."""
        return f"198.18.{self._third}.1"

    def counted(self, node: int) -> dict[str, int]:
        """Return what the kernel has counted on a node's link to clients; `rx` is what the node has sent."""
        folder = Path(f"/sys/class/net/{self._tag}c{node}/statistics")
        return {name: int((folder / name).read_text()) for name in COUNTERS}

    def inside(self, node: int) -> list[str]:
        """Return the words before a command that is to run in the namespace of a node."""
        return ["ip", "netns", "exec", self._namespace(node)]

    def part(self, node: int) -> None:
        """Take a node off the bridge between the nodes, as a switch does that fails: nothing is closed or refused."""
        _ip("link", "set", self._port(node), "nomaster")

    def join(self, node: int) -> None:
        """Put a node back on the bridge between the nodes."""
        _ip("link", "set", self._port(node), "master", f"{self._tag}n")

    def _namespace(self, node: int) -> str:
        return f"{self._tag}-{node}"

    def _port(self, node: int) -> str:
        """Return the end of a node's link that is on the bridge between the nodes."""
        return f"{self._tag}n{node}"

    def _make(self) -> None:
        for bridge in ("c", "n"):
            name = self._tag + bridge
            self._add(("link", "add", name, "type", "bridge"), ("link", "delete", name))
            _ip("link", "set", name, "up")
        _ip("address", "add", f"{self.gateway}/24", "dev", f"{self._tag}c")
        for node in range(NODES):
            space = self._namespace(node)
            self._add(("netns", "add", space), ("netns", "delete", space))
            _ip("-n", space, "link", "set", "lo", "up")
            for bridge, inner, address in (
                ("c", "clients", self.client_address(node)),
                ("n", "nodes", self.node_address(node)),
            ):
                outer = f"{self._tag}{bridge}{node}"
                peer = ("peer", "name", inner, "netns", space)
                self._add(("link", "add", outer, "type", "veth", *peer), ("link", "delete", outer))
                _ip("link", "set", outer, "master", self._tag + bridge, "up")
                _ip("-n", space, "address", "add", f"{address}/24", "dev", inner)
                _ip("-n", space, "link", "set", inner, "up")

    def _add(self, make: Sequence[str], remove: Sequence[str]) -> None:
        _ip(*make)
        self._made.append(remove)


def _ip(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if check and done.returncode:
        msg = f"ip {' '.join(arguments)}: {done.stderr.strip()}"
        raise OSError(msg)
    return done


def processes_of(network: ClusterNetwork, node: int) -> list[int]:
    """Return the ids of the processes in the namespace of a node."""
    with contextlib.suppress(ValueError):
        space = network.inside(node)[-1]
        return [int(word) for word in _ip("netns", "pids", space).stdout.split()]
    return []
