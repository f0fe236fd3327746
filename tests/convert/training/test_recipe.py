import pytest

from convert.errors import ConvertError
from convert.training.recipe import Recipe, Stage, learning_rate


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
    for factor in (0, -1, float("nan"), float("inf"), 1000):
        with pytest.raises(ConvertError, match=r"--epochs-scale .* must be above 0 and, .* at most 83\.3333"):
            Recipe().scaled(factor)


def test_summary_names_the_stages():
    assert Recipe().scaled(0.1).summary() == "1 epoch at 64 px, 1 epoch at 96 px"


def test_larger_batches_have_a_higher_rate_and_average_over_as_many_faces():
    recipe = Recipe().in_batches_of(256)
    assert recipe.batch_size == 256
    for new, old in zip(recipe.stages, Recipe().stages, strict=True):
        assert new.peak_learning_rate == pytest.approx(2 * old.peak_learning_rate)
    assert recipe.average_decay == pytest.approx(Recipe().average_decay ** 4)
    assert recipe.in_batches_of(64).stages[0].peak_learning_rate == pytest.approx(Recipe().stages[0].peak_learning_rate)


@pytest.mark.parametrize("changes", [{"alpha": 0.5}, {"stages": (Stage(64, 1, 1e-3, first_block=3),)}])
def test_face_network_is_trained_as_a_whole(changes):
    with pytest.raises(ValueError, match="backbone = 'mobilenet_v1' is trained as a whole at its full width"):
        Recipe(backbone="mobilenet_v1", **changes)
