"""Logs how a sensor comes on with the fleet's documents, each sentence once in a while."""

import logging
import time
from typing import Final

from edge.desired.machine import Progress
from edge.logs.outage import LogDeduplicator

_LOG: Final = logging.getLogger(__name__)


class StepLog:
    """Writes steps and problems to the log. Used by one thread."""

    def __init__(self) -> None:
        self._logged = LogDeduplicator()

    def problem(self, sentence: str) -> None:
        """Log what keeps the sensor from following and is no fault of a document."""
        if self._logged.new(sentence, time.monotonic()):
            _LOG.warning("following the fleet's documents: %s", sentence)

    def step(self, state: Progress) -> None:
        """Log a step that was taken; one that waits for a server only once in a while."""
        trouble = state.step in {"failed", "went_back"} or (state.step == "fetching" and state.reason is not None)
        where = f"document {state.document!r} of the fleet: {state.step.replace('_', ' ')}"
        reason = f" ({state.reason})" if state.reason else ""
        sentence = f"{where}{reason}"
        if state.step != "fetching" or self._logged.new(sentence, time.monotonic()):
            _LOG.log(logging.WARNING if trouble else logging.INFO, "%s", sentence)
