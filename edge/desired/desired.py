"""What the fleet has this sensor run, as the rest of the sensor sees it: a handler of messages, and offers to take."""

import contextlib
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from edge.config.loader import Loaded
from edge.config.schema import Config
from edge.config.settings import SettingsCheck
from edge.desired import machine
from edge.desired.beside import state_folder
from edge.desired.errors import StoreError
from edge.desired.fetch import has_sum
from edge.desired.machine import Progress
from edge.desired.overlay import manifest_file, model_file, overlaid
from edge.desired.preparation import Offer, Preparer
from edge.desired.selection import Choice
from edge.desired.signature import Verifier
from edge.desired.state_file import StateFile
from edge.desired.timing import Timing
from edge.desired.worker import Worker
from edge.errors import ConfigError, EdgeError, ModelError
from edge.messages.desired_info import DesiredInfo
from edge.messages.payload_builder import timestamp
from edge.messages.topics import desired_topic
from edge.mqtt.handlers import Publish
from edge.mqtt.types import ReceivedMessage
from edge.system import board

_LOG: Final = logging.getLogger(__name__)

_STOP_SECONDS: Final = 5.0
"""How long the end waits for the thread: it gives up a download or a check within a piece of it."""
_MOST_REPORT_SECONDS: Final = 10.0
"""Longest interval of health messages during a trial, whatever `health.interval_seconds` is."""
_REPORTS_PER_TRIAL: Final = 10


class Desired:
    """Follows the documents of the fleet for one sensor, as a `MessageHandler`.

    Construction reads the state, and never fails over what is in it. Nothing is written before `running`.
    """

    def __init__(
        self,
        config: Config,
        device: str,
        folder: Path,
        check: SettingsCheck | None = None,
        timing: Timing | None = None,
    ) -> None:
        self._device, self._desired, self._base = device, config.desired, config.mqtt.base_topic
        self._topic = desired_topic(config.mqtt.base_topic)
        self._folder, self._check, self._timing = folder, check, timing or Timing()
        self._file = StateFile(folder)
        self._damage: str | None = None
        self._overlay_problem: str | None = None
        self._plain: Loaded | None = None
        self._changes = self._told = 0
        self._worker: Worker | None = None
        self._early: bytes | None = None
        """What has come before there was a thread to read it."""
        self._state = self._read()

    def _read(self) -> Progress:
        """Return the state with which this start goes on."""
        try:
            state = self._file.read() or Progress()
        except ConfigError as error:
            self._damage = str(error)
            return Progress()
        now = timestamp(time.time())
        state = machine.started(state, now)
        while (reason := self._what_is_missing(state.in_force)) is not None:
            state = machine.lost(state, reason, now)
        return state

    def _what_is_missing(self, choice: Choice | None) -> str | None:
        """Return why a choice cannot run: a file of its model is gone or damaged; None where all is there."""
        if choice is None or choice.model is None:
            return None
        wanted = (
            (model_file(choice, self._folder), choice.model.sha256),
            (manifest_file(choice, self._folder), choice.model.manifest.sha256),
        )
        for file, sha256 in wanted:
            if file is not None and not has_sum(file, sha256):
                return f"the file {file} of the model that was in force is missing or damaged"
        return None

    # As the configuration and its settings see it.

    @property
    def state(self) -> Progress:
        """How far this sensor has come."""
        return self._state if self._worker is None else self._worker.state

    def over(self, loaded: Loaded) -> Loaded:
        """Return what was loaded with what is in force over it; remembers what was loaded.

        What does not fit is left out, and logged: it must not keep the sensor from running.
        """
        self._plain = loaded
        loaded.config()  # raises where the configuration itself cannot be used
        try:
            result = overlaid(loaded, self.state.in_force, self._folder)
        except ConfigError as error:
            self._overlay_problem = f"not in force: {error}"
            _LOG.warning("what the fleet wants is not in force: %s", error)
            return loaded
        self._overlay_problem = None
        return result

    def offered(self, offer: Offer) -> Loaded:
        """Return what was loaded last with an offer over it. Raises ConfigError where they do not fit any more."""
        return overlaid(self._loaded(), offer.choice, self._folder)

    def _loaded(self) -> Loaded:
        if self._plain is None:
            raise RuntimeError("no configuration was loaded yet")
        return self._plain

    # As the program sees it.

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Count this start, and how it ends. A model that cannot be loaded counts as no good end; nor does a bug."""
        # A disk that cannot be written to must not keep the sensor from starting.
        with contextlib.suppress(StoreError):
            if self._damage is None and self._state.counter:
                self._file.put(self._state)
        try:
            yield
        except EdgeError as error:
            self._end(well=not isinstance(error, ModelError))
            raise
        except BaseException:
            self._end(well=False)
            raise
        self._end(well=True)

    def start(self, model: str) -> None:
        """Start to follow documents. `model`: `model.name` that is in force."""
        worker = Worker(
            self._device,
            self._base,
            self._file,
            self._state,
            Verifier(self._desired.allowed_signers, self._desired.identity),
            Preparer(self._folder, self._desired.ca_file, self._check, lambda: worker.is_interrupted()),
            self._loaded,
            model,
            self._desired.watch_seconds,
            self._note_news,
            self._timing,
        )
        # First the thread, then what came early, and the other way round in `received`: at least one hands it over.
        self._worker = worker
        worker.start()
        if self._early is not None:
            worker.receive(self._early)

    def _end(self, *, well: bool) -> None:
        has_ended = self._worker is None or self._worker.stop(_STOP_SECONDS)
        state = self.state
        if well and has_ended and self._damage is None and state.in_force is not None:
            with contextlib.suppress(StoreError):
                self._file.put(machine.ended(state))

    # As the pipeline's thread sees it. None of these waits.

    def take(self) -> Offer | None:
        """Return what to switch to before the next frame; `answer` must follow."""
        return None if self._worker is None else self._worker.take()

    def answer(self, offer: Offer, reason: str | None = None) -> None:
        """Say that the sensor has switched, or why it could not."""
        if self._worker is not None:
            self._worker.answer(offer, reason)

    def report(self, within_budget: bool | None) -> None:  # noqa: FBT001 - as health has it
        """Take a health message."""
        if self._worker is not None and self.state.trial is not None:
            self._worker.report(within_budget)

    def report_seconds(self, configured: float) -> float:
        """Return the seconds between two health messages; `configured` but for a trial."""
        if self.state.trial is None:
            return configured
        return min(configured, _MOST_REPORT_SECONDS, self._desired.watch_seconds / _REPORTS_PER_TRIAL)

    def take_news(self) -> bool:
        """Return whether `info` says something else than at the last call."""
        changes = self._changes
        news, self._told = changes != self._told, changes
        return news

    @property
    def info(self) -> DesiredInfo:
        """What `info` says."""
        state = self.state
        refusals = None if self._worker is None else self._worker.refusals
        problem = self._damage or (None if self._worker is None else self._worker.problem) or self._overlay_problem
        refused = 0 if refusals is None else refusals.count
        return DesiredInfo(
            document=state.document,
            counter=state.counter,
            step="refused" if state.step == "none" and refused else state.step,
            reason=problem or state.reason,
            since=state.since,
            assigned=state.assigned,
            refused=refused,
            refused_reason=None if refusals is None else refusals.reason,
            refused_sha256=None if refusals is None else refusals.sha256,
        )

    def _note_news(self) -> None:
        # Counted by the worker's thread alone, so that no change can be lost between a look and its mark.
        self._changes += 1

    # As the connection to the broker sees it.

    @property
    def filters(self) -> Sequence[str]:
        """Topic of the fleet's document."""
        return (self._topic,)

    def connected(self, publish: Publish) -> None:
        """Do nothing: what this sensor makes of a document is in `info`."""

    def received(self, message: ReceivedMessage, publish: Publish) -> None:
        """Hand a document to the thread. An empty message, which clears the topic, is signed by nobody."""
        _ = publish
        if message.topic != self._topic or not message.payload:
            return
        self._early = message.payload
        if self._worker is not None:
            self._worker.receive(message.payload)


def create_desired(
    loaded: Loaded, check: SettingsCheck | None = None, environ: Mapping[str, str] = os.environ
) -> Desired | None:
    """Return what follows the fleet's documents for a configuration; None where [desired] is off, or without a broker.

    Raises ConfigError where it has no place to keep its state.
    """
    config = loaded.config()
    if not config.desired.enabled or not config.mqtt.url:
        return None
    device = board.device_id(config.device.id)
    return Desired(config, device, state_folder(config, device, environ), check)
