"""Training recipes: all settings of a run as data, with the limits within which they can be trained."""

import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final, Literal

from convert.data.augment import CAMERA, Augmentation, require_range
from convert.errors import ConvertError
from convert.files import to_json, write_atomically

_FINAL_LEARNING_RATE: Final = 0.01
"""Learning rate at the end of a stage's cosine decay, share of its peak."""
_WARMUP_START: Final = 0.01
"""Share of an epoch at which the warm-up begins: a rate of 0 would waste the first batches."""
_MIN_INPUT_PX: Final = 32
"""MobileNetV2 halves its input five times."""
_MAX_INPUT_PX: Final = 1024
"""Largest input of a model's manifest."""
_ALPHAS: Final = (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)
"""Widths of MobileNetV2 for which Keras publishes ImageNet weights."""
MAX_EPOCHS: Final = 1000
"""`TrainingBatches` numbers the epochs of each stage from a multiple of this: no two stages draw the same views."""
_MAX_LEARNING_RATE: Final = 1.0
"""A thousand times what AdamW is used with here."""
_MAX_SEED: Final = 2**31 - 1
"""numpy takes 32 bits, and the layers add their numbers to the seed."""
_MAX_NAME_CHARS: Final = 100
"""The name is that of the run's folder; file systems take 255 bytes."""
Backbone = Literal["mobilenet_v2", "mobilenet_v1"]
HEAD_ONLY: Final = 17
"""`first_block` of a stage that trains only the dense layers and none of MobileNetV2's 17 blocks (0 to 16)."""


@dataclass(frozen=True)
class Stage:
    """One stage of a run: training at one input size, with its own cosine decay of the learning rate.

    `first_block`: MobileNetV2's blocks before this one are frozen, weights and statistics (0: none is
    frozen, `HEAD_ONLY`: all). Blocks 0 to 2 hold 1 % of the weights and 40 % of the time of a step.
    `class_weight_power`: exponent on the inverse class frequency (0: off, 1: balanced). `leader_share`:
    share of the one-hot leading label in each target, which accuracy rewards; the rest are the votes.
    `mixup`: alpha of the Beta distribution of the mixing coefficient (Zhang et al. 2018); 0: no mixing.
    """

    side_px: int
    epochs: int
    peak_learning_rate: float
    first_block: int = 0
    class_weight_power: float = 0.2
    leader_share: float = 0.0
    mixup: float = 0.0
    augmentation: Augmentation = CAMERA

    def __post_init__(self) -> None:
        """Raise ValueError for settings that cannot be trained."""
        require_range("side_px", self.side_px, _MIN_INPUT_PX, _MAX_INPUT_PX)
        require_range("epochs", self.epochs, 1, MAX_EPOCHS)
        if not 0 < self.peak_learning_rate <= _MAX_LEARNING_RATE:
            msg = f"peak_learning_rate = {self.peak_learning_rate} must be above 0 and at most {_MAX_LEARNING_RATE:g}"
            raise ValueError(msg)
        require_range("first_block", self.first_block, 0, HEAD_ONLY)
        require_range("class_weight_power", self.class_weight_power, 0, 1)
        require_range("leader_share", self.leader_share, 0, 1)
        require_range("mixup", self.mixup, 0, 1)


@dataclass(frozen=True)
class Recipe:
    """All settings that determine what a run learns.

    `backbone`: "mobilenet_v2" from ImageNet's weights, or "mobilenet_v1" from those of a face network
    (`convert.training.face_network`), for teachers. `alpha`: its width. `dense_units`: units of the layers between
    pooling and softmax. `dropout`: rate before each dense layer. `labels`: soft FER+ votes, or FER2013's own labels.
    `teacher_share`: share of the teacher's probabilities in each target, 0 without a teacher.
    `batch_norm_momentum`: Keras' 0.999 averages over some thousand batches, which is most of a run, so that
    validation lags the weights by points; 0.95 follows within a hundred batches. `average_decay`: decay per
    batch of the exponential moving average of the weights, which is validated and kept; 0 keeps the weights
    themselves. `warmup_epochs`: linear ramp at the start of the first stage only. `rebalance`: adjust the
    final logits towards rare labels (`convert.training.logit_adjustment`).
    """

    name: str = "normal"
    backbone: Backbone = "mobilenet_v2"
    alpha: float = 1.0
    dense_units: tuple[int, ...] = (128,)
    dropout: float = 0.3
    labels: Literal["ferplus", "fer2013"] = "ferplus"
    teacher_share: float = 0.0
    batch_size: int = 64
    batch_norm_momentum: float = 0.95
    average_decay: float = 0.998
    weight_decay: float = 1e-3
    warmup_epochs: float = 1.0
    rebalance: bool = True
    seed: int = 20131
    stages: tuple[Stage, ...] = (Stage(64, 12, 1e-3), Stage(96, 8, 3e-4))

    def __post_init__(self) -> None:
        """Raise ValueError for settings that cannot be trained."""
        name = self.name
        if not name.isprintable() or "/" in name or name in {"", ".", ".."} or len(name) > _MAX_NAME_CHARS:
            msg = f"name = {name!r} must be the name of a folder: without '/', and of 1 to {_MAX_NAME_CHARS} characters"
            raise ValueError(msg)
        if self.alpha not in _ALPHAS:
            msg = f"alpha = {self.alpha:g} must be one of {', '.join(f'{alpha:g}' for alpha in _ALPHAS)}"
            raise ValueError(msg)
        if self.backbone == "mobilenet_v1" and (self.alpha != 1 or any(stage.first_block for stage in self.stages)):
            msg = "backbone = 'mobilenet_v1' is trained as a whole at its full width: alpha must be 1, first_block 0"
            raise ValueError(msg)
        if not self.stages:
            msg = "stages = [] must name at least one stage"
            raise ValueError(msg)
        if any(units < 1 for units in self.dense_units):
            msg = f"dense_units = {list(self.dense_units)} must be numbers of units, each at least 1"
            raise ValueError(msg)
        for key in ("dropout", "batch_norm_momentum", "average_decay"):
            value = getattr(self, key)
            if not 0 <= value < 1:
                msg = f"{key} = {value:g} must be at least 0 and below 1"
                raise ValueError(msg)
        require_range("batch_size", self.batch_size, 1)
        require_range("teacher_share", self.teacher_share, 0, 1)
        require_range("weight_decay", self.weight_decay, 0, 1)
        require_range("warmup_epochs", self.warmup_epochs, 0, MAX_EPOCHS)
        require_range("seed", self.seed, 0, _MAX_SEED)

    def save(self, path: Path) -> None:
        """Write the recipe as JSON, atomically. Raises OSError."""
        write_atomically(path, to_json(asdict(self)).encode())

    def summary(self) -> str:
        """Return the stages in words, as in "3 epochs at 48 px, 2 epochs at 64 px"."""
        return ", ".join(
            f"{one.epochs} epoch{'s' if one.epochs > 1 else ''} at {one.side_px} px" for one in self.stages
        )

    def scaled(self, factor: float) -> "Recipe":
        """Return the recipe with the epochs of each stage multiplied by `factor`, at least one each.

        Raises ConvertError for a factor that is not above 0, or gives a stage more than 1000 epochs.
        """
        longest = max(stage.epochs for stage in self.stages)
        if not 0 < factor * longest <= MAX_EPOCHS:
            msg = (
                f"--epochs-scale {factor:g} must be above 0 and, with the {longest} epochs of a stage of recipe "
                f"{self.name}, at most {MAX_EPOCHS / longest:g}"
            )
            raise ConvertError(msg)
        stages = tuple(replace(stage, epochs=max(1, round(stage.epochs * factor))) for stage in self.stages)
        return replace(self, stages=stages)

    def in_batches_of(self, size: int) -> "Recipe":
        """Return the recipe for another batch size, with rates that go with it.

        The learning rate goes with the square root of the size, as is usual for Adam (Malladi et al. 2022), and the
        average of the weights reaches back over as many faces. Raises ValueError for a size below 1.
        """
        require_range("batch_size", size, 1)
        factor = size / self.batch_size
        stages = (replace(one, peak_learning_rate=one.peak_learning_rate * math.sqrt(factor)) for one in self.stages)
        return replace(self, batch_size=size, average_decay=self.average_decay**factor, stages=tuple(stages))


def learning_rate(recipe: Recipe, stage: int, epoch: float) -> float:
    """Return the learning rate at a fractional epoch of a stage: linear warm-up in the first stage, cosine decay."""
    settings = recipe.stages[stage]
    if stage == 0 and epoch < recipe.warmup_epochs:
        return settings.peak_learning_rate * max(epoch, _WARMUP_START) / recipe.warmup_epochs
    share = _FINAL_LEARNING_RATE + (1 - _FINAL_LEARNING_RATE) * 0.5 * (1 + math.cos(math.pi * epoch / settings.epochs))
    return settings.peak_learning_rate * share
