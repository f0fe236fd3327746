import pytest

from convert.errors import ConvertError
from convert.offsite.plan import FULL, SMOKE, plan_of, read_plan


@pytest.mark.parametrize("runs", [FULL, SMOKE])
def test_students_come_after_their_teachers_and_every_run_has_its_own_folder(runs):
    plan = plan_of({"runs": runs})
    assert [run.name for run in plan][-2:] == ["normal", "small"]
    teachers = plan[-2].teachers
    assert len(teachers) >= 2
    assert len({run.recipe.seed for run in plan if run.name in teachers}) == len(teachers)
    assert all(run.recipe.name == run.name for run in plan)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("runs = []", r"runs = \[\] must name at least one run"),
        ('[[runs]]\nname = "a"\nrecipe = "nosuch"', "there is no recipe 'nosuch'"),
        ('[[runs]]\nname = "a/b"\nrecipe = "smoke"', "name = 'a/b' must be"),
        ('[[runs]]\nname = "a"\nrecipe = "smoke"\n' * 2, "the run 'a' is there twice"),
        ('[[runs]]\nname = "a"\nrecipe = "small"', "run 'a' has teacher_share 0.7 and must name its teachers"),
        ('[[runs]]\nname = "a"\nrecipe = "small"\nteachers = ["b"]', "learns from 'b', which must be a run before it"),
        ('[[runs]]\nname = "a"\nrecipe = "smoke"\nteacher_share = 2', "teacher_share = 2"),
        ('[[runs]]\nname = "a"\nrecipe = "smoke"\nbatch_size = -1', "batch_size = -1 must be at least 1"),
        ('[[runs]]\nname = "a"\nrecipe = "smoke"\nepoch = 2', "unknown field `epoch`"),
        ("runs = [", "plan .*plan.toml"),
    ],
)
def test_plan_that_cannot_be_used_is_named_with_the_reason(text, sentence, tmp_path):
    path = tmp_path / "plan.toml"
    path.write_text(text)
    with pytest.raises(ConvertError, match=sentence) as error:
        read_plan(path)
    assert str(path) in str(error.value)


def test_run_may_have_another_size_and_larger_batches():
    (run,) = plan_of({"runs": [{"name": "a", "recipe": "smoke", "side_px": 64, "batch_size": 128}]})
    assert {stage.side_px for stage in run.recipe.stages} == {64}
    assert run.recipe.batch_size == 128
