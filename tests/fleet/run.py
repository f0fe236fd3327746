"""Runs the checks of a fleet and prints one line for each. scripts/test-fleet prepares its inputs.

python -m fleet.run [CHECK...], with tests on PYTHONPATH; without names all checks run, in their order. It needs root,
for the network namespaces in which the nodes of a cluster are.
"""

import logging
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final

from support.cluster import ClusterError
from support.cluster_network import missing_for_a_network

from . import failing, loading, rolling, taking
from .probe import table
from .rig import FleetError, Rig

Check = Callable[[Rig], str]
CHECKS: Final[Sequence[Check]] = (
    taking.mosquitto_takes,
    failing.mosquitto_restarted,
    taking.nats_takes,
    failing.nats_killed,
    failing.nats_restarted,
    failing.nats_parted,
    loading.nats_loaded,
    taking.rabbitmq_takes,
    failing.rabbitmq_killed,
    failing.rabbitmq_restarted,
    failing.rabbitmq_parted,
    loading.rabbitmq_loaded,
    rolling.rabbitmq_rolled_out,
    rolling.rolled_out,
)


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _selected(names: Sequence[str]) -> Sequence[Check]:
    """Return the checks of these names. Exits where there is none of a name."""
    known = {check.__name__: check for check in CHECKS}
    for name in names:
        if name not in known:
            sys.exit(f"there is no check '{name}', only these: {' '.join(known)}")
    return [known[name] for name in names] or CHECKS


def main(names: Sequence[str]) -> int:
    """Run the checks; returns 0 where all have passed, and 1 at the first that fails."""
    checks = _selected(names)
    missing = missing_for_a_network()
    if missing is not None:
        sys.exit(f"no cluster can be made: {missing}")
    # Nodes and sensors must not outlive this process.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    logging.basicConfig(level=logging.WARNING)
    began = time.monotonic()
    with Rig() as rig:
        for check in checks:
            started = time.monotonic()
            title = (check.__doc__ or check.__name__).rstrip(".")
            try:
                remark = check(rig)
            except (FleetError, ClusterError, AssertionError, OSError, subprocess.SubprocessError) as error:
                _print(f"FAIL  {time.monotonic() - started:6.0f} s  {title}: {error}")
                return 1
            _print(f"ok    {time.monotonic() - started:6.0f} s  {title}: {remark}")
        if len(rig.found) > 1:
            _print(table(rig.found))
    _print(f"{len(checks)} passed, 0 failed")
    _print(f"in {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
