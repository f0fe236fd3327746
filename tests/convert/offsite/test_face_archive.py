import hypothesis.extra.numpy as npst
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from convert.errors import ConvertError
from convert.offsite.face_archive import pack_faces, read_archive, unpack_faces, write_archive

SHAPES = st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9))


@settings(max_examples=60, deadline=None)
@given(npst.arrays(np.uint8, SHAPES))
def test_any_faces_come_back_bit_for_bit(images):
    np.testing.assert_array_equal(unpack_faces(pack_faces(images), images.shape), images)


def test_archive_gives_back_every_array(tmp_path):
    rng = np.random.default_rng(1)
    smooth = np.cumsum(rng.integers(-3, 4, (20, 48, 48)), axis=2) % 256
    arrays = {"images": smooth.astype(np.uint8), "emotion": rng.integers(0, 7, 20, dtype=np.uint8)}
    write_archive(tmp_path / "faces.npz", arrays)
    again = read_archive(tmp_path / "faces.npz")
    assert set(again) == set(arrays)
    for name, values in arrays.items():
        np.testing.assert_array_equal(again[name], values)
        assert again[name].dtype == np.uint8


def test_damaged_faces_are_refused():
    content = pack_faces(np.zeros((2, 8, 8), np.uint8))
    with pytest.raises(ConvertError, match="the faces of the folder are damaged"):
        unpack_faces(content[:-4], (2, 8, 8))
    with pytest.raises(ConvertError, match="the faces of the folder are damaged"):
        unpack_faces(content, (3, 8, 8))
