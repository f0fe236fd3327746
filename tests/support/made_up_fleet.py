"""Devices that only answer documents in `info`, as the real ones do: many of them on one connection."""

import threading
from collections.abc import Callable, Sequence

import msgspec
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from edge.desired.document import payload_sha256, read_document, read_payload
from edge.desired.errors import RefusedError
from edge.desired.selection import Choice, assignment_of, choice_of
from edge.desired.signature import Verifier
from edge.messages.desired_info import DesiredInfo
from edge.messages.payloads import encode
from support.mqtt import NOW, TIMEOUT_SECONDS, health, info

BASE = "emotion-edge"
Fate = Callable[[str, Choice | None], str]
"""Returns the step that a device ends at with what it is to run."""


class MadeUpFleet:
    """Devices that verify a document as real ones do, and end at once at the step that `fate` says."""

    def __init__(
        self,
        port: int,
        names: Sequence[str],
        verifier: Verifier,
        fate: Fate = lambda *_: "kept",
        *,
        retained: bool = True,
    ) -> None:
        """`retained`: whether the broker keeps what they say, as RabbitMQ does not for a filter with a wildcard."""
        self.fate = fate
        self._retained = retained
        self.infos = dict.fromkeys(names, DesiredInfo())
        self.running: dict[str, Choice | None] = dict.fromkeys(names)
        self.documents: list[bytes] = []
        self._verifier = verifier
        self._ready = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.on_connect = lambda client, *_: client.subscribe(f"{BASE}/fleet/desired", 1)
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self._ready.wait(TIMEOUT_SECONDS)
        for name in names:
            self.say(name, "online")

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def publish(self, payload: bytes) -> None:
        """Retain something on the fleet's topic, as whoever may write there can."""
        self._client.publish(f"{BASE}/fleet/desired", payload, 1, retain=True).wait_for_publish(TIMEOUT_SECONDS)

    def say(self, name: str, status: str) -> None:
        """Publish the status of a device, and its info."""
        self._client.publish(f"{BASE}/{name}/status", status, 1, retain=self._retained)
        payload = msgspec.structs.replace(info(), device=name, desired=self.infos[name])
        last = self._client.publish(f"{BASE}/{name}/info", encode(payload), 1, retain=self._retained)
        if threading.current_thread() is threading.main_thread():
            last.wait_for_publish(TIMEOUT_SECONDS)

    def say_health(self) -> None:
        """Publish a health message of each device."""
        for name in self.infos:
            self._client.publish(f"{BASE}/{name}/health", encode(health()), 0)

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        if not message.payload:
            return
        self.documents.append(message.payload)
        for name in self.infos:
            self._take(name, message.payload)
            self.say(name, "online")

    def _take(self, name: str, payload: bytes) -> None:
        before = self.infos[name]
        try:
            content, signature = read_payload(payload)
            self._verifier.verify(content, signature)
            document = read_document(content, BASE)
        except RefusedError as error:
            self.infos[name] = msgspec.structs.replace(
                before, refused=before.refused + 1, refused_reason=str(error), refused_sha256=payload_sha256(payload)
            )
            return
        choice = choice_of(document.plan, name)
        step = "kept" if choice == self.running[name] else self.fate(name, choice)
        if step == "kept":
            self.running[name] = choice
        self.infos[name] = DesiredInfo(
            document=document.plan.name,
            counter=document.counter,
            step=step,
            reason=None if step == "kept" else "the reason",
            since=NOW,
            assigned=assignment_of(document.plan, name) is not None,
        )
