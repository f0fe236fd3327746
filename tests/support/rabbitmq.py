"""A cluster of three RabbitMQ nodes as Debian ships them, with the MQTT plugin and quorum queues."""

import json
import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from support.cluster import MQTT_PORT, START_SECONDS, Cluster, ClusterError
from support.cluster_network import NODES

_BIN: Final = Path("/usr/lib/rabbitmq/bin")
"""Debian's commands in /usr/sbin change to the user rabbitmq and to the configuration of the system's service."""

_COOKIE: Final = "emotionedgetests"
_TICK_SECONDS: Final = 8
"""After this time without a word a node counts as lost (by default 60 s): a test need not wait for a minute."""

_QUORUM_CRITICAL: Final = "check_if_node_is_quorum_critical"


class RabbitCluster(Cluster):
    """Three nodes with `cluster_partition_handling = pause_minority`, as RabbitMQ advises for quorum queues.

    `prefetch`: messages of QoS 1 that each subscriber may have unacknowledged. `settings`: further lines of
    rabbitmq.conf.
    """

    name = "rabbitmq"
    # In 3.10 the nodes agree on client ids by Raft. Of two that join that group at once one may be left out, without a
    # word; each client that connects to it then waits for ever.
    starts_in_turn = True

    def __init__(self, *, prefetch: int = 500, settings: Sequence[str] = ()) -> None:
        super().__init__()
        self._prefetch = prefetch
        self._settings = tuple(settings)

    def configure(self, node: int) -> None:
        folder = self.node_folder(node)
        names = [f"cluster_formation.classic_config.nodes.{one + 1} = {self._node_name(one)}" for one in range(NODES)]
        lines = [
            "listeners.tcp = none",
            f"mqtt.listeners.tcp.default = {self.host(node)}:{MQTT_PORT}",
            "mqtt.durable_queue_type = quorum",
            f"mqtt.prefetch = {self._prefetch}",
            "mqtt.tcp_listen_options.backlog = 4096",
            "cluster_formation.peer_discovery_backend = classic_config",
            *names,
            "cluster_partition_handling = pause_minority",
            "queue_master_locator = min-masters",
            # Anonymous clients are guest, who may otherwise connect from the loopback address only.
            "loopback_users = none",
            "vm_memory_high_watermark.absolute = 3GB",
            "disk_free_limit.absolute = 500MB",
            "log.console = true",
            "log.console.level = info",
            "log.file = false",
            *self._settings,
        ]
        (folder / "rabbitmq.conf").write_text("\n".join(lines) + "\n")
        (folder / "plugins").write_text("[rabbitmq_mqtt].\n")
        (folder / "env").touch()
        cookie = folder / ".erlang.cookie"
        cookie.write_text(_COOKIE)
        cookie.chmod(0o400)

    def command(self, node: int) -> list[str]:  # noqa: ARG002 - the same for all
        # epmd beside it, in the foreground, or it would become a daemon that outlives the node.
        return ["sh", "-c", f"ulimit -n 65536; epmd & exec {_BIN}/rabbitmq-server"]

    def environment(self, node: int) -> dict[str, str]:
        folder = self.node_folder(node)
        # No spinning for work: there are twice as many schedulers as processors here.
        still = "+sbwt none +sbwtdcpu none +sbwtdio none"
        return {
            "HOME": str(folder),
            "RABBITMQ_NODENAME": self._node_name(node),
            "RABBITMQ_USE_LONGNAME": "true",
            "RABBITMQ_CONF_ENV_FILE": str(folder / "env"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"{still} -kernel net_ticktime {_TICK_SECONDS}",
            "LANG": "C.UTF-8",
        }

    def ready(self, node: int) -> bool:
        return "Server startup complete" in self.log(node).rpartition("Starting RabbitMQ")[2]

    def wait_until_whole(self) -> None:
        for node in range(NODES):
            self._wait(node, "sees all nodes", lambda node=node: self._sees_all(node))  # type: ignore[misc]
        for node in range(NODES):
            self._wait(node, "can be spared", lambda node=node: self._can_be_spared(node))  # type: ignore[misc]

    @property
    def version(self) -> str:
        found = re.search(r"Starting RabbitMQ (\S+) on Erlang (\S+)", self.log(0))
        return f"RabbitMQ {found[1]}, Erlang {found[2]}" if found else "RabbitMQ"

    def connections_logged(self, node: int) -> int:
        """Return how many MQTT connections a node has accepted."""
        return self.log(node).count("accepted by")

    def control(self, node: int, *arguments: str, program: str = "rabbitmqctl") -> str:
        """Run a command of RabbitMQ's on a node, and return what it printed. Raises ClusterError where it fails."""
        done = self._run(node, program, *arguments)
        if done.returncode:
            msg = f"{program} {' '.join(arguments)}: {done.stdout}{done.stderr}"
            raise ClusterError(msg)
        return done.stdout

    def _run(self, node: int, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [*self.network.inside(node), str(_BIN / program), "-q", "-l", "-n", self._node_name(node), *arguments]
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=START_SECONDS,
            env=os.environ | self.environment(node),
        )

    def _sees_all(self, node: int) -> bool:
        done = self._run(node, "rabbitmqctl", "cluster_status", "--formatter", "json")
        return done.returncode == 0 and len(json.loads(done.stdout)["running_nodes"]) == NODES

    def _can_be_spared(self, node: int) -> bool:
        return self._run(node, "rabbitmq-diagnostics", _QUORUM_CRITICAL).returncode == 0

    def _node_name(self, node: int) -> str:
        return f"rabbit@{self.network.node_address(node)}"
