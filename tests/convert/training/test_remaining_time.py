import pytest

from convert.training.recipe import Recipe, Stage
from convert.training.remaining_time import RemainingTime

RECIPE = Recipe(name="two", stages=(Stage(32, 2, 1e-3), Stage(64, 3, 1e-3)))


def test_time_left_follows_from_the_speed_since_the_first_batch():
    now = [1000.0]
    remaining = RemainingTime(RECIPE, lambda: now[0])
    assert remaining.text(0, 0.1) == "time left not known yet"
    now[0] += 60
    # 0.5 of an epoch in a minute; 1.4 of that size are left, and three that are four times as large.
    assert remaining.text(0, 0.6) == "about 27 minutes left"


def test_speed_is_measured_anew_in_each_stage():
    now = [0.0]
    remaining = RemainingTime(RECIPE, lambda: now[0])
    remaining.text(0, 0.1)
    now[0] += 3600
    assert remaining.text(1, 1.0) == "time left not known yet"
    now[0] += 30
    assert remaining.text(1, 2.0) == "less than a minute left"
    assert remaining.text(1, 3.0) == "all epochs done"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(30, "about 1 minute left"), (600, "about 20 minutes left"), (7200, "about 4.0 hours left")],
)
def test_unit_fits_the_time_left(seconds, text):
    now = [0.0]
    remaining = RemainingTime(Recipe(name="one", stages=(Stage(32, 3, 1e-3),)), lambda: now[0])
    remaining.text(0, 0.0)
    now[0] += seconds
    assert remaining.text(0, 1.0) == text
