"""Trains in stages of growing image size, from ImageNet weights to FER+ vote distributions; runs resume."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
from numpy.typing import NDArray

from convert.data.augment import resize_face
from convert.data.fer2013 import load_split, training_rows, with_majority, without_duplicates_of
from convert.errors import ConvertError
from convert.files import replace_file, write_atomically
from convert.progress import PrintLine, minutes_left
from convert.training.batches import TrainingBatches, soft_targets
from convert.training.distillation import load_teacher
from convert.training.history import Epoch, append_epoch
from convert.training.logit_adjustment import adjust_bias, choose_strength, label_shares
from convert.training.network import build_network, freeze_before, imagenet_weights, to_input
from convert.training.recipe import Recipe, Stage, learning_rate

BEST: Final = "best.keras"
STATE: Final = "state.json"
RECIPE: Final = "recipe.json"
_UNADJUSTED: Final = "unbalanced.keras"
"""Copy of best.keras from before the logit adjustment."""

_GRADIENT_NORM: Final = 1.0
_AVERAGE_INTERVAL: Final = 8
"""Batches between two updates of the average: each update copies all weights."""


@dataclass
class _State:
    """Progress of a run: `epoch` whole epochs of stage number `stage`; `best`: accuracy of best.keras.

    `rebalanced`: strength of the logit adjustment in best.keras, None until it is chosen.
    """

    stage: int = 0
    epoch: int = 0
    best: float = 0.0
    rebalanced: float | None = None


class _LearningRate(keras.callbacks.Callback):  # type: ignore[misc]
    """Sets the learning rate before each batch."""

    def __init__(self, recipe: Recipe, stage: int, epoch: int, batches: int) -> None:
        super().__init__()
        self._at: Callable[[int], float] = lambda batch: learning_rate(recipe, stage, epoch + batch / batches)

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        del logs
        self.model.optimizer.learning_rate.assign(self._at(batch))


class _WeightAverage(keras.callbacks.Callback):  # type: ignore[misc]
    """Keeps an exponential moving average of all weights and statistics, which varies less than they do."""

    def __init__(self, decay: float, values: list[NDArray[np.float32]]) -> None:
        super().__init__()
        self._decay, self.values = decay**_AVERAGE_INTERVAL, values

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        del logs
        if batch % _AVERAGE_INTERVAL == 0:
            for average, weight in zip(self.values, self.model.get_weights(), strict=True):
                np.add(average, (1 - self._decay) * (weight - average), out=average)


def _compiled(model: Any, recipe: Recipe) -> Any:  # noqa: ANN401
    optimizer = keras.optimizers.AdamW(
        recipe.stages[0].peak_learning_rate, weight_decay=recipe.weight_decay, clipnorm=_GRADIENT_NORM
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    model.compile(optimizer, loss="categorical_crossentropy", jit_compile=False)
    return model


def _seed_dropout(model: Any, seed: int, epoch: int) -> None:  # noqa: ANN401
    """Make dropout depend on seed, layer, epoch and batch only: a checkpoint does not carry its state."""
    for number, layer in enumerate(model.layers):
        generator = getattr(layer, "seed_generator", None)
        if generator is not None:
            generator.state.assign(np.random.default_rng((seed, epoch, number)).integers(0, 2**31, 2))


def _resumed(model: Any, recipe: Recipe) -> Any:  # noqa: ANN401
    """Give a loaded model the recipe's optimizer in the state of the loaded optimizer.

    A checkpoint does not carry which variables are excluded from weight decay.
    """
    state = [np.asarray(variable) for variable in model.optimizer.variables]
    _compiled(model, recipe).optimizer.build(model.trainable_variables)
    for variable, value in zip(model.optimizer.variables, state, strict=True):
        variable.assign(value)
    return model


def save_without_optimizer(model: Any, path: Path) -> None:  # noqa: ANN401
    """Write architecture and weights without the optimizer's state, which is twice the size of the weights."""
    # A new Model over the same layers was never compiled, so there is no optimizer to save.
    bare = keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    replace_file(path, bare.save)


def best_model(run: Path) -> Path:
    """Return the best model's file of a run folder. Raises ConvertError where the run has none yet."""
    path = run / BEST
    if not path.is_file():
        msg = f"{run} does not contain a finished run: {path} does not exist"
        raise ConvertError(msg)
    return path


class _TrainingRun:
    """One training run in its folder."""

    def __init__(self, recipe: Recipe, data: Path, folder: Path, print_line: PrintLine, teacher: Path | None) -> None:
        self._recipe, self._data, self._folder, self._print_line = recipe, data, folder, print_line
        self._teacher = load_teacher(recipe, teacher)
        self._state = self._open()
        everything = load_split(data, "Training")
        validation = without_duplicates_of(load_split(data, "PublicTest"), everything)
        if recipe.labels == "ferplus":
            self._training, self._validation = training_rows(everything), with_majority(validation)
            self._validation_labels = self._validation.majority
        else:
            self._training, self._validation = everything, validation
            self._validation_labels = validation.original
        self._work_done = 0.0
        self._started = time.monotonic()

    def _open(self) -> _State:
        """Create the folder, or read the state of the run in it. Raises ConvertError for another recipe's run."""
        self._folder.mkdir(parents=True, exist_ok=True)
        recipe = self._folder / RECIPE
        if recipe.exists() and Recipe.load(recipe) != self._recipe:
            msg = f"run folder {self._folder} belongs to another recipe ({recipe}): give another --run"
            raise ConvertError(msg)
        self._recipe.save(recipe)
        state = self._folder / STATE
        return _State(**json.loads(state.read_text(encoding="utf-8"))) if state.exists() else _State()

    def _checkpoint(self, stage: int, epoch: int) -> Path:
        # One file per epoch, named by the state: whenever the run is killed, state and weights match.
        return self._folder / f"stage{stage}_epoch{epoch}.keras"

    def _average_file(self, stage: int, epoch: int) -> Path:
        return self._folder / f"stage{stage}_epoch{epoch}.npz"

    def _save_state(self, stage: int, epoch: int) -> None:
        self._state.stage, self._state.epoch = stage, epoch
        write_atomically(self._folder / STATE, json.dumps(asdict(self._state)).encode())

    def train(self) -> Path:
        """Train all remaining stages and return the best model's file."""
        self._print_line(
            f"training on {len(self._training)} faces, validating on {len(self._validation)} of PublicTest; "
            f"recipe {self._recipe.name}"
        )
        for number in range(self._state.stage, len(self._recipe.stages)):
            self._train_stage(number)
            self._save_state(number + 1, 0)
        if self._recipe.rebalance and self._state.rebalanced is None:
            self._adjust_logits()
        return self._folder / BEST

    def _adjust_logits(self) -> None:
        """Adjust the best model's logits towards rare labels, by the strength chosen on PublicTest."""
        best, before = self._folder / BEST, self._folder / _UNADJUSTED
        if not before.exists():
            write_atomically(before, best.read_bytes())
        # The copy is the start: a run that is killed before the state is written repeats this and adjusts once.
        model = keras.models.load_model(before, compile=False)
        shares = label_shares(soft_targets(self._training, self._recipe))
        probabilities = self._probabilities(model, self._recipe.stages[-1].side_px)
        chosen = choose_strength(probabilities, self._validation_labels, shares)
        adjust_bias(model, chosen.strength, shares)
        save_without_optimizer(model, best)
        self._state.rebalanced = chosen.strength
        self._save_state(len(self._recipe.stages), 0)
        self._print_line(
            f"logits adjusted towards rare labels, strength {chosen.strength:g}: "
            f"PublicTest {100 * chosen.accuracy_before:.1f} % -> {100 * chosen.accuracy:.1f} %, "
            f"macro recall {100 * chosen.macro_recall_before:.1f} % -> {100 * chosen.macro_recall:.1f} %"
        )

    def _probabilities(self, model: Any, side_px: int) -> NDArray[np.float32]:  # noqa: ANN401
        """Return a model's probabilities (n, 7) for the validation faces."""
        inputs = to_input(np.stack([resize_face(image, side_px) for image in self._validation.images]))
        return np.asarray(model.predict(inputs, batch_size=256, verbose=0), dtype=np.float32)

    def _model(self, number: int) -> Any:  # noqa: ANN401
        """Load the stage's last checkpoint, or build the model from ImageNet or from the previous stage."""
        if self._state.epoch:
            return _resumed(keras.models.load_model(self._checkpoint(number, self._state.epoch)), self._recipe)
        stage = self._recipe.stages[number]
        # Only the dense layers' first weights come from this seed; everything later has a seed of its own.
        keras.utils.set_random_seed(self._recipe.seed)
        weights = imagenet_weights(self._data, self._recipe.alpha) if number == 0 else None
        model = build_network(self._recipe, stage.side_px, weights)
        if number:
            model.set_weights(_read_average(self._average_file(number - 1, self._recipe.stages[number - 1].epochs)))
        freeze_before(model, stage.first_block)
        return _compiled(model, self._recipe)

    def _train_stage(self, number: int) -> None:
        stage = self._recipe.stages[number]
        model = self._model(number)
        previous = self._average_file(number, self._state.epoch)
        average = _WeightAverage(
            self._recipe.average_decay, _read_average(previous) if self._state.epoch else model.get_weights()
        )
        for epoch in range(self._state.epoch, stage.epochs):
            batches = TrainingBatches(self._training, self._recipe, number, epoch, self._teacher)
            rate = _LearningRate(self._recipe, number, epoch, len(batches))
            _seed_dropout(model, self._recipe.seed, batches.epoch_id)
            # `TrainingBatches` has drawn the order already; Keras would shuffle with a generator of its own.
            result = model.fit(batches, epochs=1, verbose=0, shuffle=False, callbacks=[rate, average])
            model.save(self._checkpoint(number, epoch + 1))
            accuracy = self._validate(model, average, number, epoch)
            self._save_state(number, epoch + 1)
            self._checkpoint(number, epoch).unlink(missing_ok=True)
            self._average_file(number, epoch).unlink(missing_ok=True)
            self._finish_epoch(stage, epoch, float(result.history["loss"][-1]), accuracy)

    def _validate(self, model: Any, average: _WeightAverage, number: int, epoch: int) -> float:  # noqa: ANN401
        """Save the average and return its accuracy. In the last stage, keep it where it is the best so far."""
        with self._average_file(number, epoch + 1).open("wb") as file:
            np.savez(file, *average.values)
        weights = model.get_weights()
        model.set_weights(average.values)
        predicted = self._probabilities(model, self._recipe.stages[number].side_px).argmax(axis=1)
        accuracy = float((predicted == self._validation_labels).mean())
        if number == len(self._recipe.stages) - 1 and accuracy >= self._state.best:
            self._state.best = accuracy
            save_without_optimizer(model, self._folder / BEST)
        model.set_weights(weights)
        return accuracy

    def _work_left(self) -> float:
        """Remaining work, in pixels per training face."""
        stages = self._recipe.stages
        done = sum(stage.epochs * stage.side_px**2 for stage in stages[: self._state.stage])
        done += self._state.epoch * stages[self._state.stage].side_px ** 2
        return float(sum(stage.epochs * stage.side_px**2 for stage in stages) - done)

    def _finish_epoch(self, stage: Stage, epoch: int, loss: float, accuracy: float) -> None:
        """Append an epoch to the history and print it."""
        self._work_done += stage.side_px**2
        minutes = minutes_left(time.monotonic() - self._started, self._work_done, self._work_left())
        append_epoch(self._folder, Epoch(stage.side_px, epoch + 1, loss, accuracy))
        self._print_line(
            f"{stage.side_px} px, epoch {epoch + 1} of {stage.epochs}: loss {loss:.3f}, "
            f"PublicTest {100 * accuracy:.1f} %, about {minutes:.0f} minutes left"
        )


def _read_average(path: Path) -> list[NDArray[np.float32]]:
    with np.load(path) as file:
        return [file[name] for name in file.files]


def train(recipe: Recipe, data: Path, run: Path, print_line: PrintLine, teacher: Path | None = None) -> Path:
    """Train in the folder `run` and return the file of the float model with the best accuracy on PublicTest.

    `teacher`: the float model from which a recipe with a `teacher_share` learns. An interrupted run resumes
    after its last whole epoch. Raises ConvertError for unusable data, where `run` contains a run of another
    recipe, and where recipe and `teacher` do not fit.
    """
    return _TrainingRun(recipe, data, run, print_line, teacher).train()
