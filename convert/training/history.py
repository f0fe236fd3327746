"""What a training run reached, epoch by epoch, as its folder remembers it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from convert.errors import ConvertError

HISTORY: Final = "history.jsonl"


@dataclass(frozen=True)
class Epoch:
    """One epoch: its training loss, the accuracy on PublicTest after it, and the side of its pictures.

    `epoch` counts from 1 in each stage.
    """

    side_px: int
    epoch: int
    loss: float
    public_test: float


def append_epoch(run: Path, epoch: Epoch) -> None:
    """Add a line to a run folder's history. Raises OSError."""
    with (run / HISTORY).open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(epoch)) + "\n")


def read_history(run: Path) -> tuple[Epoch, ...]:
    """Read a run folder's history, oldest first. Raises ConvertError where there is none or a line is no epoch."""
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
    """Return the places, from 0, at which a stage after the first begins: its epochs count from 1 again."""
    return [at for at in range(1, len(epochs)) if epochs[at].epoch <= epochs[at - 1].epoch]
