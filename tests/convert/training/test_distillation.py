from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("keras", reason="the training half needs the convert extra")
import keras

from convert.data.fer2013 import load_split
from convert.errors import ConvertError
from convert.training.batches import Place, TrainingBatches
from convert.training.distillation import Teacher
from support.tiny_run import TINY


def save_teacher(path, side):
    """Write a network that is converted in no time."""
    inputs = keras.Input((side, side, 1))
    pooled = keras.layers.Flatten()(keras.layers.AveragePooling2D(side // 4)(inputs))
    keras.Model(inputs, keras.layers.Dense(7, "softmax")(pooled), name="net").save(path)


def test_teacher_is_mixed_into_the_targets(face_data, tmp_path):
    save_teacher(tmp_path / "teacher.keras", 32)
    split = load_split(face_data, "Training")
    recipe = replace(TINY, teacher_share=0.25)
    teacher = Teacher([tmp_path / "teacher.keras"])
    alone = TrainingBatches(split, TINY, Place(0, 0))[0]
    taught = TrainingBatches(split, recipe, Place(0, 0), teacher)[0]
    np.testing.assert_array_equal(alone[0], taught[0])
    views = np.rint((alone[0][..., 0] + 1) * 127.5).astype(np.uint8)
    np.testing.assert_allclose(taught[1], 0.75 * alone[1] + 0.25 * teacher.predict(views), atol=1e-5)


def test_several_teachers_answer_with_their_mean_each_at_its_own_size(tmp_path):
    for side in (32, 48):
        save_teacher(tmp_path / f"{side}.keras", side)
    views = np.random.default_rng(1).integers(0, 255, (3, 48, 48), dtype=np.uint8)
    both = Teacher([tmp_path / "32.keras", tmp_path / "48.keras"])
    assert both.side_px == 48
    one, other = (Teacher([tmp_path / f"{side}.keras"]).predict(views) for side in (32, 48))
    # The smaller one reads what the larger one's size was reduced to, in the network and not by OpenCV.
    np.testing.assert_allclose(both.predict(views), (one + other) / 2, atol=2e-3)


def test_a_face_and_its_mirror_image_get_the_same_answer(tmp_path):
    save_teacher(tmp_path / "teacher.keras", 32)
    views = np.random.default_rng(1).integers(0, 255, (3, 32, 32), dtype=np.uint8)
    teacher = Teacher([tmp_path / "teacher.keras"])
    np.testing.assert_allclose(teacher.predict(views), teacher.predict(views[:, :, ::-1]), atol=1e-6)


def test_file_that_is_not_a_teacher_is_refused(tmp_path):
    (tmp_path / "text.keras").write_text("no")
    with pytest.raises(ConvertError, match=r"teacher .*text\.keras is not a Keras model"):
        Teacher([tmp_path / "text.keras"])
    inputs = keras.Input((32, 32, 3))
    keras.Model(inputs, keras.layers.Dense(7)(keras.layers.Flatten()(inputs))).save(tmp_path / "colour.keras")
    with pytest.raises(ConvertError, match=r"colour\.keras takes \(None, 32, 32, 3\)"):
        Teacher([tmp_path / "colour.keras"])
