"""Trains in stages of growing image size, from ImageNet weights to FER+ vote distributions; runs resume."""

import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
from numpy.typing import NDArray

from convert.data.augment import resize_face
from convert.data.fer2013 import Split
from convert.files import replace_file, write_atomically
from convert.keras_backend import compiles_steps
from convert.progress import Heartbeat
from convert.training.batches import Place, TrainingBatches, soft_targets
from convert.training.callbacks import BatchCount, LearningRate, Report, WeightAverage
from convert.training.checkpoint import dropout_states
from convert.training.distillation import Teacher
from convert.training.folds import Fold, HeldOut
from convert.training.history import Epoch, add_epoch
from convert.training.logit_adjustment import adjust_bias, choose_strength, label_shares
from convert.training.network import build_network, copy_weights, freeze_before, to_input
from convert.training.preparation import PreparedRun
from convert.training.recipe import Recipe
from convert.training.remaining_time import RemainingTime
from convert.training.run_folder import BEST, RECIPE, UNADJUSTED, is_finished, place_of
from convert.training.views import ViewWorkers

_GRADIENT_NORM: Final = 1.0

CHECKPOINT_SECONDS: Final = 30.0
"""What an interrupted run loses at most, in a run whose batches are shorter. A checkpoint takes half a second."""


def _compiled(model: Any, recipe: Recipe) -> Any:  # noqa: ANN401
    optimizer = keras.optimizers.AdamW(
        recipe.stages[0].peak_learning_rate, weight_decay=recipe.weight_decay, clipnorm=_GRADIENT_NORM
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    model.compile(optimizer, loss="categorical_crossentropy", jit_compile=compiles_steps(keras.config.backend()))
    return model


def _seed_dropout(model: Any, seed: int, epoch: int) -> None:  # noqa: ANN401
    """Make dropout depend on seed, layer, epoch and batch only."""
    for number, state in dropout_states(model):
        state.assign(np.random.default_rng((seed, epoch, number)).integers(0, 2**31, 2))


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


class _TrainingRun:
    """One training run in its folder."""

    def __init__(
        self,
        prepared: PreparedRun,
        beat: Heartbeat,
        teacher: Teacher | None,
        workers: ViewWorkers | None,
        checkpoint_seconds: float,
    ) -> None:
        self._prepared, self._beat, self._teacher, self._workers = prepared, beat, teacher, workers
        self._checkpoint_seconds = checkpoint_seconds
        self._recipe, self._checkpoints = prepared.recipe, prepared.checkpoints
        self._training, self._validation = prepared.training, prepared.validation
        self._remaining = RemainingTime(prepared.recipe)

    @property
    def _best_file(self) -> Path:
        return self._checkpoints.folder / BEST

    def train(self) -> Path:
        """Train all remaining stages and return the best model's file."""
        stages = self._recipe.stages
        self._beat.line(
            f"training on {len(self._training)} faces, validating on {len(self._validation)} of PublicTest; "
            f"recipe {self._recipe.name}"
        )
        saved = place_of(self._checkpoints.state, self._recipe)
        if is_finished(self._checkpoints.state, self._recipe):
            self._beat.line("this run is finished: nothing is left to train")
        elif saved is not None:
            self._beat.line(f"resuming after {saved}")
        for number in range(self._checkpoints.state.stage, len(stages)):
            self._train_stage(number)
            self._checkpoints.save_state(replace(self._checkpoints.state, stage=number + 1, epoch=0, batch=0))
        if not is_finished(self._checkpoints.state, self._recipe):
            self._beat.status("adjusting the logits towards rare labels")
            self._adjust_logits()
        if self._prepared.fold is not None and self._prepared.held_out is not None:
            self._predict_held_out(self._prepared.fold, self._prepared.held_out)
        return self._best_file

    def _predict_held_out(self, fold: Fold, faces: Split) -> None:
        """Write the best model's predictions for the faces that the run was not trained on."""
        self._beat.status(f"running the {len(faces)} faces of fold {fold}")
        model = keras.models.load_model(self._best_file, compile=False)
        probabilities = self._probabilities(model, self._recipe.stages[-1].side_px, faces)
        HeldOut(fold, faces.rows, faces.leader, probabilities).save(self._checkpoints.folder)
        right = (probabilities.argmax(axis=1) == faces.leader).mean()
        self._beat.line(f"fold {fold} of Training, not trained on: {len(faces)} faces, {100 * right:.1f} % correct")

    def _adjust_logits(self) -> None:
        """Adjust the best model's logits towards rare labels, by the strength chosen on PublicTest."""
        before = self._checkpoints.folder / UNADJUSTED
        if not before.exists():
            write_atomically(before, self._best_file.read_bytes())
        # The copy is the start: a run that is killed before the state is written repeats this and adjusts once.
        model = keras.models.load_model(before, compile=False)
        shares = label_shares(soft_targets(self._training, self._recipe))
        probabilities = self._probabilities(model, self._recipe.stages[-1].side_px)
        chosen = choose_strength(probabilities, self._prepared.labels, shares)
        adjust_bias(model, chosen.strength, shares)
        save_without_optimizer(model, self._best_file)
        self._checkpoints.save_state(replace(self._checkpoints.state, rebalanced=chosen.strength))
        self._beat.line(
            f"logits adjusted towards rare labels, strength {chosen.strength:g}: "
            f"PublicTest {100 * chosen.accuracy_before:.1f} % -> {100 * chosen.accuracy:.1f} %, "
            f"macro recall {100 * chosen.macro_recall_before:.1f} % -> {100 * chosen.macro_recall:.1f} %"
        )

    def _probabilities(self, model: Any, side_px: int, faces: Split | None = None) -> NDArray[np.float32]:  # noqa: ANN401
        """Return a model's probabilities (n, 7) for faces, those of validation where None are given."""
        images = (self._validation if faces is None else faces).images
        inputs = to_input(np.stack([resize_face(image, side_px) for image in images]))
        return np.asarray(model.predict(inputs, batch_size=256, verbose=0), dtype=np.float32)

    def _model(self, number: int) -> Any:  # noqa: ANN401
        """Load the stage's last checkpoint, or build the model from ImageNet or from the previous stage."""
        if self._checkpoints.state.within_stage:
            return _resumed(self._checkpoints.load(keras.models.load_model), self._recipe)
        stage = self._recipe.stages[number]
        # Only the dense layers' first weights come from this seed; everything later has a seed of its own.
        keras.utils.set_random_seed(self._recipe.seed)
        model = build_network(self._recipe, stage.side_px, self._prepared.weights if number == 0 else None)
        if number == 0 and self._prepared.start is not None:
            copy_weights(self._prepared.start, model)
        if number:
            model.set_weights(self._checkpoints.average(number - 1, self._recipe.stages[number - 1].epochs))
        freeze_before(model, stage.first_block)
        return _compiled(model, self._recipe)

    def _name(self, number: int) -> str:
        return f"stage {number + 1} of {len(self._recipe.stages)}, {self._recipe.stages[number].side_px} px"

    def _train_stage(self, number: int) -> None:
        self._beat.status(f"{self._name(number)}: building the network")
        state, model = self._checkpoints.state, self._model(number)
        values = self._checkpoints.average(*state.place) if state.within_stage else model.get_weights()
        average = WeightAverage(self._recipe.average_decay, values)
        for epoch in range(state.epoch, self._recipe.stages[number].epochs):
            self._train_epoch(model, average, Place(number, epoch, self._checkpoints.state.batch))

    def _train_epoch(self, model: Any, average: WeightAverage, place: Place) -> None:  # noqa: ANN401
        number, epoch, average.first = place
        stage, state = self._recipe.stages[number], self._checkpoints.state
        name = f"{self._name(number)}, epoch {epoch + 1} of {stage.epochs}"
        self._beat.status(f"{name}: preparing the first batch")
        batches = TrainingBatches(self._training, self._recipe, place, self._teacher, self._workers)
        _seed_dropout(model, self._recipe.seed, batches.epoch_id)
        if place.batch:
            self._checkpoints.restore_dropout(model)
        count = BatchCount(place.batch, state.loss, self._reporter(average, batches, name))
        # `TrainingBatches` has drawn the order already; Keras would shuffle with a generator of its own.
        # `count` comes last, and saves when rate and average have seen the batch.
        callbacks = [LearningRate(self._recipe, batches), average, count]
        model.fit(batches, epochs=1, verbose=0, shuffle=False, callbacks=callbacks)
        self._beat.status(f"{name}: measuring the accuracy on PublicTest")
        accuracy = self._validate(model, average, number)
        best = max(state.best, accuracy) if number == len(self._recipe.stages) - 1 else state.best
        before = sum(stage.epochs for stage in self._recipe.stages[:number]) + epoch
        add_epoch(self._checkpoints.folder, Epoch(stage.side_px, epoch + 1, count.loss, accuracy), before)
        self._checkpoints.save(
            model, average.values, replace(state, stage=number, epoch=epoch + 1, batch=0, loss=0.0, best=best)
        )
        left = self._remaining.text(number, epoch + 1)
        self._beat.line(f"{name}: loss {count.loss:.3f}, PublicTest {100 * accuracy:.1f} %, {left}")

    def _reporter(
        self,
        average: WeightAverage,
        batches: TrainingBatches,
        name: str,
    ) -> Report:
        """Return a function that makes the batches of an epoch the status, and saves a checkpoint where one is due."""
        saved = time.monotonic()

        def report(model: Any, done: int, loss: float) -> None:  # noqa: ANN401
            nonlocal saved
            left = self._remaining.text(batches.stage, batches.epoch + done / batches.total)
            if done == batches.total:  # the whole epoch is saved, after what Keras does at its end
                self._beat.status(f"{name}: ending the epoch after its {done} batches")
                return
            self._beat.status(lambda: f"{name}, batch {done} of {batches.total}: loss {loss:.3f}, {left}")
            if time.monotonic() - saved >= self._checkpoint_seconds:
                place = {"stage": batches.stage, "epoch": batches.epoch, "batch": done}
                self._checkpoints.save(model, average.values, replace(self._checkpoints.state, **place, loss=loss))
                saved = time.monotonic()

        return report

    def _validate(self, model: Any, average: WeightAverage, number: int) -> float:  # noqa: ANN401
        """Return the accuracy of the average. In the last stage, keep it where it is the best so far."""
        weights = model.get_weights()
        model.set_weights(average.values)
        predicted = self._probabilities(model, self._recipe.stages[number].side_px).argmax(axis=1)
        accuracy = float((predicted == self._prepared.labels).mean())
        if number == len(self._recipe.stages) - 1 and accuracy >= self._checkpoints.state.best:
            save_without_optimizer(model, self._best_file)
        model.set_weights(weights)
        return accuracy


def train(
    prepared: PreparedRun, beat: Heartbeat, checkpoint_seconds: float = CHECKPOINT_SECONDS, workers: int = 0
) -> Path:
    """Train a prepared run and return the file of the float model with the best accuracy on PublicTest.

    An interrupted run resumes from its last checkpoint: the end of an epoch, or a moment at most `checkpoint_seconds`
    and a batch before the interruption. `workers`: processes that draw the views; 0: this process does. A line is
    printed whenever there was none for a while. Raises ConvertError where teacher or checkpoint cannot be read.
    """
    prepared.recipe.save(prepared.checkpoints.folder / RECIPE)
    teacher = None
    if prepared.teachers:
        beat.status(f"loading the teacher {', '.join(map(str, prepared.teachers))}")
        teacher = Teacher(prepared.teachers)
    with ViewWorkers(prepared.training.images, workers) if workers else nullcontext() as drawn:
        return _TrainingRun(prepared, beat, teacher, drawn, checkpoint_seconds).train()
