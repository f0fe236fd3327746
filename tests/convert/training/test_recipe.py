import json
from dataclasses import replace

import pytest

from convert.errors import ConvertError
from convert.training.recipe import RECIPES, Recipe, Stage, find_recipe, learning_rate


def test_saved_recipe_is_loaded_unchanged(tmp_path):
    recipe = replace(Recipe(), name="mine", stages=(Stage(32, 2, 1e-3), Stage(48, 1, 1e-4)))
    recipe.save(tmp_path / "recipe.json")
    assert Recipe.load(tmp_path / "recipe.json") == recipe
    assert find_recipe(str(tmp_path / "recipe.json")) == recipe


def test_named_recipes_have_their_names():
    assert all(find_recipe(name).name == name for name in RECIPES)


def test_unknown_name_lists_the_named_recipes():
    with pytest.raises(ConvertError, match=r"no recipe 'best': use normal, small, .*, smoke, or"):
        find_recipe("best")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"surprise": 1}, "unknown key 'surprise'"),
        ({"alpha": "wide"}, "alpha"),
        ({"stages": []}, "at least one stage"),
        ({"stages": [{"side_px": 16, "epochs": 1, "peak_learning_rate": 0.1}]}, "side_px >= 32"),
        ({"stages": [{"side_px": 32}]}, "epochs"),
        ({"batch_size": 0}, "batch_size"),
    ],
)
def test_settings_that_cannot_be_trained_are_named(tmp_path, changes, message):
    path = tmp_path / "recipe.json"
    Recipe().save(path)
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")
    with pytest.raises(ConvertError, match=message) as error:
        Recipe.load(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("content", ["", "[", "3", "[]", "null"])
def test_file_that_is_not_a_recipe_is_named(tmp_path, content):
    path = tmp_path / "recipe.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ConvertError, match=r"recipe\.json is not a recipe"):
        Recipe.load(path)


def test_learning_rate_rises_then_falls_to_a_hundredth_of_its_peak():
    recipe = Recipe()
    first, second = recipe.stages[:2]
    assert 0 < learning_rate(recipe, 0, 0.0) < first.peak_learning_rate / 50
    climbing = [learning_rate(recipe, 0, step / 10) for step in range(11)]
    assert climbing == sorted(climbing)
    assert learning_rate(recipe, 1, 0.0) == pytest.approx(second.peak_learning_rate)
    for number, stage in enumerate(recipe.stages):
        falling = [learning_rate(recipe, number, 1 + step * (stage.epochs - 1) / 50) for step in range(51)]
        assert falling == sorted(falling, reverse=True)
        assert falling[-1] == pytest.approx(stage.peak_learning_rate / 100)


def test_scaling_keeps_at_least_one_epoch():
    assert [stage.epochs for stage in Recipe().scaled(0.01).stages] == [1, 1]
    assert [stage.epochs for stage in Recipe().scaled(2).stages] == [24, 16]
    with pytest.raises(ConvertError, match="above 0"):
        Recipe().scaled(0)
