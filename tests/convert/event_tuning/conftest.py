"""The shipped classifier."""

import pytest

from edge.vision.classification.classifier import Classifier
from edge.vision.classification.manifest import find_model


@pytest.fixture(scope="session")
def classifier():
    return Classifier(find_model("normal"))
