"""A cluster of three NATS servers as Debian ships them, with JetStream and MQTT 3.1.1."""

import json
import subprocess
import urllib.error
import urllib.request
from typing import Any

from support.cluster import MQTT_PORT, Cluster
from support.cluster_network import NODES

_CLIENT_PORT = 4222
_CLUSTER_PORT = 6222
_MONITOR_PORT = 8222


class NatsCluster(Cluster):
    """Three servers whose MQTT streams have three replicas."""

    name = "nats"
    # What was on its way to a subscriber on the lost node comes again only after `ack_wait`, behind newer messages.
    keeps_order = False

    def configure(self, node: int) -> None:
        folder = self.node_folder(node)
        routes = ", ".join(
            f'"nats://{self.network.node_address(one)}:{_CLUSTER_PORT}"' for one in range(NODES) if one != node
        )
        (folder / "nats.conf").write_text(
            f"""\
server_name: n{node}
listen: "{self.host(node)}:{_CLIENT_PORT}"
http: "{self.host(node)}:{_MONITOR_PORT}"
max_connections: 64K
jetstream {{ store_dir: "{folder / "store"}", max_memory_store: 256MB, max_file_store: 4GB }}
cluster {{ name: emotion, listen: "{self.network.node_address(node)}:{_CLUSTER_PORT}", routes: [{routes}] }}
mqtt {{ listen: "{self.host(node)}:{MQTT_PORT}", ack_wait: "30s", max_ack_pending: 500, stream_replicas: 3 }}
"""
        )

    def command(self, node: int) -> list[str]:
        # Debian has it in /usr/sbin, which is not on everyone's PATH.
        start = f"ulimit -n 65536; PATH=$PATH:/usr/sbin exec nats-server -c {self.node_folder(node) / 'nats.conf'}"
        return ["sh", "-c", start]

    def ready(self, node: int) -> bool:
        # Not the whole page: in 2.9.10 a consumer can stay "not current" on a node that was killed, for minutes and
        # although all its messages are delivered.
        return bool(self._monitor(node, "healthz?js-server-only=true").get("status") == "ok")

    def wait_until_whole(self) -> None:
        for node in range(NODES):
            self._wait(node, "knows the others", lambda node=node: self._knows_others(node))  # type: ignore[misc]
        self._wait(0, "all streams have their replicas", self._replicas_are_current)

    @property
    def version(self) -> str:
        return f"NATS {self._monitor(0, 'varz').get('version', '')}"

    def _knows_others(self, node: int) -> bool:
        return self.ready(node) and len(self._monitor(node, "routez").get("routes", [])) >= NODES - 1

    def _replicas_are_current(self) -> bool:
        """Return whether each stream has a leader whose replicas have all that it has."""
        names, led = set(), set()
        for node in range(NODES):
            page = self._monitor(node, "jsz?accounts=true&streams=true")
            for account in page.get("account_details", []):
                for stream in account.get("stream_detail", []):
                    names.add(stream["name"])
                    cluster = stream.get("cluster", {})
                    replicas = cluster.get("replicas", [])
                    current = sum(one.get("current", False) and not one.get("offline", False) for one in replicas)
                    if cluster.get("leader") == f"n{node}" and current == NODES - 1:
                        led.add(stream["name"])
        return names == led

    def _monitor(self, node: int, page: str) -> dict[str, Any]:
        """Return a page of a node's monitor; empty where it does not answer."""
        try:
            with urllib.request.urlopen(f"http://{self.host(node)}:{_MONITOR_PORT}/{page}", timeout=5) as answer:
                page_read: dict[str, Any] = json.load(answer)
                return page_read
        except urllib.error.HTTPError as error:
            return dict(json.load(error))
        except (OSError, ValueError):
            return {}


def installed_version() -> str:
    """Return what the installed server says of its version."""
    return subprocess.run(["nats-server", "--version"], capture_output=True, text=True, check=True).stdout.strip()
