from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("keras", reason="the training half needs the convert extra")
import keras

from convert.data.fer2013 import load_split
from convert.errors import ConvertError
from convert.training.batches import TrainingBatches
from convert.training.distillation import Teacher
from convert.training.network import build_network
from convert.training.train import train
from support.tiny_run import TINY


def test_teacher_is_mixed_into_the_targets(small_data, tmp_path):
    build_network(TINY, 32, None).save(tmp_path / "teacher.keras")
    split = load_split(small_data, "Training")
    recipe = replace(TINY, teacher_share=0.25)
    teacher = Teacher(tmp_path / "teacher.keras")
    alone, taught = TrainingBatches(split, TINY, 0, 0)[0], TrainingBatches(split, recipe, 0, 0, teacher)[0]
    np.testing.assert_array_equal(alone[0], taught[0])
    views = np.rint((alone[0][..., 0] + 1) * 127.5).astype(np.uint8)
    np.testing.assert_allclose(taught[1], 0.75 * alone[1] + 0.25 * teacher.predict(views), atol=1e-5)


@pytest.mark.parametrize(("share", "teacher"), [(0.5, None), (0.0, "best.keras")])
def test_teacher_without_teacher_share_and_the_reverse_are_refused(share, teacher, small_data, tmp_path):
    with pytest.raises(ConvertError, match=r"recipe tiny (learns from a teacher|has teacher_share 0)"):
        train(replace(TINY, teacher_share=share), small_data, tmp_path, print, teacher and tmp_path / teacher)


def test_file_that_is_not_a_teacher_is_refused(tmp_path):
    (tmp_path / "text.keras").write_text("no")
    with pytest.raises(ConvertError, match=r"teacher .*text\.keras is not a Keras model"):
        Teacher(tmp_path / "text.keras")
    inputs = keras.Input((32, 32, 3))
    keras.Model(inputs, keras.layers.Dense(7)(keras.layers.Flatten()(inputs))).save(tmp_path / "colour.keras")
    with pytest.raises(ConvertError, match=r"colour\.keras takes \(None, 32, 32, 3\)"):
        Teacher(tmp_path / "colour.keras")
