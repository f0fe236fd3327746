"""Opens connections to the first broker that can be used, with the newest version of MQTT that it supports."""

import logging
import socket
import time
from collections.abc import Callable, Sequence
from typing import Final

from edge.logs.outage import LogDeduplicator
from edge.mqtt.connection import Connection
from edge.mqtt.errors import ConnectFailedError
from edge.mqtt.learned_limits import LearnedLimits
from edge.mqtt.negotiation import Negotiator, OlderOnly
from edge.mqtt.settings import BrokerSettings
from edge.mqtt.types import OutgoingMessage, Session

_LOG: Final = logging.getLogger(__name__)


class Connector:
    """Opens connections to the brokers of `brokers`, tried in their order.

    `return_seconds`: after which time with a later broker a sensor tries the earlier ones (`BrokerReturn`). The other
    parameters are those of `Connection`.
    """

    def __init__(  # noqa: PLR0913 - most have defaults
        self,
        brokers: Sequence[BrokerSettings],
        client_id: str,
        will: OutgoingMessage | None = None,
        *,
        largest_bytes: int | None = None,
        return_seconds: float = 0.0,
        session: Session | None = None,
    ) -> None:
        self.return_seconds = return_seconds
        self.brokers = tuple(brokers)
        self.client_id = client_id
        self._will = will
        self._older = OlderOnly()
        self._negotiators = [
            Negotiator(settings, client_id, will, largest_bytes=largest_bytes, session=session, older=self._older)
            for settings in self.brokers
        ]
        self._current = self._negotiators[0]
        self._skipped = LogDeduplicator()

    @property
    def settings(self) -> BrokerSettings:
        """Settings of the broker of the last connection; before the first, of the one tried first."""
        return self._current.settings

    @property
    def learned(self) -> LearnedLimits:
        """What that broker has refused so far."""
        return self._current.learned

    def losses(self, connection: Connection) -> list[str]:
        """Return a sentence for each thing that the limits of the broker cost on `connection`."""
        sentences = connection.limits.losses()
        if self._will is not None and connection.will is None:
            sentences.append(
                "the broker takes no will from this sensor: it does not publish the status offline when the sensor is "
                "lost"
            )
        return sentences

    def negotiator_beside(self, settings: BrokerSettings, client_id: str) -> Negotiator:
        """Return what opens connections to `settings` beside this one's, without a will.

        It knows which versions of MQTT were taken. `client_id`: not the one in use, whose connection a broker would
        end.
        """
        return Negotiator(settings, client_id, None, largest_bytes=None, older=self._older)

    def connect(self, wake: socket.socket | None = None, abort: Callable[[], bool] = lambda: False) -> Connection:
        """Return an open connection; `wake` and `abort` as in `Connection.open`.

        Each call starts with the first broker again, which may be back, and with the newest version, unless only the
        oldest was taken a short time ago. `abort` is also called before each further broker. Raises ConnectFailedError
        where none can be used; it is permanent where each failure is.
        """
        failures: list[ConnectFailedError] = []
        for negotiator in self._negotiators:
            settings = negotiator.settings
            if failures and abort():
                break
            try:
                connection = negotiator.connect(wake, abort)
            except ConnectFailedError as error:
                failures.append(error)
                continue
            self._current = negotiator
            self._log_skipped(failures, settings)
            return connection
        if len(self.brokers) == 1:
            raise failures[0]
        causes = [failure.cause for failure in failures if failure.cause is not None]
        raise ConnectFailedError(
            "no broker can be used: " + "; ".join(str(failure) for failure in failures),
            permanent=len(failures) == len(self.brokers) and all(failure.permanent for failure in failures),
            cause="; ".join(causes) or None,
        )

    def _log_skipped(self, failures: Sequence[ConnectFailedError], used: BrokerSettings) -> None:
        for failure in failures:
            if self._skipped.new(str(failure), time.monotonic()):
                _LOG.warning("%s; the broker at %s is used instead", failure, used.broker)
