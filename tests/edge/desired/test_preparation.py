"""What is found out of a model beside the running sensor, apart from what `test_desired.py` plays through."""

import pytest

from edge.config.loader import tables_of
from edge.config.schema import BudgetConfig, Config, ModelConfig
from edge.desired.errors import UnfitError
from edge.desired.preparation import Preparer
from edge.desired.selection import Choice


def test_model_that_takes_longer_than_the_budget_alone_is_refused_before_a_face_comes(tmp_path) -> None:
    preparer = Preparer(tmp_path, "")
    quick = tables_of(Config(model=ModelConfig(name="small")))
    # Of any model: no budget of the configuration is below a millisecond, and here a run takes less.
    slow = tables_of(Config(model=ModelConfig(name="small"), budget=BudgetConfig(latency_ms=0.001)))
    assert preparer.offer(Choice(), quick, "normal").classifier is not None
    with pytest.raises(UnfitError, match=r"^one run of the model small takes \d+ ms here \(median of 5\), and budget"):
        preparer.offer(Choice(), slow, "normal")
    # The way back is never refused for its speed.
    assert preparer.offer(None, slow, "normal").classifier is not None


def test_classifier_is_built_only_where_the_model_is_another_one(tmp_path) -> None:
    preparer = Preparer(tmp_path, "")
    assert preparer.offer(Choice(), tables_of(Config()), "normal").classifier is None
