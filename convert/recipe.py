"""What a training run does, as data: saved with the run, so that it can be read, resumed, repeated."""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

from convert.errors import ConvertError


@dataclass(frozen=True)
class Stage:
    """One stretch of training at one input size, with its own cosine decay of the learning rate."""

    side_px: int
    epochs: int
    peak_learning_rate: float


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a run learns.

    `alpha`: width of MobileNetV2. `dense_units`: first of the two dense layers. `dropout`: before
    each. `batch_norm_momentum`: Keras' 0.999 averages over some thousand batches, which is most of a
    run, so that validation lags the weights by points; 0.95 follows within a hundred batches.
    `class_weight_power`: exponent on the inverse class frequency (0 off, 1 fully balanced);
    `warmup_epochs`: linear ramp at the start of the first stage only.
    """

    name: str = "default"
    alpha: float = 1.0
    dense_units: int = 128
    dropout: float = 0.3
    batch_size: int = 64
    batch_norm_momentum: float = 0.95
    weight_decay: float = 1e-3
    class_weight_power: float = 0.2
    warmup_epochs: float = 1.0
    seed: int = 20131
    stages: tuple[Stage, ...] = (Stage(64, 12, 1e-3), Stage(96, 8, 3e-4))

    def save(self, path: Path) -> None:
        """Write the recipe as JSON."""
        path.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    @staticmethod
    def load(path: Path) -> "Recipe":
        """Read what `save` wrote. Raises ConvertError on anything else."""
        try:
            raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            known = {field.name for field in fields(Recipe)}
            unknown = sorted(set(raw) - known)
            if unknown:
                msg = f"{path}: unknown key {unknown[0]!r}; known are {', '.join(sorted(known))}"
                raise ConvertError(msg)
            raw["stages"] = tuple(Stage(**stage) for stage in raw["stages"])
            return Recipe(**raw)
        except (OSError, ValueError, KeyError, TypeError) as error:
            msg = f"{path} is not a recipe of emotion-convert: {error}"
            raise ConvertError(msg) from error


RECIPES: Final = {
    "default": Recipe(),
    # Two minutes on two cores: to see that everything runs, not to get a model.
    "smoke": Recipe(name="smoke", alpha=0.35, stages=(Stage(32, 1, 1e-3), Stage(48, 1, 3e-4))),
}
