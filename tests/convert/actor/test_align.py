import cv2
import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the training half needs the convert extra")
from convert.actor.align import align_by_eyes, elastic_mean, face_mask, normalise, similarity

EYES = np.array([[14.3, 18.5], [32.7, 18.5]])


def dots(eyes, mouth=(24, 36)):
    """A picture with dark dots for eyes and a bar for a mouth."""
    image = np.full((48, 48), 200, dtype=np.uint8)
    for x, y in eyes:
        cv2.circle(image, (round(x), round(y)), 3, (30,), -1)
    cv2.rectangle(image, (mouth[0] - 6, mouth[1] - 1), (mouth[0] + 6, mouth[1] + 1), (60,), -1)
    return cv2.GaussianBlur(image, (0, 0), 0.8)


def darkest(face, half):
    """Centre of what is darkest in the left or right half above the mouth, in 48-pixel coordinates."""
    part = face[:56, :48] if half == 0 else face[:56, 48:]
    weight = np.maximum(-part - 1.0, 0)
    rows, columns = np.mgrid[0 : part.shape[0], 0 : part.shape[1]]
    x, y = (weight * columns).sum() / weight.sum(), (weight * rows).sum() / weight.sum()
    return np.array([x + 48 * half, y]) / 2


@pytest.mark.parametrize("eyes", [EYES, [[12.0, 22.0], [34.0, 16.0]], [[17.0, 20.0], [31.0, 21.0]]])
def test_eyes_are_aligned_to_their_mean_position(eyes):
    face = align_by_eyes(dots(eyes), np.array(eyes))
    assert face.shape == (96, 96)
    for half in (0, 1):
        # Dots are drawn on whole pixels, so that half a pixel each way is theirs.
        np.testing.assert_allclose(darkest(face, half), EYES[half], atol=1.2)


def test_elastic_mean_keeps_a_moving_mouth_sharp():
    faces = np.stack([normalise(cv2.resize(dots(EYES, (24, 35 + step % 4)), (96, 96))) for step in range(12)])
    plain, elastic = normalise(faces.mean(axis=0)), elastic_mean(faces)
    mouth = (slice(60, 84), slice(32, 64))
    assert elastic[mouth].min() < plain[mouth].min() - 0.1
    rows = np.arange(60, 84)
    weight = np.maximum(-elastic[mouth].mean(axis=1) - elastic[mouth].mean(), 0)
    assert (weight * rows).sum() / weight.sum() == pytest.approx(2 * 36.5, abs=2.5)


def test_similarity_finds_copies_and_mirrored_copies():
    rng = np.random.default_rng(0)
    faces = np.stack([normalise(cv2.GaussianBlur(rng.normal(0, 1, (96, 96)), (0, 0), 4)) for _ in range(2)])
    alike = similarity(np.stack([faces[0], faces[0] * 2 + 1, faces[0][:, ::-1], faces[1]]))
    np.testing.assert_allclose(alike[0, :3], 1, atol=1e-4)
    assert alike[0, 3] < 0.6
    np.testing.assert_allclose(alike, alike.T, atol=1e-4)


def test_normalised_faces_have_mean_zero_and_deviation_one():
    face = normalise(np.random.default_rng(0).integers(0, 256, (96, 96)))
    inside = face_mask(96)
    assert face[inside].mean() == pytest.approx(0, abs=1e-4)
    assert face[inside].std() == pytest.approx(1, abs=1e-4)
    assert np.isfinite(normalise(np.full((96, 96), 7))).all()
