"""Training recipes: all settings of a run as data, saved with the run, and the named recipes."""

import json
import math
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from convert.data.augment import CAMERA, GENTLE, Augmentation
from convert.errors import ConvertError
from convert.files import write_json

_FINAL_LEARNING_RATE: Final = 0.01
"""Learning rate at the end of a stage's cosine decay, share of its peak."""
_WARMUP_START: Final = 0.01
"""Share of an epoch at which the warm-up begins: a rate of 0 would waste the first batches."""
_MIN_INPUT_PX: Final = 32
"""MobileNetV2 halves its input five times."""
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
        if self.side_px < _MIN_INPUT_PX or self.epochs < 1 or self.peak_learning_rate <= 0:
            msg = f"a stage needs side_px >= {_MIN_INPUT_PX}, epochs >= 1, peak_learning_rate > 0, not {self}"
            raise ValueError(msg)
        if not 0 <= self.first_block <= HEAD_ONLY:
            msg = f"first_block = {self.first_block} must be a block's number, 0 to {HEAD_ONLY}"
            raise ValueError(msg)
        if not (0 <= self.leader_share <= 1 and self.mixup >= 0):
            msg = f"leader_share = {self.leader_share} must be 0 to 1, and mixup = {self.mixup} at least 0"
            raise ValueError(msg)


@dataclass(frozen=True)
class Recipe:
    """All settings that determine what a run learns.

    `alpha`: width of MobileNetV2. `dense_units`: units of the layers between pooling and softmax.
    `dropout`: rate before each dense layer. `labels`: soft FER+ votes, or FER2013's own labels.
    `teacher_share`: share of the teacher's probabilities in each target, 0 without a teacher.
    `batch_norm_momentum`: Keras' 0.999 averages over some thousand batches, which is most of a run, so that
    validation lags the weights by points; 0.95 follows within a hundred batches. `average_decay`: decay per
    batch of the exponential moving average of the weights, which is validated and kept; 0 keeps the weights
    themselves. `warmup_epochs`: linear ramp at the start of the first stage only. `rebalance`: adjust the
    final logits towards rare labels (`convert.training.logit_adjustment`).
    """

    name: str = "normal"
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
        if not self.stages or self.batch_size < 1:
            msg = "a recipe needs at least one stage and a batch_size of at least 1"
            raise ValueError(msg)
        if not (0 <= self.average_decay < 1 and 0 <= self.teacher_share <= 1):
            msg = (
                f"average_decay = {self.average_decay} must be at least 0 and below 1, "
                f"and teacher_share = {self.teacher_share} 0 to 1"
            )
            raise ValueError(msg)

    def save(self, path: Path) -> None:
        """Write the recipe as JSON. Raises OSError."""
        write_json(path, asdict(self))

    def scaled(self, factor: float) -> "Recipe":
        """Return the recipe with the epochs of each stage multiplied by `factor`, at least one each.

        Raises ConvertError for a factor that is not above 0.
        """
        if not factor > 0:
            msg = f"--epochs-scale must be above 0, not {factor:g}"
            raise ConvertError(msg)
        stages = tuple(replace(stage, epochs=max(1, round(stage.epochs * factor))) for stage in self.stages)
        return replace(self, stages=stages)

    @staticmethod
    def load(path: Path) -> "Recipe":
        """Read a recipe's JSON file. Raises ConvertError where it is missing or is not a recipe."""
        try:
            raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            known = {field.name for field in fields(Recipe)}
            unknown = sorted(set(raw) - known)
            if unknown:
                msg = f"{path}: unknown key {unknown[0]!r}; known are {', '.join(sorted(known))}"
                raise ConvertError(msg)
            return msgspec.convert(raw, Recipe)
        except (OSError, ValueError, TypeError, msgspec.ValidationError) as error:
            msg = f"{path} is not a recipe of emotion-convert: {error}"
            raise ConvertError(msg) from error


def learning_rate(recipe: Recipe, stage: int, epoch: float) -> float:
    """Return the learning rate at a fractional epoch of a stage: linear warm-up in the first stage, cosine decay."""
    settings = recipe.stages[stage]
    if stage == 0 and epoch < recipe.warmup_epochs:
        return settings.peak_learning_rate * max(epoch, _WARMUP_START) / recipe.warmup_epochs
    share = _FINAL_LEARNING_RATE + (1 - _FINAL_LEARNING_RATE) * 0.5 * (1 + math.cos(math.pi * epoch / settings.epochs))
    return settings.peak_learning_rate * share


_EARLY: Final = Augmentation(
    chances={
        "gamma": 0.6,
        "contrast": 0.6,
        "hand": 0.15,
        "low_resolution": 0.12,
        "motion_blur": 0.12,
        "sensor_noise": 0.25,
        "jpeg": 0.15,
    }
)
"""Without glasses, masks, low light and backlight, which are rare: for stages that learn what a face is."""

NORMAL: Final = Recipe(
    stages=(
        Stage(64, 12, 1e-3, augmentation=_EARLY),
        Stage(96, 8, 3e-4, augmentation=_EARLY),
        # At 112 pixels the last blocks see 4x4 positions instead of 3x3.
        Stage(112, 18, 6e-4, first_block=3, class_weight_power=0.3, leader_share=0.3, mixup=0.2),
        Stage(112, 6, 1.5e-4, first_block=3, class_weight_power=0.3, leader_share=0.3, augmentation=GENTLE),
    )
)

_CLASSIC: Final = Augmentation(rotation_deg=15.0, scale=(0.9, 1.1), shift=0.1)
"""Rotation, zoom, shift and mirroring: the usual augmentation of transfer learning."""

_LIGHT: Final = Augmentation(rotation_deg=15.0, scale=(0.95, 1.08), shift=0.05)
"""FER2013's own framing with small changes."""

RECIPES: Final = {
    "normal": NORMAL,
    # At 88 pixels the last blocks see 3x3 positions, and one inference takes less than a quarter of that of normal.
    "small": replace(
        NORMAL,
        name="small",
        alpha=0.35,
        dropout=0.1,
        teacher_share=0.7,
        stages=(
            Stage(88, 10, 2e-3, leader_share=0.3, augmentation=_EARLY),
            Stage(88, 8, 6e-4, class_weight_power=0.3, leader_share=0.3, augmentation=GENTLE),
        ),
    ),
    # Trained on the labels of most published figures. Never shipped: people disagree with a third of these labels.
    "fer2013": replace(
        NORMAL,
        name="fer2013",
        labels="fer2013",
        stages=(
            Stage(64, 10, 1e-3, first_block=3, augmentation=_EARLY),
            Stage(112, 8, 5e-4, first_block=3, mixup=0.2, augmentation=GENTLE),
            # This model is evaluated on FER2013's own images only and never runs behind a camera.
            Stage(112, 5, 4e-4, first_block=3, class_weight_power=0.0, augmentation=_LIGHT),
        ),
    ),
    # The model card that this project started from: dense layers on frozen ImageNet features.
    "transfer-head": Recipe(
        name="transfer-head",
        dense_units=(128, 64),
        average_decay=0.0,
        rebalance=False,
        stages=(Stage(96, 10, 1e-3, first_block=HEAD_ONLY, class_weight_power=1.0, augmentation=_CLASSIC),),
    ),
    # Two minutes on two cores: tests the whole path, and gives no useful model.
    "smoke": Recipe(name="smoke", alpha=0.35, stages=(Stage(32, 1, 1e-3), Stage(48, 1, 3e-4))),
}


def find_recipe(name_or_path: str) -> Recipe:
    """Return a named recipe, or read one from a file. Raises ConvertError where there is neither."""
    if name_or_path in RECIPES:
        return RECIPES[name_or_path]
    path = Path(name_or_path)
    if not path.exists():
        msg = f"there is no recipe {name_or_path!r}: use {', '.join(RECIPES)}, or a recipe's JSON file"
        raise ConvertError(msg)
    return Recipe.load(path)
