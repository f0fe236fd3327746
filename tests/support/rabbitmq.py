"""A cluster of three RabbitMQ nodes as Debian ships them, with the MQTT plugin and quorum queues."""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from support.cluster import MQTT_PORT, START_SECONDS, Cluster
from support.cluster_network import NODES

_BIN: Final = Path("/usr/lib/rabbitmq/bin")
"""Debian's commands in /usr/sbin change to the user rabbitmq and to the configuration of the system's service."""

_COOKIE: Final = "emotionedgetests"
_TICK_SECONDS: Final = 60
"""After this time without a word a node counts as lost: RabbitMQ's default. A node that wrongly takes the two others
for lost pauses itself, so that beside a load a shorter time leaves no majority."""

_NEWER_MAJOR: Final = 4

_QUORUM_CRITICAL: Final = "check_if_node_is_quorum_critical"


class RabbitCluster(Cluster):
    """Three nodes with `cluster_partition_handling = pause_minority`, as RabbitMQ advises for quorum queues.

    `prefetch`: messages of QoS 1 that each subscriber may have unacknowledged. `log_level`: what is worth a line.
    `tick_seconds`: time after which a node that says nothing counts as lost. `settings`: further lines of
    rabbitmq.conf.
    """

    name = "rabbitmq"

    def __init__(
        self,
        *,
        prefetch: int = 500,
        log_level: str = "critical",
        tick_seconds: int = _TICK_SECONDS,
        settings: Sequence[str] = (),
    ) -> None:
        super().__init__()
        is_older = installed_major() < _NEWER_MAJOR
        # Up to 3.11 the nodes agree on client ids by Raft. Of two that join that group at once one may be left out,
        # without a word; each client that connects to it then waits for ever. From 4.0 on a node waits for the others.
        self.starts_in_turn = is_older
        # In 4.0.5 an event that was on its way on a node that is killed can arrive, replayed, behind the next one.
        self.keeps_order = is_older
        self._tick_seconds = tick_seconds
        self._log_level = log_level
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
            # Each connection is written about at length, and a thousand that end at once cost more than their messages.
            f"log.console.level = {self._log_level}",
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
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"{still} -kernel net_ticktime {self._tick_seconds}",
            "LANG": "C.UTF-8",
        }

    def ready(self, node: int) -> bool:  # noqa: ARG002 - it listens, and that comes last
        return True

    def wait_until_whole(self) -> None:
        for node in range(NODES):
            self._wait(node, "sees all nodes", lambda node=node: self._sees_all(node))  # type: ignore[misc]
        for node in range(NODES):
            self._wait(node, "can be spared", lambda node=node: self._can_be_spared(node))  # type: ignore[misc]

    @property
    def version(self) -> str:
        versions = self._status(0)["versions"][self._node_name(0)]
        return f"RabbitMQ {versions['rabbitmq_version']}, Erlang {versions['erlang_version']}"

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
        return len(self._status(node).get("running_nodes", [])) == NODES

    def _status(self, node: int) -> dict[str, Any]:
        """Return what a node says of its cluster; empty where it does not answer."""
        done = self._run(node, "rabbitmqctl", "cluster_status", "--formatter", "json")
        status: dict[str, Any] = json.loads(done.stdout) if done.returncode == 0 else {}
        return status

    def _can_be_spared(self, node: int) -> bool:
        return self._run(node, "rabbitmq-diagnostics", _QUORUM_CRITICAL).returncode == 0

    def _node_name(self, node: int) -> str:
        return f"rabbit@{self.network.node_address(node)}"


def installed_major() -> int:
    """Return the first number of the version of RabbitMQ that is installed here."""
    (folder,) = _BIN.parent.glob("lib/rabbitmq_server-*")
    return int(folder.name.partition("-")[2].partition(".")[0])
