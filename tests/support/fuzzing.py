"""Settings of the fuzz tests, the secrets that must never show, and a log handler that finds them."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

from hypothesis import HealthCheck, settings

DEFAULT_EXAMPLES = 150
"""Examples of each test in `make test`: seconds. `make fuzz` runs 10,000 of each: six minutes of processor time."""

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", DEFAULT_EXAMPLES))

fuzz = settings(
    max_examples=EXAMPLES,
    deadline=None,
    # All examples share one folder: each overwrites the file.
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)

SECRET = "hunter2-Zq7"  # noqa: S105 - of no real account
PASSWORD = "hunter3-Zq8"  # noqa: S105 - of no real account
TOKEN = "hunter4-Zq9-of-the-page-long-enough"  # noqa: S105 - of no real account
SECRETS = (SECRET, PASSWORD, TOKEN)


def leaked(text: str) -> list[str]:
    """Return the secrets in `text`."""
    return [secret for secret in SECRETS if secret in text]


class CapturedLog(logging.Handler):
    """Collects the text of all log records."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text += self.format(record) + "\n"


@contextmanager
def captured_log(logger: logging.Logger) -> Iterator[CapturedLog]:
    """Capture everything that is logged to a logger, at every level."""
    handler, level = CapturedLog(), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield handler
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
