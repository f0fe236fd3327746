"""Reads and writes a training run's history, one line of JSON per epoch."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from convert.errors import ConvertError
from convert.files import write_atomically

HISTORY: Final = "history.jsonl"


@dataclass(frozen=True)
class Epoch:
    """One epoch of a run.

    `side_px`: side of the images. `epoch`: counts from 1 in each stage. `loss`: training loss. `public_test`:
    accuracy on PublicTest after the epoch.
    """

    side_px: int
    epoch: int
    loss: float
    public_test: float


def add_epoch(run: Path, epoch: Epoch, before: int) -> None:
    """Write an epoch behind the first `before` epochs of the history in a run folder. Raises OSError.

    A run that was killed between this and its checkpoint trains the epoch again: its line is replaced then.
    """
    path = run / HISTORY
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    lines = [line for line in lines if line.strip()][:before]
    write_atomically(path, "".join(f"{line}\n" for line in [*lines, json.dumps(asdict(epoch))]).encode())


def read_history(run: Path) -> tuple[Epoch, ...]:
    """Read the history in a run folder, oldest epoch first.

    Raises ConvertError where the file is missing or empty, or a line is not an epoch.
    """
    path = run / HISTORY
    try:
        raw = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        epochs = tuple(
            Epoch(int(line["side_px"]), int(line["epoch"]), float(line["loss"]), float(line["public_test"]))
            for line in raw
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"{path} is not the history of a training run: {error}"
        raise ConvertError(msg) from error
    if not epochs:
        msg = f"{path} holds no epoch yet"
        raise ConvertError(msg)
    return epochs


def stage_starts(epochs: tuple[Epoch, ...]) -> list[int]:
    """Return the indexes of the epochs with which the second and later stages begin: their count restarts at 1."""
    return [at for at in range(1, len(epochs)) if epochs[at].epoch <= epochs[at - 1].epoch]
