"""What the broker says to us, as far as it concerns more than one message."""

import logging
import threading
import time
from typing import Final

from edge.errors import BrokerError
from edge.logs.outage import LogDeduplicator
from edge.messages.topics import Kind

_LOG: Final = logging.getLogger(__name__)


class BrokerAcceptance:
    """Whether the broker wants us: it does once it has acknowledged `online`.

    `known` is set as soon as that is decided, or there is no broker to decide it.
    """

    def __init__(self) -> None:
        self.known = threading.Event()
        self.accepted = False
        """Once and for all: a broker that refuses us later may think better of it."""
        self._refusals = LogDeduplicator()

    def answered(self, kind: Kind, refusal: str | None) -> None:
        """Take its word on a message of ours: None where it has taken it, else a sentence.

        Raises BrokerError where it refuses the status of a sensor that it has never accepted.
        """
        if kind == "status" and refusal is None:
            self.accepted = True
            self.known.set()
        elif kind == "status" and not self.accepted:
            raise BrokerError(str(refusal))
        if refusal is not None and self._refusals.new(refusal, time.monotonic()):
            _LOG.error("%s", refusal)
