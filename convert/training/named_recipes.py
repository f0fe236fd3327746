"""The named recipes, and the commented example from which a recipe of one's own starts."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

from convert.data.augment import GENTLE, Augmentation
from convert.errors import ConvertError
from convert.files import to_json
from convert.training.recipe import HEAD_ONLY, Recipe, Stage
from convert.training.recipe_file import load_recipe

_EARLY: Final = Augmentation(
    chances={
        "gamma": 0.6,
        "contrast": 0.6,
        "hand": 0.15,
        "low_resolution": 0.12,
        "motion_blur": 0.12,
        "sensor_noise": 0.25,
        "sharpening": 0.3,
        "jpeg": 0.15,
    }
)
"""Without glasses, masks, low light and backlight, which are rare: for stages that learn what a face is."""

NORMAL: Final = Recipe(
    # At 112 pixels the last blocks see 4x4 positions instead of 3x3.
    stages=(
        Stage(112, 18, 1e-3, class_weight_power=0.3, leader_share=0.3, mixup=0.2),
        Stage(112, 6, 2e-4, class_weight_power=0.3, leader_share=0.3, augmentation=GENTLE),
    )
)

_CLASSIC: Final = Augmentation(rotation_deg=15.0, scale=(0.9, 1.1), shift=0.1)
"""Rotation, zoom, shift and mirroring: the usual augmentation of transfer learning."""

_LIGHT: Final = Augmentation(rotation_deg=15.0, scale=(0.95, 1.08), shift=0.05)
"""FER2013's own framing with small changes."""

_TEACHER: Final = replace(
    NORMAL,
    name="teacher",
    backbone="mobilenet_v1",
    rebalance=False,
    # One of 160 pixels read 0.1 points more of PublicTest, at 1.6 times the cost.
    stages=(Stage(128, 10, 3.5e-4, class_weight_power=0.2, leader_share=0.3, augmentation=GENTLE),),
)

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
            Stage(112, 12, 1e-3, class_weight_power=0.2, mixup=0.2, augmentation=GENTLE),
            # This model is evaluated on FER2013's own images only and never runs behind a camera.
            Stage(112, 6, 4e-4, class_weight_power=0.0, augmentation=_LIGHT),
        ),
    ),
    # From the weights of a face network, whose licence does not allow all that this project's does: never shipped
    # itself. What it answers taught the models that ship (models/README.md).
    "teacher": _TEACHER,
    "fer2013-teacher": replace(_TEACHER, name="fer2013-teacher", labels="fer2013"),
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


EXAMPLE: Final = Path(__file__).with_name("example_recipe.toml")
"""A recipe's file with a comment at each key, to start a recipe of one's own from. `example` names it."""


def find_recipe(name_or_path: str) -> Recipe:
    """Return a named recipe, or read one from a file. Raises ConvertError where there is neither."""
    if name_or_path in RECIPES:
        return RECIPES[name_or_path]
    path = _file_of(name_or_path)
    if not path.exists():
        msg = f"there is no recipe {name_or_path!r}: use {', '.join(RECIPES)}, example, or a recipe's TOML or JSON file"
        raise ConvertError(msg)
    return load_recipe(path)


def recipe_text(name_or_path: str, recipe: Recipe) -> str:
    """Return the text of a recipe's file, with its comments where it has some; `recipe`: what `find_recipe` found."""
    if name_or_path in RECIPES:
        return to_json(asdict(recipe)).rstrip()
    return _file_of(name_or_path).read_text(encoding="utf-8").rstrip()


def _file_of(name_or_path: str) -> Path:
    return EXAMPLE if name_or_path == "example" else Path(name_or_path)
