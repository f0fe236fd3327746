"""What the fuzz tests share: how many examples, and the secrets that must never show."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

from hypothesis import HealthCheck, settings

FEW = 150
"""In `make test`: seconds. `make fuzz` sets FUZZ_EXAMPLES to 10,000 for each test: six minutes of processor time."""

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", FEW))

fuzz = settings(
    max_examples=EXAMPLES,
    deadline=None,
    # One folder serves all examples: each writes its file anew.
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)

SECRET = "hunter2-Zq7"  # noqa: S105 - nobody's
PASSWORD = "hunter3-Zq8"  # noqa: S105 - nobody's
TOKEN = "hunter4-Zq9-of-the-page-long-enough"  # noqa: S105 - nobody's
SECRETS = (SECRET, PASSWORD, TOKEN)


def leaked(text: str) -> list[str]:
    """Return the secrets in `text`."""
    return [secret for secret in SECRETS if secret in text]


class Words(logging.Handler):
    """All that is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.said = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.said += self.format(record) + "\n"


@contextmanager
def listening(logger: logging.Logger) -> Iterator[Words]:
    """Hear all that is said to a logger."""
    handler, level = Words(), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield handler
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
