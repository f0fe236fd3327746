"""Checks for `doctor` where events go: broker, outbox, preview page."""

import time

from edge.commands.doctor.checks import Check, Checks
from edge.errors import BrokerError
from edge.mqtt.connector import Connector
from edge.mqtt.errors import ConnectFailedError
from edge.mqtt.outbox.inspect import describe_outbox
from edge.mqtt.settings import broker_settings
from edge.preview.factory import try_preview
from edge.system import board


class DeliveryChecks(Checks):
    """Checks where events go."""

    def by_name(self) -> dict[str, Check]:
        """Return the checks by name; the page is checked only where it is enabled."""
        page = {"page": self._page} if self.config.preview.enabled else {}
        return {"broker": self._broker, "outbox": self._outbox} | page

    def _broker(self) -> str:
        mqtt = self.config.mqtt
        if not mqtt.url:
            return "none configured: events go to standard output as JSON Lines (set mqtt.url to use a broker)"
        connector = Connector(broker_settings(mqtt), f"emotion-edge-doctor-{time.time_ns() % 1_000_000}")
        began = time.perf_counter()
        try:
            with connector.connect() as connection:
                protocol = connection.protocol.value
                connection.close()
        except ConnectFailedError as error:
            raise BrokerError(str(error)) from error
        return f"{mqtt.url} accepts the connection with {protocol} in {1000 * (time.perf_counter() - began):.0f} ms"

    def _outbox(self) -> str:
        return describe_outbox(self.config.mqtt, board.device_id(self.config.device.id))

    def _page(self) -> str:
        return f"can be served at {try_preview(self.config)}"
