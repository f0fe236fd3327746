import json
from dataclasses import replace

import numpy as np
import pytest

from convert.data.fer2013 import FER2013_TO_LABEL
from convert.errors import ConvertError
from convert.training.preparation import imagenet_weights, prepare
from convert.training.recipe import Recipe
from support.tiny_run import TINY


def test_missing_weights_file_is_named_with_the_command_that_makes_it(tmp_path):
    with pytest.raises(
        ConvertError, match=r"no ImageNet weights for alpha 0\.5: .*mobilenet_v2_0\.5_imagenet"
    ) as error:
        imagenet_weights(tmp_path, 0.5)
    code = str(error.value).split('"')[1]
    assert "alpha=0.5" in code
    assert str(tmp_path) in code
    compile(code, "command", "exec")


@pytest.mark.parametrize(
    ("share", "teacher", "sentence"),
    [
        (0.5, None, "recipe tiny learns from a teacher: give --teacher FILE"),
        (0.0, "best.keras", "recipe tiny has teacher_share 0: leave --teacher out"),
        (0.5, "nosuch.keras", r"teacher .*nosuch\.keras does not exist"),
    ],
)
def test_teacher_and_recipe_that_do_not_fit_are_named(share, teacher, sentence, tmp_path):
    with pytest.raises(ConvertError, match=sentence):
        prepare(replace(TINY, teacher_share=share), tmp_path, tmp_path / "run", [tmp_path / teacher] if teacher else [])


def test_run_folder_that_is_a_file_is_named(tmp_path):
    (tmp_path / "run").touch()
    with pytest.raises(ConvertError, match=r"--run .*/run/deeper must be a folder, but .*/run is a file"):
        prepare(TINY, tmp_path, tmp_path / "run" / "deeper")


def test_missing_data_is_named_and_no_run_folder_is_made(tmp_path):
    (tmp_path / "mobilenet_v2_0.35_imagenet_notop.weights.h5").touch()
    with pytest.raises(ConvertError, match=r"fer2013\.npz"):
        prepare(TINY, tmp_path, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_batch_larger_than_the_data_is_refused(face_data, tmp_path):
    (tmp_path / "state.json").write_text(json.dumps({"stage": 1}), encoding="utf-8")
    (tmp_path / "best.keras").touch()
    with pytest.raises(ConvertError, match=r"batch_size = 193 of recipe tiny must be at most 192, the number of faces"):
        prepare(replace(TINY, batch_size=193), face_data, tmp_path)


def test_weights_are_not_needed_by_a_run_that_resumes(face_data, tmp_path):
    (tmp_path / "state.json").write_text(json.dumps({"stage": 1}), encoding="utf-8")
    (tmp_path / "best.keras").touch()
    assert prepare(TINY, face_data, tmp_path).weights is None


def test_only_recipes_on_votes_need_them(face_data, tmp_path):
    with np.load(face_data / "fer2013.npz") as file:
        np.savez(tmp_path / "fer2013.npz", **{name: file[name] for name in file.files if name != "ferplus_votes"})
    (tmp_path / "mobilenet_v2_0.35_imagenet_notop.weights.h5").touch()
    with pytest.raises(ConvertError, match=r"has no FER\+ votes, which this command needs"):
        prepare(TINY, tmp_path, tmp_path / "run")
    prepared = prepare(replace(TINY, labels="fer2013"), tmp_path, tmp_path / "run")
    assert prepared.training.original.tolist() == [FER2013_TO_LABEL[at % 7] for at in range(192)]


def test_run_that_begins_with_a_model_needs_no_published_weights(face_data, tmp_path):
    with pytest.raises(ConvertError, match=r"--start .*none\.keras does not exist: give a float model"):
        prepare(TINY, face_data, tmp_path / "run", start=tmp_path / "none.keras")
    (tmp_path / "own.keras").touch()
    prepared = prepare(TINY, face_data, tmp_path / "run", start=tmp_path / "own.keras")
    assert (prepared.weights, prepared.start) == (None, tmp_path / "own.keras")


def test_missing_weights_of_the_face_network_are_named_with_what_writes_them(face_data, tmp_path):
    recipe = Recipe(backbone="mobilenet_v1")
    with pytest.raises(ConvertError, match=r"mobilenet_v1_1\.0_faces_notop.* scripts/face-network-weights writes it"):
        prepare(recipe, face_data, tmp_path / "run")
