"""Connects to a broker as a subscriber and reads its messages, for the commands that listen to sensors."""

import time
from collections.abc import Callable, Iterator
from typing import Final, Literal

from edge.errors import BrokerError
from edge.mqtt.connection import Connection
from edge.mqtt.connector import Connector
from edge.mqtt.errors import ConnectFailedError
from edge.mqtt.types import ConnectionLostError, PacketTooLargeError, ReceivedMessage
from edge.pacing import Backoff

_STOP_CHECK_SECONDS: Final = 0.2
"""Longest wait for messages or a reconnection between two calls of `stop`."""


def subscribe(connector: Connector, filters: list[str], qos: Literal[0, 1] = 1) -> Connection:
    """Connect and subscribe. Raises BrokerError for a refusal, ConnectFailedError, ConnectionLostError."""
    connection = connector.connect()
    try:
        refusal = connection.subscribe(filters, qos)
    except BaseException:
        connection.__exit__()
        raise
    if refusal is not None:
        connection.close()
        raise _refused(connector, filters, refusal)
    return connection


def _refused(connector: Connector, filters: list[str], refusal: str) -> BrokerError:
    return BrokerError(
        f"the broker at {connector.settings.broker} refuses the subscription to {', '.join(filters)}: {refusal}"
    )


def receive(connection: Connection, timeout_seconds: float) -> Iterator[ReceivedMessage]:
    """Yield the messages of one `poll`, also those that came right before the end (ConnectionLostError)."""
    try:
        connection.poll(timeout_seconds)
    except ConnectionLostError:
        yield from connection.take_received()
        raise
    yield from connection.take_received()


def receive_reconnecting(  # noqa: PLR0913 - the last two have defaults
    connector: Connector,
    filters: list[str],
    backoff: Backoff,
    stop: Callable[[], bool],
    *,
    qos: Literal[0, 1] = 1,
    more: Callable[[], list[str]] = list,
) -> Iterator[ReceivedMessage | str | None]:
    """Yield messages until `stop()`, and a text whenever the connection is lost or restored.

    None is yielded each time that all messages so far were: once connected and subscribed, then some times a second.
    Then `more()` returns filters to subscribe to as well, on this connection; by default none. `qos`: of all of them.
    Raises BrokerError where the first connection fails or the broker refuses the subscription. A connection that
    is lost later is made again, after the waits of `backoff`.
    """
    connected_once = False
    lost = ""
    while not stop():
        began = time.monotonic()
        try:
            with subscribe(connector, filters, qos) as connection:
                if lost:
                    yield "connected to the broker again"
                connected_once, lost = True, ""
                began = time.monotonic()
                yield from _receive_all(connector, connection, stop, qos, more)
                connection.close()
        except ConnectFailedError as error:
            if not connected_once:
                raise BrokerError(str(error)) from error
        except ConnectionLostError as error:
            if not connected_once:
                raise BrokerError(f"the connection to the broker is lost: {error}") from error
            backoff.attempt_ended(time.monotonic() - began)
            if not lost:
                lost = f"the connection to the broker is lost: {error}; reconnecting"
                yield lost
        until = time.monotonic() + backoff.next_seconds()
        while not stop() and time.monotonic() < until:
            time.sleep(_STOP_CHECK_SECONDS)


def _receive_all(
    connector: Connector,
    connection: Connection,
    stop: Callable[[], bool],
    qos: Literal[0, 1],
    more: Callable[[], list[str]],
) -> Iterator[ReceivedMessage | None]:
    """Yield what comes on one connection, as `receive_reconnecting` does, and subscribe to what `more` returns."""
    asked: dict[int, list[str]] = {}
    while not stop():
        yield None
        if filters := more():
            try:
                asked[connection.send_subscribe(filters, qos)] = filters
            except PacketTooLargeError as error:
                raise _refused(connector, filters, str(error)) from error
        yield from receive(connection, _STOP_CHECK_SECONDS)
        for ack in connection.take_subscribe_acks():
            filters = asked.pop(ack.mid, [])
            refusal = next((one for one in ack.refusals if one is not None), None)
            if refusal is not None:
                raise _refused(connector, filters, refusal)
