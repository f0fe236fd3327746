"""Real sensors, each a process of `emotion-edge run` with an actor of few frames a second, which follow documents."""

import statistics
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Self

from support.mqtt import Subscriber, wait_until
from support.program import environment

_FRAMES_PER_SECOND: Final = 2
"""So many that two cores carry twenty sensors."""
_TRIAL_SECONDS: Final = 20
_END_SECONDS: Final = 120.0
_CONFIG: Final = """\
[device]
id = "{device}"
[source]
uri = "scripted:happy=4,surprise=3,none=3?seed={seed}&fps={fps}&loop=1"
[model]
name = "normal"
[mqtt]
urls = [{urls}]
[health]
interval_seconds = 2
[budget]
latency_ms = 10000
[desired]
enabled = true
allowed_signers = "{signers}"
ca_file = "{ca}"
watch_seconds = {trial}
"""


class Sensors:
    """`count` sensors that publish to the nodes of a broker, and what they say; a context manager.

    `nodes`: addresses and ports; each sensor begins with another one. `signers`, `ca`: whom they follow, and whose
    certificates of a server they trust.
    """

    def __init__(self, folder: Path, nodes: list[tuple[str, int]], *, count: int, signers: Path, ca: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.names = [f"shop-{number:02d}" for number in range(count)]
        self._folder = folder
        self._nodes = nodes
        for seed, name in enumerate(self.names):
            turn = seed % len(nodes)
            urls = [f'"mqtt://{host}:{port}"' for host, port in nodes[turn:] + nodes[:turn]]
            self._file(name, "toml").write_text(
                _CONFIG.format(
                    device=name,
                    seed=seed,
                    fps=_FRAMES_PER_SECOND,
                    urls=", ".join(urls),
                    signers=signers,
                    ca=ca,
                    trial=_TRIAL_SECONDS,
                )
            )
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        """Start the sensors one after the other, and return once all follow documents."""
        self.subscriber = Subscriber(self._nodes[0][1], host=self._nodes[0][0])
        for name in self.names:
            with self._file(name, "log").open("ab") as log:
                self._processes[name] = subprocess.Popen(
                    [sys.executable, "-m", "edge.cli", "run", "--config", str(self._file(name, "toml"))],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=environment(STATE_DIRECTORY=str(self._folder / name)),
                )
            wait_until(lambda name=name: name in self.infos(), _END_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        """End the sensors with SIGTERM, all at once."""
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.subscriber.close()

    def infos(self) -> dict[str, Any]:
        """Return the last `info` of each sensor."""
        return {seen.topic.split("/")[1]: seen.json for seen in self.subscriber.of("info")}

    def wait(self, seconds: float, **expected: Any) -> None:
        """Wait until the last `info` of each sensor says so of the document."""

        def said() -> bool:
            infos = self.infos()
            return all(
                all((infos[name]["desired"] or {}).get(key) == value for key, value in expected.items())
                for name in self.names
            )

        deadline = time.monotonic() + seconds
        while not said():
            self._check_alive()
            assert time.monotonic() < deadline, f"not {expected} after {seconds:.0f} s: {self._desired()}"
            time.sleep(0.1)

    def _check_alive(self) -> None:
        for name, process in self._processes.items():
            log = self._file(name, "log").read_text()
            assert process.poll() is None, f"{name} has ended with {process.returncode}:\n{log[-2000:]}"

    def _desired(self) -> dict[str, Any]:
        return {name: info["desired"] for name, info in self.infos().items()}

    def frame_ms(self) -> float:
        """Return how long a frame takes the sensors, the median of what they last said, in milliseconds."""
        healths = {seen.topic: seen.json for seen in self.subscriber.of("health")}
        return statistics.median(one["latency_ms"]["p50"] for one in healths.values() if one["latency_ms"])

    def models(self) -> set[str]:
        """Return the names of the models that the sensors run, all of which must be there."""
        self._check_alive()
        return {info["model"]["name"] for info in self.infos().values()}

    def lines(self, part: str) -> Iterable[int]:
        """Yield for each sensor how many lines of its log have `part`."""
        for name in self.names:
            yield sum(part in line for line in self._file(name, "log").read_text().splitlines())

    def decided(self) -> dict[str, int]:
        """Return the highest `seq` that the broker has delivered of each boot."""
        highest: dict[str, int] = {}
        for seen in self.subscriber.of("event"):
            event = seen.json
            highest[event["boot_id"]] = max(event["seq"], highest.get(event["boot_id"], 0))
        return highest

    def _file(self, name: str, suffix: str) -> Path:
        return self._folder / f"{name}.{suffix}"
