"""The shipped classifier."""

import pytest

from edge.classifier import Classifier
from edge.manifest import find_model


@pytest.fixture(scope="session")
def classifier():
    return Classifier(find_model("normal"))
