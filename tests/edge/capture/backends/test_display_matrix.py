import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.capture.backends.display_matrix import display_matrix
from edge.capture.backends.video import VideoFileSource
from edge.capture.source import SourceOptions
from support.shaped_videos import ramp, write_shaped_mp4

UPRIGHT = ramp(1, 96, 64)
STORED = {
    (1, 0, 0, 1): UPRIGHT,
    (0, 1, -1, 0): np.rot90(UPRIGHT, 1),
    (-1, 0, 0, -1): np.rot90(UPRIGHT, 2),
    (0, -1, 1, 0): np.rot90(UPRIGHT, -1),
    (-1, 0, 0, 1): UPRIGHT[:, ::-1],
    (1, 0, 0, -1): UPRIGHT[::-1],
    (0, 1, 1, 0): np.swapaxes(UPRIGHT, 0, 1),
    (0, -1, -1, 0): np.swapaxes(UPRIGHT[::-1, ::-1], 0, 1),
}


@pytest.mark.parametrize("matrix", STORED)
def test_every_matrix_of_quarter_turns_and_mirrors_is_undone(tmp_path, matrix):
    path = write_shaped_mp4(tmp_path / "clip.mp4", [STORED[matrix].copy()] * 2, matrix=matrix)
    source = VideoFileSource(str(path), SourceOptions())
    source.open()
    luma = source.read().luma
    source.close()
    assert luma.shape == UPRIGHT.shape
    assert np.abs(luma.astype(int) - UPRIGHT).mean() < 6


def test_other_files_and_matrices_have_none(tmp_path):
    path = write_shaped_mp4(tmp_path / "clip.mp4", [UPRIGHT] * 2)
    assert display_matrix(path) == (False, 0)
    data = bytearray(path.read_bytes())
    struct.pack_into(">i", data, data.index(b"tkhd") + 44, 46341)
    path.write_bytes(data)
    assert display_matrix(path) is None
    assert display_matrix(tmp_path / "missing.mp4") is None


@given(at=st.integers(0, 700), replacement=st.binary(min_size=1, max_size=8), cut=st.integers(0, 900))
def test_damaged_file_never_ends_in_an_error(tmp_path_factory, at, replacement, cut):
    path = tmp_path_factory.getbasetemp() / "damaged.mp4"
    if not path.exists():
        path = write_shaped_mp4(path, [UPRIGHT] * 2)
    whole = path.with_suffix(".whole")
    if not whole.exists():
        whole.write_bytes(path.read_bytes())
    data = bytearray(whole.read_bytes())
    data[at : at + len(replacement)] = replacement
    path.write_bytes(data[: len(data) - cut])
    assert display_matrix(path) in {None, *((mirrored, 90 * turn) for mirrored in (False, True) for turn in range(4))}
