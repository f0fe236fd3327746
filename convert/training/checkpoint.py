"""Reads and writes what a training run resumes from: its state, and the checkpoints that the state names.

The state is written last. It names one checkpoint, of a whole epoch or of a part of one, and that one is complete
whenever the run was killed.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from convert.data.fer2013 import UNREADABLE_ARCHIVE
from convert.errors import ConvertError, reason_of
from convert.files import replace_file, write_atomically

STATE: Final = "state.json"
_DROPOUT: Final = "dropout_"
"""Prefix of the names of the states of the dropout layers in the file of the averaged weights."""

Weights = list[NDArray[np.float32]]


@dataclass(frozen=True)
class RunState:
    """Progress of a run: `batch` batches of epoch number `epoch` of stage number `stage` are done, all from 0.

    `loss`: mean training loss of these batches. `best`: accuracy of the best model. `rebalanced`: strength of the
    logit adjustment in it, None until it is chosen.
    """

    stage: int = 0
    epoch: int = 0
    batch: int = 0
    loss: float = 0.0
    best: float = 0.0
    rebalanced: float | None = None

    @property
    def place(self) -> tuple[int, int, int]:
        """Stage, epoch and batch."""
        return self.stage, self.epoch, self.batch

    @property
    def within_stage(self) -> bool:
        """Whether any of the stage is done: then there is a checkpoint of it."""
        return bool(self.epoch or self.batch)


def read_state(folder: Path) -> RunState:
    """Read the state of the run in `folder`, that of a run that has not begun where there is none.

    Raises ConvertError for a file that is no state.
    """
    path = folder / STATE
    if not path.exists():
        return RunState()
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        unknown = set(raw) - {field.name for field in fields(RunState)}
        if unknown:
            raise ValueError(f"unknown key {min(unknown)!r}")  # noqa: TRY301 - one sentence for each kind of fault
        return msgspec.convert(raw, RunState)
    except (OSError, ValueError, TypeError) as error:
        msg = f"{path} is not the state of a training run ({error}): give another --run, or delete the folder"
        raise ConvertError(msg) from error


def dropout_states(model: Any) -> Iterator[tuple[int, Any]]:  # noqa: ANN401
    """Yield the random state of each dropout layer, behind the layer's number. A model's file does not carry it."""
    for number, layer in enumerate(model.layers):
        generator = getattr(layer, "seed_generator", None)
        if generator is not None:
            yield number, generator.state


class Checkpoints:
    """The state and the checkpoints in a run's folder."""

    def __init__(self, folder: Path) -> None:
        """Read the state. Raises ConvertError for a file that is no state."""
        self.folder = folder
        self.state = read_state(folder)

    def model_file(self, stage: int, epoch: int, batch: int = 0) -> Path:
        """Return the file of model and optimizer after `epoch` whole epochs and `batch` batches of a stage."""
        return self.folder / f"stage{stage}_epoch{epoch}{_part(batch)}.keras"

    def average_file(self, stage: int, epoch: int, batch: int = 0) -> Path:
        """Return the file of the averaged weights, and of the states of the dropout layers, of the same moment."""
        return self.folder / f"stage{stage}_epoch{epoch}{_part(batch)}.npz"

    def require_files(self, epochs: Sequence[int]) -> None:
        """Raise ConvertError where the state names what the run or its folder lacks. `epochs`: of each stage."""
        stage, epoch, batch = self.state.place
        whole = stage == len(epochs) and (epoch, batch) == (0, 0)
        if not whole and not (0 <= stage < len(epochs) and 0 <= epoch <= epochs[stage] and batch >= 0):
            msg = (
                f"{self.folder / STATE} names stage {stage}, epoch {epoch}, batch {batch}, which this run does not have"
            )
            raise ConvertError(msg + ": give another --run, or delete the folder")
        for path in self.files(epochs):
            if not path.is_file():
                msg = f"{path} is missing, from which the run resumes: give another --run, or delete the folder"
                raise ConvertError(msg)

    def files(self, epochs: Sequence[int]) -> list[Path]:
        """Return the files that the state names, from which the run resumes. `epochs`: of each stage."""
        stage = self.state.stage
        if self.state.within_stage:
            return [self.model_file(*self.state.place), self.average_file(*self.state.place)]
        if 0 < stage < len(epochs):
            return [self.average_file(stage - 1, epochs[stage - 1])]
        return []

    def save(self, model: Any, average: Weights, state: RunState) -> None:  # noqa: ANN401
        """Write model, averaged weights and state; delete the checkpoints of the stage that the state does not name."""
        replace_file(self.model_file(*state.place), model.save)
        arrays = {f"arr_{number}": value for number, value in enumerate(average)}
        dropout = {f"{_DROPOUT}{number}": np.asarray(value) for number, value in dropout_states(model)}
        replace_file(self.average_file(*state.place), lambda path: np.savez(path, **arrays, **dropout))
        self.save_state(state)
        named = {self.model_file(*state.place), self.average_file(*state.place)}
        # A run that was killed between two of these steps has left more than one.
        for path in {*self.folder.glob(f"stage{state.stage}_epoch*")} - named:
            path.unlink(missing_ok=True)

    def save_state(self, state: RunState) -> None:
        """Write the state."""
        write_atomically(self.folder / STATE, json.dumps(asdict(state)).encode())
        self.state = state

    def load(self, load_model: Callable[[Path], Any]) -> Any:  # noqa: ANN401
        """Return the model of the checkpoint that the state names. Raises ConvertError where it cannot be loaded."""
        path = self.model_file(*self.state.place)
        try:
            return load_model(path)
        except (*UNREADABLE_ARCHIVE, TypeError) as error:
            raise _unreadable(path, error) from error

    def average(self, stage: int, epoch: int, batch: int = 0) -> Weights:
        """Return the averaged weights of a checkpoint. Raises ConvertError where they cannot be read."""
        path = self.average_file(stage, epoch, batch)
        try:
            with np.load(path) as file:
                return [file[name] for name in file.files if not name.startswith(_DROPOUT)]
        except UNREADABLE_ARCHIVE as error:
            raise _unreadable(path, error) from error

    def restore_dropout(self, model: Any) -> None:  # noqa: ANN401
        """Give the dropout layers of `model` the states of the checkpoint that the state names."""
        with np.load(self.average_file(*self.state.place)) as file:
            for number, state in dropout_states(model):
                state.assign(file[f"{_DROPOUT}{number}"])


def _unreadable(path: Path, error: Exception) -> ConvertError:
    reason = reason_of(error)
    return ConvertError(
        f"{path}, from which the run resumes, cannot be read ({reason}): give another --run, or delete the folder"
    )


def _part(batch: int) -> str:
    return f"_batch{batch}" if batch else ""
