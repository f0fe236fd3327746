"""Follows the fleet's documents in a thread of its own: verifies, stores, fetches, checks, watches, goes back.

It alone changes the state. The publisher's thread hands it payloads, the pipeline's thread takes offers and says what
became of them; neither waits for it.
"""

import contextlib
import copy
import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from edge.config.loader import Loaded
from edge.desired import machine
from edge.desired.document import payload_sha256, read_document, read_payload
from edge.desired.errors import FetchError, RefusedError, StoreError
from edge.desired.inbox import Answered, Inbox, Reported
from edge.desired.machine import Progress
from edge.desired.preparation import Offer, Preparer, use_ordinary_priority
from edge.desired.refusals import Refusals
from edge.desired.selection import Choice, same_choice
from edge.desired.signature import Verifier
from edge.desired.state_file import StateFile, remove_other_models
from edge.desired.step_log import StepLog
from edge.desired.timing import LONGEST_WAIT_SECONDS, Timing
from edge.desired.trial import Trial
from edge.errors import ConfigError, EdgeError
from edge.messages.payload_builder import timestamp
from edge.pacing import Backoff

_LOG: Final = logging.getLogger(__name__)


class Worker:
    """The thread that follows documents. `state`: as it was read, and `started` (`edge.desired.machine`).

    `loaded`: returns the configuration without what the fleet wants. `model`: `model.name` that is in force. `changed`:
    called after each change of what `info` says.
    """

    def __init__(  # noqa: PLR0913 - the parts of one thread
        self,
        device: str,
        base: str,
        file: StateFile,
        state: Progress,
        verifier: Verifier,
        preparer: Preparer,
        loaded: Callable[[], Loaded],
        model: str,
        watch_seconds: float,
        changed: Callable[[], None],
        timing: Timing,
    ) -> None:
        self._device, self._base, self._file, self._timing = device, base, file, timing
        self._verifier, self._preparer, self._loaded = verifier, preparer, loaded
        self._watch_seconds, self._changed = watch_seconds, changed
        self.state = state
        self.refusals = Refusals()
        self.problem: str | None = None
        """What keeps the worker from going on and is no fault of a document."""
        self._running: Choice | None = state.in_force
        self._model = model
        self._inbox = Inbox()
        self._lock = threading.Lock()
        self._payload: bytes | None = None
        self._tried: bytes | None = None
        self._accepted: bytes | None = None
        self._offer: Offer | None = None
        self._offered = False
        self._trial = Trial(watch_seconds, time.monotonic()) if state.trial is not None else None
        self._read_from = self._work_from = 0.0
        self._settle_at: float | None = time.monotonic() + timing.settled_seconds
        self._retry = Backoff(timing.first_wait_seconds, LONGEST_WAIT_SECONDS, stable_seconds=0.0)
        self._log = StepLog()
        self.stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="desired", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, timeout_seconds: float) -> bool:
        """End the thread; returns whether it has ended, so that the caller may change the state."""
        self.stopping.set()
        self._inbox.wake()
        if self._thread.ident is not None:
            self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def is_interrupted(self) -> bool:
        """Return whether a download or a check is to be given up. Called by the thread of this worker.

        So it is at the end, where another document has come, and where what is on trial meanwhile has failed.
        """
        if self._trial_fails():
            return True
        payload = self._payload
        if payload is None or payload is self._tried or payload == self._accepted:
            return self.stopping.is_set()
        return self.stopping.is_set() or time.monotonic() >= self._read_from

    def _trial_fails(self) -> bool:
        """Return whether what has happened since the last step ends the trial; it is judged at the next step."""
        if self._trial is None:
            return False
        trial = copy.copy(self._trial)
        return any(trial.report(one.seconds, one.within_budget) == "failed" for one in self._inbox.reports())

    def receive(self, payload: bytes) -> None:
        """Take a payload of the fleet's topic; only the last one counts. Never blocks."""
        with self._lock:
            self._payload = payload
        self._inbox.wake()

    def take(self) -> Offer | None:
        """Return what the sensor is to switch to now; None where there is nothing. `answer` must follow."""
        offer = self._offer
        if offer is not None:  # until it is answered the thread makes no other one, so none can be lost here
            self._offer = None
        return offer

    def answer(self, offer: Offer, reason: str | None = None) -> None:
        """Say that the sensor has switched, or why it could not."""
        self._inbox.answer(offer, reason)

    def report(self, within_budget: bool | None) -> None:  # noqa: FBT001 - as health has it
        """Take a health message."""
        self._inbox.report(within_budget)

    def _run(self) -> None:
        while not self.stopping.is_set():
            try:
                self._step()
            except StoreError as error:
                # Nothing was done that rests on it: a message of health comes again, and so does what is wanted.
                self._note_problem(str(error))
                self._work_from = time.monotonic() + self._timing.again_seconds
            except Exception as error:  # noqa: BLE001 - a thread that ends leaves a sensor that nobody can change
                _LOG.exception("following the fleet's documents failed on a bug; the document is left alone")
                self._give_up(f"a bug in the sensor ({type(error).__name__})")

    def _give_up(self, reason: str) -> None:
        """Drop what cannot be handled, so that it is not handled again and again."""
        self._payload = None
        self._work_from = time.monotonic() + self._timing.again_seconds
        if self.state.wanted is not None:
            with contextlib.suppress(StoreError):
                self._put(machine.failed(self.state, reason, _now()))

    def _step(self) -> None:
        """Wait for something to do, and do it."""
        due = [] if self._settle_at is None else [self._settle_at]
        due += [] if self._payload is None else [self._read_from]
        due += [self._work_from] if self._has_work else []
        told = self._inbox.take(min(due, default=None))
        if self.stopping.is_set():
            return
        use_ordinary_priority()
        if isinstance(told, Reported):
            self._judge(told)
        elif isinstance(told, Answered):
            self._answered(told)
        now = time.monotonic()
        if self._settle_at is not None and now >= self._settle_at:
            self._settle_at = None
            self._put(machine.settled(self.state))
        if self._payload is not None and now >= self._read_from:
            self._read_payload()
        # A document that cannot be read for now must not keep the sensor from going back.
        if self._has_work and now >= self._work_from:
            self._work()

    @property
    def _has_work(self) -> bool:
        """Whether there is something to switch to, or to make ready for it."""
        at_rest = self.state.wanted is None and same_choice(self._running, self.state.in_force)
        return not self._offered and not at_rest

    def _read_payload(self) -> None:
        """Accept or refuse what has come last, or keep it for later where that cannot be decided now."""
        payload = self._payload
        if payload is None:
            return
        self._tried = payload
        try:
            # One that was refused before too: a key may have been added since, or the clock been set.
            self._accept(payload)
            self._accepted = payload
        except RefusedError as error:
            if self.refusals.add(payload_sha256(payload), str(error)):
                _LOG.warning("document of the fleet refused: %s", error)
            self._read_from = time.monotonic() + self._timing.refused_pause_seconds
            self._changed()
        except (ConfigError, StoreError) as error:
            self._note_problem(str(error))
            self._read_from = time.monotonic() + self._timing.again_seconds
            return
        self._note_problem(None)
        with self._lock:
            if self._payload is payload:  # else another one has come meanwhile
                self._payload = None

    def _accept(self, payload: bytes) -> None:
        """Accept a payload. Raises RefusedError; ConfigError and StoreError where that cannot be found out or kept."""
        content, signature = read_payload(payload)
        sha256 = payload_sha256(content)
        if sha256 == self.state.sha256:
            return  # it was verified when it came first
        if (damage := self._damage()) is not None:
            raise RefusedError(damage)
        self._verifier.verify(content, signature)
        document = read_document(content, self._base)
        before = self.state
        self._put(machine.accept(before, document, sha256, self._device, _now()))
        self._retry.attempt_ended(0.0)
        self._work_from = 0.0
        _LOG.info("document %r of the fleet accepted, with the counter %d", document.plan.name, document.counter)
        if self.state.step != before.step or self.state.since != before.since:
            self._log.step(self.state)

    def _damage(self) -> str | None:
        """Return why nothing can be accepted at all: without the counter every old document would look new."""
        try:
            self._file.read()
        except ConfigError as error:
            return str(error)
        return None

    def _work(self) -> None:
        """Go on with what the state says: switch to what is in force, or make ready what is wanted."""
        if self._trial_fails():
            return  # first what ends it is judged: a server that keeps silent would be asked in vain for each message
        state = self.state
        if not same_choice(self._running, state.in_force):
            try:
                self._make_offer(self._preparer.offer(state.in_force, self._loaded(), self._model))
            except EdgeError as error:
                self._note_problem(f"what is to run again cannot be used now ({error}); it will at the next start")
                self._work_from = time.monotonic() + self._timing.again_seconds
            return
        wanted = state.wanted
        if wanted is None:
            return
        try:
            self._preparer.fetch(wanted, self._loaded())
            self._put(machine.checking(self.state, _now()))
            self._preparer.check(wanted, self._loaded())
            offer = self._preparer.offer(wanted, self._loaded(), self._model)
        except FetchError as error:
            if not self.is_interrupted():  # else the other document is read, and what is still wanted begins anew
                self._put(machine.waiting(self.state, str(error), _now()))
                self._log.step(self.state)
                self._work_from = time.monotonic() + self._retry.next_seconds()
            return
        except StoreError:
            raise
        except EdgeError as error:
            if not self.stopping.is_set():
                self._put(machine.failed(self.state, str(error), _now()))
                self._log.step(self.state)
            return
        # On the disk before it runs: a start that follows a crash knows what was on trial.
        self._put(machine.began(self.state, _now()))
        self._make_offer(offer)

    def _make_offer(self, offer: Offer) -> None:
        self._offered = True
        self._offer = offer

    def _answered(self, told: Answered) -> None:
        """Take note of a switch, or of why there was none."""
        self._offered = False
        choice, on_trial = told.offer.choice, self.state.trial is not None
        if told.reason is not None:
            if on_trial and same_choice(choice, self.state.trial):
                self._put(machine.not_switched(self.state, told.reason, _now()))
                self._log.step(self.state)
            else:
                self._note_problem(f"what is to run cannot be used now ({told.reason}); it will at the next start")
                self._work_from = time.monotonic() + self._timing.again_seconds
            return
        self._running, self._model = choice, told.offer.model
        self._note_problem(None)
        self._trial = None
        if on_trial and same_choice(choice, self.state.trial):
            self._trial = Trial(self._watch_seconds, time.monotonic())
            self._log.step(self.state)
        remove_other_models(self._file.folder, [self.state.proven, self.state.trial, self.state.target])
        self._changed()

    def _judge(self, told: Reported) -> None:
        if self._trial is None or self.state.trial is None:
            return
        verdict = self._trial.report(told.seconds, told.within_budget)
        if verdict == "running":
            return
        now = _now()
        if verdict == "passed":
            self._put(machine.passed(self.state, now))
        else:
            self._put(machine.back(self.state, self._trial.reason(), now))
        self._trial = None
        self._log.step(self.state)

    def _put(self, state: Progress) -> None:
        """Store a state, and only then use it. Raises StoreError."""
        if state != self.state:
            self._file.put(state)
            self.state = state
            self._note_problem(None)
            self._changed()

    def _note_problem(self, sentence: str | None) -> None:
        if sentence == self.problem:
            return
        self.problem = sentence
        if sentence is not None:
            self._log.problem(sentence)
        self._changed()


def _now() -> str:
    return timestamp(time.time())
