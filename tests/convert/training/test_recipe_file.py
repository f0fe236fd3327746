import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convert.errors import ConvertError
from convert.training.recipe import Recipe, Stage
from convert.training.recipe_file import load_recipe

STAGE = {"side_px": 32, "epochs": 1, "peak_learning_rate": 0.1}


def stage(**changes):
    return {"stages": [STAGE | changes]}


def augmentation(**changes):
    return stage(augmentation=changes)


def refusal(path, content):
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ConvertError) as error:
        load_recipe(path)
    assert "\n" not in str(error.value)
    return str(error.value).removeprefix(f"{path}: ")


def test_saved_recipe_is_loaded_unchanged(tmp_path):
    recipe = replace(Recipe(), name="mine", stages=(Stage(32, 2, 1e-3), Stage(48, 1, 1e-4)))
    recipe.save(tmp_path / "recipe.json")
    assert load_recipe(tmp_path / "recipe.json") == recipe


@pytest.mark.parametrize("name", ["recipe.toml", "recipe.TOML", "recipe.txt", "recipe"])
def test_toml_is_read(tmp_path, name):
    text = 'name = "mine"\n[[stages]]\nside_px = 32\nepochs = 2\npeak_learning_rate = 1e-3\n'
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert load_recipe(tmp_path / name) == Recipe(name="mine", stages=(Stage(32, 2, 1e-3),))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"surprise": 1}, "unknown key 'surprise'; known are alpha, average_decay"),
        (stage(epoch=3), "unknown key 'epoch' in stages[0]; known are augmentation, class_weight_power, epochs"),
        (
            {"stages": [STAGE, STAGE | {"augmentation": {"zoom": 1}}]},
            "unknown key 'zoom' in stages[1].augmentation; known are chances, rotation_deg, scale, shift",
        ),
        (
            augmentation(chances={"rain": 0.5}),
            "unknown key 'rain' in stages[0].augmentation.chances; known are backlight",
        ),
        ({"stages": [{"side_px": 32}]}, "'epochs' is missing in stages[0]; required are side_px, epochs, peak"),
        ({"stages": []}, "stages = [] must name at least one stage"),
        ({"stages": 3}, "stages = 3 must be a list"),
        ({"stages": [3]}, "stages[0] = 3 must be a table"),
        ({"name": "a/b"}, "name = 'a/b' must be the name of a folder"),
        ({"alpha": "wide"}, "alpha = 'wide' must be a number"),
        ({"alpha": 0.4}, "alpha = 0.4 must be one of 0.35, 0.5, 0.75, 1, 1.3, 1.4"),
        ({"labels": "mine"}, "labels = 'mine' must be 'ferplus' or 'fer2013'"),
        ({"backbone": "resnet"}, "backbone = 'resnet' must be 'mobilenet_v2' or 'mobilenet_v1'"),
        ({"dense_units": [0]}, "dense_units = [0] must be numbers of units, each at least 1"),
        ({"dropout": 1}, "dropout = 1 must be at least 0 and below 1"),
        ({"rebalance": 1}, "rebalance = 1 must be true or false"),
        ({"batch_size": 0}, "batch_size = 0 must be at least 1"),
        ({"seed": -1}, "seed = -1 must be from 0 to 2147483647"),
        ({"weight_decay": float("inf")}, "weight_decay = inf must be from 0 to 1"),
        (stage(side_px=16), "stages[0].side_px = 16 must be from 32 to 1024"),
        (stage(epochs=0), "stages[0].epochs = 0 must be from 1 to 1000"),
        (stage(epochs="3"), "stages[0].epochs = '3' must be a whole number"),
        (stage(peak_learning_rate=float("nan")), "stages[0].peak_learning_rate = nan must be above 0 and at most 1"),
        (stage(first_block=18), "stages[0].first_block = 18 must be from 0 to 17"),
        (augmentation(scale=[1]), "stages[0].augmentation.scale = [1] must be a list of 2 values"),
        (augmentation(scale=[2, 1]), "stages[0].augmentation.scale = [2.0, 1.0] must be [lowest, highest]"),
        (augmentation(chances={"gamma": 2}), "stages[0].augmentation.chances.gamma = 2.0 must be from 0 to 1"),
        (augmentation(chances={"gamma": "x"}), "stages[0].augmentation.chances.gamma = 'x' must be a number"),
    ],
)
def test_key_value_and_what_would_be_right_are_named(tmp_path, changes, sentence):
    assert refusal(tmp_path / "recipe.json", {"name": "mine", "stages": [STAGE]} | changes).startswith(sentence)


@pytest.mark.parametrize(
    ("content", "missing"), [({}, "name"), ({"name": "mine"}, "stages"), ({"stages": [STAGE]}, "name")]
)
def test_recipe_without_name_or_stages_is_refused(tmp_path, content, missing):
    assert refusal(tmp_path / "recipe.json", content) == f"'{missing}' is missing; required are name, stages"


@pytest.mark.parametrize("content", ["", "[", "3", "[]", "null", "[" * 100_000, '{"name": "\ud800"}'])
@pytest.mark.parametrize("name", ["recipe.json", "recipe.toml"])
def test_file_that_is_not_a_recipe_is_named(tmp_path, content, name):
    path = tmp_path / name
    path.write_text(content, encoding="utf-8", errors="surrogatepass")
    with pytest.raises(ConvertError, match=rf"{name}( is not a recipe|: 'name' is missing)"):
        load_recipe(path)


def test_key_that_is_there_twice_is_refused(tmp_path):
    path = tmp_path / "recipe.json"
    path.write_text('{"name": "one", "name": "two", "stages": []}', encoding="utf-8")
    with pytest.raises(ConvertError, match=r"recipe\.json is not a recipe .* the key 'name' is there twice"):
        load_recipe(path)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2)
    | st.dictionaries(st.sampled_from([*STAGE, "chances", "scale"]), inner, max_size=2),
    max_leaves=5,
)
KEYS = st.sampled_from(["name", "stages", "alpha", "dense_units", "labels", "seed", "batch_size", "teacher_share"])


@settings(max_examples=30)
@given(st.dictionaries(KEYS, VALUES), st.dictionaries(st.sampled_from(["augmentation", "mixup", *STAGE]), VALUES))
def test_any_recipe_is_read_or_refused_in_one_sentence(tmp_path_factory, keys, changes):
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(json.dumps({"name": "mine", **stage(**changes)} | keys), encoding="utf-8")
    try:
        load_recipe(path)
    except ConvertError as error:
        assert str(error).startswith(str(path))  # noqa: PT017 - either outcome is right
