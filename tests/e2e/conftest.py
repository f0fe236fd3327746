import subprocess
from collections.abc import Callable, Iterator

import pytest

from support.program import kill, start


@pytest.fixture
def started() -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Starts programs that are ended after the test, whatever became of it."""
    processes = []

    def start_(*arguments: object, **changes: str) -> "subprocess.Popen[str]":
        processes.append(start(*arguments, **changes))
        return processes[-1]

    yield start_
    for process in processes:
        kill(process)
