"""Training: coarse to fine, from ImageNet weights, towards FER+ vote distributions; resumable."""

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
from numpy.typing import NDArray

from convert.augment import augment, plain
from convert.dataset import Split, labelled, load_split, training_rows, without_duplicates_of
from convert.model import build, imagenet_weights, to_input
from convert.recipe import Recipe, Stage

CHECKPOINT: Final = "checkpoint.keras"
BEST: Final = "best.keras"
STATE: Final = "state.json"
RECIPE: Final = "recipe.json"
HISTORY: Final = "history.jsonl"

_FINAL_LEARNING_RATE: Final = 0.01
"""Share of the peak at which the cosine ends."""
_GRADIENT_NORM: Final = 1.0


class Views(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches of augmented faces with soft targets; a function of seed, epoch and batch number only."""

    def __init__(self, split: Split, side_px: int, recipe: Recipe, epoch: int) -> None:
        """Draw the order of this epoch."""
        super().__init__(workers=1, use_multiprocessing=False, max_queue_size=16)
        self._split, self._side, self._recipe, self._epoch = split, side_px, recipe, epoch
        rng = np.random.default_rng((recipe.seed, epoch))
        self._order = rng.permutation(len(split))
        self._weights = sample_weights(split, recipe.class_weight_power)

    def __len__(self) -> int:
        """Return the number of whole batches; the rest of the faces have their turn in other epochs."""
        return len(self._split) // self._recipe.batch_size

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Return inputs (b, side, side, 1), targets (b, 7) and weights (b,)."""
        size = self._recipe.batch_size
        rows = self._order[index * size : (index + 1) * size]
        rng = np.random.default_rng((self._recipe.seed, self._epoch, index))
        views = np.stack([augment(self._split.images[row], self._side, rng) for row in rows])
        return to_input(views), self._split.votes[rows], self._weights[rows]


def sample_weights(split: Split, power: float) -> NDArray[np.float32]:
    """Weight each image by its votes' inverse class frequency to `power`; mean 1."""
    frequency = split.votes.mean(axis=0)
    weights = split.votes @ (1 / frequency) ** power
    return np.asarray(weights / weights.mean(), dtype=np.float32)


def learning_rate(recipe: Recipe, stage: int, epoch: float) -> float:
    """Return the rate at a (fractional) epoch of a stage: linear warm-up in the first, then cosine."""
    plan = recipe.stages[stage]
    if stage == 0 and epoch < recipe.warmup_epochs:
        return plan.peak_learning_rate * max(epoch, 0.01) / recipe.warmup_epochs
    share = _FINAL_LEARNING_RATE + (1 - _FINAL_LEARNING_RATE) * 0.5 * (1 + math.cos(math.pi * epoch / plan.epochs))
    return plan.peak_learning_rate * share


class _Rate(keras.callbacks.Callback):  # type: ignore[misc]
    """Sets the learning rate before each batch and says how far the run is."""

    def __init__(self, recipe: Recipe, stage: int, epoch: int, batches: int) -> None:
        super().__init__()
        self._at: Callable[[int], float] = lambda batch: learning_rate(recipe, stage, epoch + batch / batches)

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        del logs
        self.model.optimizer.learning_rate.assign(self._at(batch))


def accuracy(model: Any, split: Split, side_px: int) -> float:  # noqa: ANN401
    """Return the share of images whose most probable label is the majority's."""
    inputs = to_input(np.stack([plain(image, side_px) for image in split.images]))
    predicted = model.predict(inputs, batch_size=256, verbose=0).argmax(axis=1)
    return float((predicted == split.majority).mean())


def _compiled(model: Any, recipe: Recipe) -> Any:  # noqa: ANN401
    optimizer = keras.optimizers.AdamW(
        recipe.stages[0].peak_learning_rate, weight_decay=recipe.weight_decay, clipnorm=_GRADIENT_NORM
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    model.compile(optimizer, loss="categorical_crossentropy", jit_compile=False)
    return model


def _at_size(recipe: Recipe, stage: Stage, earlier: Path | None, data: Path) -> Any:  # noqa: ANN401
    """Build the model for a stage, from ImageNet or from what the stage before it reached."""
    if earlier is None:
        return _compiled(build(recipe, stage.side_px, imagenet_weights(data, recipe.alpha)), recipe)
    model = build(recipe, stage.side_px, None)
    model.set_weights(keras.models.load_model(earlier, compile=False).get_weights())
    return _compiled(model, recipe)


def train(recipe: Recipe, data: Path, run: Path, say: Callable[[str], None]) -> Path:
    """Train into the folder `run` and return the best float model, chosen on PublicTest.

    A run that was interrupted goes on from its last whole epoch. Raises ConvertError on bad data.
    """
    run.mkdir(parents=True, exist_ok=True)
    recipe.save(run / RECIPE)
    everything = load_split(data, "Training")
    training = training_rows(everything)
    validation = labelled(without_duplicates_of(load_split(data, "PublicTest"), everything))
    state = json.loads((run / STATE).read_text()) if (run / STATE).exists() else {"stage": 0, "epoch": 0, "best": 0.0}
    say(f"training on {len(training)} faces, choosing on {len(validation)} of PublicTest; recipe {recipe.name}")
    total = sum(stage.epochs * stage.side_px**2 for stage in recipe.stages)
    done, started = 0.0, time.monotonic()
    for number, stage in enumerate(recipe.stages):
        if number < state["stage"]:
            continue
        checkpoint = run / f"stage{number}_{CHECKPOINT}"
        if state["epoch"]:
            model = keras.models.load_model(checkpoint)
        else:
            earlier = run / f"stage{number - 1}_{CHECKPOINT}" if number else None
            model = _at_size(recipe, stage, earlier, data)
        for epoch in range(state["epoch"], stage.epochs):
            batches = Views(training, stage.side_px, recipe, 1000 * number + epoch)
            rate = _Rate(recipe, number, epoch, len(batches))
            result = model.fit(batches, epochs=1, verbose=0, callbacks=[rate])
            reached = accuracy(model, validation, stage.side_px)
            model.save(checkpoint)
            if number == len(recipe.stages) - 1 and reached >= state["best"]:
                state["best"] = reached
                model.save(run / BEST, include_optimizer=False)
            state |= {"stage": number, "epoch": epoch + 1}
            (run / STATE).write_text(json.dumps(state))
            done += stage.side_px**2
            left = (time.monotonic() - started) / done * (total - done)
            loss = float(result.history["loss"][-1])
            line = {"side_px": stage.side_px, "epoch": epoch + 1, "loss": loss, "public_test": reached}
            with (run / HISTORY).open("a", encoding="utf-8") as history:
                history.write(json.dumps(line) + "\n")
            say(
                f"{stage.side_px} px, epoch {epoch + 1} of {stage.epochs}: loss {loss:.3f}, "
                f"PublicTest {100 * reached:.1f} %, about {left / 60:.0f} minutes left"
            )
        state |= {"stage": number + 1, "epoch": 0}
        (run / STATE).write_text(json.dumps(state))
    return run / BEST
