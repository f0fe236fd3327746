"""What is found out of a model beside the running sensor, apart from what `test_desired.py` plays through."""

import shutil

import pytest

from edge.config.loader import tables_of
from edge.config.schema import BudgetConfig, Config
from edge.desired.errors import UnfitError
from edge.desired.preparation import Preparer
from edge.desired.selection import Choice
from edge.messages.desired import DesiredModel, ManifestFile
from edge.vision.classification.manifest import find_model


def test_model_that_takes_longer_than_the_budget_alone_is_refused_before_a_face_comes(tmp_path) -> None:
    preparer = Preparer(tmp_path, "")
    file = ManifestFile(url="https://h/m.json", size=1, sha256="0" * 64)
    choice = Choice(model=DesiredModel(url="https://h/m.tflite", size=1, sha256="0" * 64, manifest=file))
    for suffix in (".tflite", ".json"):
        shutil.copy(find_model("small").with_suffix(suffix), tmp_path / f"{choice.files}{suffix}")
    # No budget that can be configured is below a millisecond, and here a run takes about one.
    slow = tables_of(Config(budget=BudgetConfig(latency_ms=0.001)))
    assert preparer.offer(choice, tables_of(Config()), "normal").classifier is not None
    with pytest.raises(UnfitError, match=r"^one run of the model small takes [0-9.]+ ms here \(median of 5\)"):
        preparer.offer(choice, slow, "normal")
    # The way back is never refused for its speed, nor a document without a model, which the trial judges.
    for other in (None, Choice()):
        assert preparer.offer(other, slow, "small").classifier is not None


def test_classifier_is_built_only_where_the_model_is_another_one(tmp_path) -> None:
    preparer = Preparer(tmp_path, "")
    assert preparer.offer(Choice(), tables_of(Config()), "normal").classifier is None
