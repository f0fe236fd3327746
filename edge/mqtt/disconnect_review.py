"""Draws conclusions from the end of each connection: a limit, a message that can never be taken, a second client."""

import logging
import time
from typing import Final

from edge.logs.outage import LogDeduplicator
from edge.mqtt.connection import Connection
from edge.mqtt.learned_limits import LearnedLimits
from edge.mqtt.reason_codes import SESSION_TAKEN_OVER, reason_name
from edge.mqtt.send_window import SendWindow
from edge.mqtt.suspicion import SETTLE_SECONDS, STRIKES, TakeoverSuspicion, Unacknowledged, UndeliverableMessages

_LOG: Final = logging.getLogger(__name__)


class DisconnectReview:
    """Reviews the ends of all connections of a process, and logs each conclusion, at most once an hour.

    `client_id`: the id of this sensor at the broker. `settle_seconds`: see `UndeliverableMessages`.
    """

    def __init__(self, client_id: str, settle_seconds: float = SETTLE_SECONDS) -> None:
        self.undeliverable = UndeliverableMessages(settle_seconds)
        self._client_id = client_id
        self._first_messages = 0  # connections in a row that ended over their first message
        self._takeovers = TakeoverSuspicion()
        self._logged = LogDeduplicator()

    def connection_ended(
        self, connection: Connection, window: SendWindow, learned: LearnedLimits, *, subscription_pending: bool
    ) -> bool:
        """Review a connection that ended otherwise than by `close`.

        Returns whether the next connection should come soon: it will differ from this one, or bring a decision.
        """
        code = connection.disconnect_code
        unacknowledged = window.unacknowledged()
        by_broker = connection.ended_by_broker or window.broker_lives
        explained = code is not None or bool(unacknowledged) or subscription_pending
        if self._takeovers.connection_ended(window.seconds, by_broker=by_broker, explained=explained):
            self._log(
                "the broker closed several connections in a row soon after it had accepted them, as it does when "
                f"another client connects with the id {self._client_id}: two sensors with one device.id are the likely "
                "cause"
            )
        if code == SESSION_TAKEN_OVER:
            self._log(
                f"another client has connected with the id {self._client_id} and taken the connection over: two "
                "sensors with one device.id are the likely cause"
            )
            return False
        if learned.refused(code):
            return True
        dropped = self.undeliverable.connection_ended(
            unacknowledged,
            by_broker=by_broker,
            code=code,
            subscription_pending=subscription_pending,
            others_taken=window.taken > 0,
            silent=window.broker_lives,
        )
        self._count_first_messages(unacknowledged, by_broker=by_broker, taken=window.taken)
        if dropped is not None:
            self._log(_explanation(dropped, code))
        return dropped is not None or self.undeliverable.nearly_sure

    def _count_first_messages(self, unacknowledged: list[Unacknowledged], *, by_broker: bool, taken: int) -> None:
        """Log that several connections in a row ended over their first message, which may be for lack of rights."""
        self._first_messages = self._first_messages + 1 if by_broker and unacknowledged and not taken else 0
        if self._first_messages >= STRIKES:
            self._log(
                f"the broker ended several connections in a row when the first message was sent, to "
                f"{unacknowledged[0].topic}: it is not ready, or this sensor has no right to that topic"
            )

    def _log(self, sentence: str) -> None:
        if self._logged.new(sentence, time.monotonic()):
            _LOG.warning("%s", sentence)


def _explanation(message: Unacknowledged, code: int | None) -> str:
    if code is not None:
        cause = f"the broker ended the connection over a packet of {message.packet_bytes} bytes to {message.topic}"
        return f"{cause} ({reason_name(code)}): it is not sent again, nor is one as long"
    return (
        f"the broker ended {STRIKES} connections in a row when a packet of {message.packet_bytes} bytes to "
        f"{message.topic} was sent: it is not sent again; the broker's limit of packet lengths, or this sensor's "
        "rights on that topic, are the likely cause"
    )
