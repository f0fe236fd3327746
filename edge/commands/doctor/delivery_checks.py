"""Checks for `doctor` where events go: broker, outbox, preview page."""

from edge.commands.doctor.broker_probe import BrokerProbe
from edge.commands.doctor.checks import Check, Checks
from edge.config.credentials import shown_broker_url
from edge.config.schema import Config
from edge.errors import BrokerError
from edge.mqtt.errors import ConnectFailedError
from edge.mqtt.outbox.inspect import describe_outbox, warn_of_little_room
from edge.mqtt.settings import BrokerSettings, broker_settings, broker_urls
from edge.preview.factory import is_served, try_preview
from edge.preview.listener import PortTakenError
from edge.system import board
from edge.system.service import Service


class DeliveryChecks(Checks):
    """Checks where events go. `service`: the one whose configuration is checked, which may run beside the checks."""

    conditional = frozenset({"page"})

    def __init__(self, config: Config, service: Service | None = None) -> None:
        super().__init__(config)
        self._service = service

    def by_name(self) -> dict[str, Check]:
        """Return the checks by name; the page is checked only where it or the probes are on."""
        page = {"page": self._page} if is_served(self.config) else {}
        return {"broker": self._broker, "outbox": self._outbox} | page

    def _broker(self) -> str:
        mqtt = self.config.mqtt
        if not mqtt.url:
            return "none configured: events go to standard output as JSON Lines (set mqtt.url to use a broker)"
        accepting, failures = [], []
        brokers = broker_settings(mqtt)
        for (_, url), settings in zip(broker_urls(mqtt), brokers, strict=True):
            if settings.tls is None and settings.password and any(each.tls for each in brokers):
                self.warn(f"{shown_broker_url(url)} gets the password without encryption, unlike the other brokers")
            try:
                accepting.append(self._try_broker(shown_broker_url(url), settings))
            except ConnectFailedError as error:
                failures.append(f"{error}{'' if error.permanent else ' (`run` waits for it)'}")
            except BrokerError as error:
                failures.append(str(error))
        if not accepting:
            raise BrokerError("; ".join(failures))
        for failure in failures:
            self.warn(failure)
        return "; ".join(accepting)

    def _try_broker(self, url: str, settings: BrokerSettings) -> str:
        """Do on one broker what `run` does; return a sentence about it. Raises ConnectFailedError and BrokerError."""
        device = board.device_id(self.config.device.id)
        result = BrokerProbe(self.config, device, settings, self.warn).run()
        also = ", and takes what the sensor publishes" if result.takes_events else ""
        return f"{url} accepts the connection with {result.protocol} in {result.connect_ms:.0f} ms{also}"

    def _outbox(self) -> str:
        device = board.device_id(self.config.device.id)
        line = describe_outbox(self.config.mqtt, device)
        warning = warn_of_little_room(self.config.mqtt, device)
        if warning is not None:
            self.warn(warning)
        return line

    def _page(self) -> str:
        off = "" if self.config.preview.enabled else "off; what probes ask for "
        try:
            return f"{off}can be served at {try_preview(self.config)}"
        except PortTakenError as error:
            if self._service is None:
                raise
            unit = f"{self._service.unit}.service"
            if error.holder is not None and error.holder.unit == unit:
                return f"is served by the service that runs: {error.holder} has the port {self.config.preview.port}"
            # No failure: it must not keep an upgrade from the service, which would run.
            self.warn(str(error))
            return f"cannot be served now: the service {self._service.unit} runs without it until the port is free"
