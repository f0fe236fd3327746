"""Training: coarse to fine, from ImageNet weights, towards FER+ vote distributions; resumable."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
from numpy.typing import NDArray

from convert.data.augment import plain
from convert.data.fer2013 import labelled, load_split, training_rows, without_duplicates_of
from convert.errors import ConvertError
from convert.files import write_atomically
from convert.training.batches import Views, targets
from convert.training.distillation import Teacher
from convert.training.history import Epoch, append_epoch
from convert.training.logit_adjustment import choose_strength, label_shares, shift
from convert.training.network import build, imagenet_weights, to_input, train_from
from convert.training.recipe import Recipe, Stage, learning_rate

BEST: Final = "best.keras"
STATE: Final = "state.json"
RECIPE: Final = "recipe.json"
_UNBALANCED: Final = "unbalanced.keras"
"""What best.keras was before rare labels were favoured."""

_GRADIENT_NORM: Final = 1.0
_AVERAGED_EVERY: Final = 8
"""Batches between two looks of the average at the weights: each copies them all."""

Say = Callable[[str], None]


@dataclass
class _State:
    """How far a run is: `epoch` whole epochs of stage number `stage`; `best`: accuracy of best.keras.

    `rebalanced`: strength of the shift that best.keras has been given, None until it is chosen.
    """

    stage: int = 0
    epoch: int = 0
    best: float = 0.0
    rebalanced: float | None = None


class _Rate(keras.callbacks.Callback):  # type: ignore[misc]
    """Sets the learning rate before each batch."""

    def __init__(self, recipe: Recipe, stage: int, epoch: int, batches: int) -> None:
        super().__init__()
        self._at: Callable[[int], float] = lambda batch: learning_rate(recipe, stage, epoch + batch / batches)

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        del logs
        self.model.optimizer.learning_rate.assign(self._at(batch))


class _Average(keras.callbacks.Callback):  # type: ignore[misc]
    """A running average of all weights and statistics, which wander less than the weights themselves."""

    def __init__(self, decay: float, values: list[NDArray[np.float32]]) -> None:
        super().__init__()
        self._decay, self.values = decay**_AVERAGED_EVERY, values

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        del logs
        if batch % _AVERAGED_EVERY == 0:
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
    """Make dropout a function of seed, layer, epoch and batch: a checkpoint does not carry its state."""
    for number, layer in enumerate(model.layers):
        generator = getattr(layer, "seed_generator", None)
        if generator is not None:
            generator.state.assign(np.random.default_rng((seed, epoch, number)).integers(0, 2**31, 2))


def _resumed(model: Any, recipe: Recipe) -> Any:  # noqa: ANN401
    """Give a loaded model the optimizer of the recipe, in the loaded one's state.

    A checkpoint does not carry which variables are free of weight decay.
    """
    state = [np.asarray(variable) for variable in model.optimizer.variables]
    _compiled(model, recipe).optimizer.build(model.trainable_variables)
    for variable, value in zip(model.optimizer.variables, state, strict=True):
        variable.assign(value)
    return model


def save_bare(model: Any, path: Path) -> None:  # noqa: ANN401
    """Write architecture and weights, no optimizer state, which is twice the size of the weights."""
    # A new Model over the same layers was never compiled, so there is no optimizer to save.
    bare = keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"partial_{path.name}")
    bare.save(partial)
    partial.replace(path)


class _Run:
    """One training run in its folder."""

    def __init__(self, recipe: Recipe, data: Path, folder: Path, say: Say, teacher: Path | None) -> None:
        if (teacher is None) != (recipe.teacher_share == 0):
            wants = "learns from a teacher: give --teacher FILE" if teacher is None else "has teacher_share 0"
            msg = f"recipe {recipe.name} {wants}"
            raise ConvertError(msg)
        self._recipe, self._data, self._folder, self._say = recipe, data, folder, say
        self._teacher = None if teacher is None else Teacher(teacher)
        self._state = self._open()
        everything = load_split(data, "Training")
        validation = without_duplicates_of(load_split(data, "PublicTest"), everything)
        if recipe.labels == "ferplus":
            self._training, self._validation = training_rows(everything), labelled(validation)
            self._wanted = self._validation.majority
        else:
            self._training, self._validation, self._wanted = everything, validation, validation.original
        self._work = 0.0
        self._started = time.monotonic()

    def _open(self) -> _State:
        """Make the folder, or find how far the run in it is. Raises ConvertError for another recipe's."""
        self._folder.mkdir(parents=True, exist_ok=True)
        recipe = self._folder / RECIPE
        if recipe.exists() and Recipe.load(recipe) != self._recipe:
            msg = f"run folder {self._folder} belongs to another recipe ({recipe}): give another --run"
            raise ConvertError(msg)
        self._recipe.save(recipe)
        state = self._folder / STATE
        return _State(**json.loads(state.read_text(encoding="utf-8"))) if state.exists() else _State()

    def _checkpoint(self, stage: int, epoch: int) -> Path:
        # One file per epoch, named by the state: whenever the run is killed, state and weights agree.
        return self._folder / f"stage{stage}_epoch{epoch}.keras"

    def _averaged(self, stage: int, epoch: int) -> Path:
        return self._folder / f"stage{stage}_epoch{epoch}.npz"

    def _remember(self, stage: int, epoch: int) -> None:
        self._state.stage, self._state.epoch = stage, epoch
        write_atomically(self._folder / STATE, json.dumps(asdict(self._state)).encode())

    def train(self) -> Path:
        """Train all stages that are left and return the best model's file."""
        self._say(
            f"training on {len(self._training)} faces, choosing on {len(self._validation)} of PublicTest; "
            f"recipe {self._recipe.name}"
        )
        for number in range(self._state.stage, len(self._recipe.stages)):
            self._train_stage(number)
            self._remember(number + 1, 0)
        if self._recipe.rebalance and self._state.rebalanced is None:
            self._rebalance()
        return self._folder / BEST

    def _rebalance(self) -> None:
        """Shift the best model towards rare labels, as far as PublicTest says it costs nothing."""
        best, before = self._folder / BEST, self._folder / _UNBALANCED
        if not before.exists():
            write_atomically(before, best.read_bytes())
        # From the copy: killed before the state is written, this begins again and shifts once.
        model = keras.models.load_model(before, compile=False)
        shares = label_shares(targets(self._training, self._recipe))
        probabilities = self._probabilities(model, self._recipe.stages[-1].side_px)
        found = choose_strength(probabilities, self._wanted, shares)
        shift(model, found.strength, shares)
        save_bare(model, best)
        self._state.rebalanced = found.strength
        self._remember(len(self._recipe.stages), 0)
        self._say(
            f"rare labels favoured by {found.strength:g}: PublicTest {100 * found.accuracy_before:.1f} % -> "
            f"{100 * found.accuracy:.1f} %, macro recall {100 * found.macro_recall_before:.1f} % -> "
            f"{100 * found.macro_recall:.1f} %"
        )

    def _probabilities(self, model: Any, side_px: int) -> NDArray[np.float32]:  # noqa: ANN401
        """Return what a model says of the validation faces (n, 7)."""
        inputs = to_input(np.stack([plain(image, side_px) for image in self._validation.images]))
        return np.asarray(model.predict(inputs, batch_size=256, verbose=0), dtype=np.float32)

    def _model(self, number: int) -> Any:  # noqa: ANN401
        """Load the stage's last checkpoint, or build it from ImageNet or from the stage before."""
        if self._state.epoch:
            return _resumed(keras.models.load_model(self._checkpoint(number, self._state.epoch)), self._recipe)
        stage = self._recipe.stages[number]
        # The dense layers' first weights are drawn; everything after them has a seed of its own.
        keras.utils.set_random_seed(self._recipe.seed)
        weights = imagenet_weights(self._data, self._recipe.alpha) if number == 0 else None
        model = build(self._recipe, stage.side_px, weights)
        if number:
            model.set_weights(_read_average(self._averaged(number - 1, self._recipe.stages[number - 1].epochs)))
        train_from(model, stage.first_block)
        return _compiled(model, self._recipe)

    def _train_stage(self, number: int) -> None:
        stage = self._recipe.stages[number]
        model = self._model(number)
        before = self._averaged(number, self._state.epoch)
        average = _Average(
            self._recipe.average_decay, _read_average(before) if self._state.epoch else model.get_weights()
        )
        for epoch in range(self._state.epoch, stage.epochs):
            batches = Views(self._training, self._recipe, number, epoch, self._teacher)
            rate = _Rate(self._recipe, number, epoch, len(batches))
            _seed_dropout(model, self._recipe.seed, batches.draw)
            # `Views` has drawn the order already; Keras would draw another from a generator of its own.
            result = model.fit(batches, epochs=1, verbose=0, shuffle=False, callbacks=[rate, average])
            model.save(self._checkpoint(number, epoch + 1))
            reached = self._validate(model, average, number, epoch)
            self._remember(number, epoch + 1)
            self._checkpoint(number, epoch).unlink(missing_ok=True)
            self._averaged(number, epoch).unlink(missing_ok=True)
            self._report(stage, epoch, float(result.history["loss"][-1]), reached)

    def _validate(self, model: Any, average: _Average, number: int, epoch: int) -> float:  # noqa: ANN401
        """Save the average and return its accuracy; keep it as the best model where the last stage gave it."""
        with self._averaged(number, epoch + 1).open("wb") as file:
            np.savez(file, *average.values)
        weights = model.get_weights()
        model.set_weights(average.values)
        predicted = self._probabilities(model, self._recipe.stages[number].side_px).argmax(axis=1)
        reached = float((predicted == self._wanted).mean())
        if number == len(self._recipe.stages) - 1 and reached >= self._state.best:
            self._state.best = reached
            save_bare(model, self._folder / BEST)
        model.set_weights(weights)
        return reached

    def _left(self) -> float:
        """Work that is left, in pixels per training face."""
        stages = self._recipe.stages
        done = sum(stage.epochs * stage.side_px**2 for stage in stages[: self._state.stage])
        done += self._state.epoch * stages[self._state.stage].side_px ** 2
        return float(sum(stage.epochs * stage.side_px**2 for stage in stages) - done)

    def _report(self, stage: Stage, epoch: int, loss: float, reached: float) -> None:
        self._work += stage.side_px**2
        minutes = (time.monotonic() - self._started) / self._work * self._left() / 60
        append_epoch(self._folder, Epoch(stage.side_px, epoch + 1, loss, reached))
        self._say(
            f"{stage.side_px} px, epoch {epoch + 1} of {stage.epochs}: loss {loss:.3f}, "
            f"PublicTest {100 * reached:.1f} %, about {minutes:.0f} minutes left"
        )


def _read_average(path: Path) -> list[NDArray[np.float32]]:
    with np.load(path) as file:
        return [file[name] for name in file.files]


def train(recipe: Recipe, data: Path, run: Path, say: Say, teacher: Path | None = None) -> Path:
    """Train into the folder `run` and return the best float model, chosen on PublicTest.

    `teacher`: the float model that a recipe with a `teacher_share` learns from.

    A run that was interrupted goes on from its last whole epoch. Raises ConvertError on bad data,
    where `run` holds a run of another recipe, and where recipe and `teacher` do not belong together.
    """
    return _Run(recipe, data, run, say, teacher).train()
