"""Makes ready, beside the running sensor, what a document wants of it: fetches, checks, builds the classifier."""

import contextlib
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from edge.config.loader import Loaded
from edge.config.schema import Config
from edge.config.settings import SettingsCheck
from edge.desired.doctor import DETECTOR_CHECKS, MODEL_CHECKS, as_toml, run_doctor
from edge.desired.errors import FetchError, UnfitError
from edge.desired.fetch import Fetcher
from edge.desired.overlay import manifest_file, model_file, overlaid, read_settings
from edge.desired.selection import Choice
from edge.desired.state_file import write_candidate
from edge.vision.classification.classifier import Classifier
from edge.vision.classification.manifest import load_manifest

_TIMED_RUNS: Final = 5


@dataclass(frozen=True, slots=True)
class Offer:
    """What the sensor can switch to between two frames.

    `classifier`: of another model than the running one; None where the model stays. `model`: `model.name` then.
    """

    choice: Choice | None
    model: str
    classifier: Classifier | None


class Preparer:
    """Makes choices ready in a folder. Used by one thread.

    `check`: tries settings beyond their types. `interrupted`: whether to give up.
    """

    def __init__(
        self,
        folder: Path,
        ca_file: str,
        check: SettingsCheck | None = None,
        interrupted: Callable[[], bool] = lambda: False,
    ) -> None:
        self.folder = folder
        self._check, self._interrupted = check, interrupted
        self._fetcher = Fetcher(folder, ca_file, interrupted)

    def fetch(self, choice: Choice, loaded: Loaded) -> None:
        """Fetch the files of a choice, and read its settings. Raises FetchError, UnfitError and ConfigError.

        `loaded`: the configuration without it.
        """
        read_settings(choice)
        model, file, manifest = choice.model, model_file(choice, self.folder), manifest_file(choice, self.folder)
        if model is not None and file is not None and manifest is not None:
            self._fetcher.fetch(
                model.manifest.url, manifest.name, size=model.manifest.size, sha256=model.manifest.sha256
            )
            self._fetcher.fetch(model.url, file.name, size=model.size, sha256=model.sha256)
            load_manifest(file)
        overlaid(loaded, choice, self.folder)

    def check(self, choice: Choice, loaded: Loaded) -> None:
        """Check what was fetched, in a process of its own where it has a model.

        Raises FetchError where that cannot be done for now, and another EdgeError where it must not run.
        """
        config = overlaid(loaded, choice, self.folder).config()
        tables = {name.partition(".")[0] for name in choice.settings}
        if self._check is not None:
            self._check(config, tables)
        if choice.model is not None:
            checks = MODEL_CHECKS + DETECTOR_CHECKS * ("detector" in tables)
            try:
                run_doctor(write_candidate(self.folder, as_toml(config)), checks, self._interrupted)
            except OSError as error:  # no memory for another process, no room for the file
                raise FetchError(f"doctor could not be run ({error.strerror}); it is tried again") from None

    def offer(self, choice: Choice | None, loaded: Loaded, running_model: str) -> Offer:
        """Build what the sensor switches to. Raises EdgeError. `running_model`: `model.name` that is in force."""
        config = overlaid(loaded, choice, self.folder).config()
        if config.model.name == running_model:
            return Offer(choice, running_model, None)
        classifier = Classifier.from_config(config.model)
        if choice is not None and choice.model is not None:
            _check_time(classifier, config)
        return Offer(choice, config.model.name, classifier)


def use_ordinary_priority() -> None:
    """Give the calling thread, and the processes that it starts, an ordinary priority: frames go first."""
    if os.sched_getscheduler(0) != os.SCHED_OTHER:
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def _check_time(classifier: Classifier, config: Config) -> None:
    """Raise UnfitError where one run of the network alone takes longer than the budget of a frame.

    At night no face comes, and the trial would pass. Less work a frame does not help: each level classifies one face.
    """
    spec = classifier.manifest.input
    face = np.zeros((spec.height, spec.width, 3)[: 3 if classifier.wants_colour else 2], np.uint8)
    times_ms = []
    for _ in range(_TIMED_RUNS):
        began = time.perf_counter()
        classifier.classify_crop(face)
        times_ms.append(1000 * (time.perf_counter() - began))
    median = statistics.median(times_ms)
    if median > config.budget.latency_ms:
        raise UnfitError(
            f"one run of the model {classifier.manifest.name} takes {median:.1f} ms here (median of {_TIMED_RUNS}), "
            f"and budget.latency_ms is {config.budget.latency_ms:g}"
        )
