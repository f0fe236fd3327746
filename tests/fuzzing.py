"""What the fuzz tests share: how many examples, and the secrets that must never show."""

import os

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
