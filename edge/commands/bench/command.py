"""`emotion-edge bench`: runs the measurements in order and shows what came of them."""

import os
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

import cv2
from msgspec import structs

from edge.capture.open import create_source
from edge.capture.source import SourceOptions
from edge.commands.bench.compare import compare
from edge.commands.bench.machine import conditions, facts, processors
from edge.commands.bench.measure import FEWEST_FRAMES, Limit, measure
from edge.commands.bench.program import Programs
from edge.commands.bench.report import Conditions, Report, Run, read, write
from edge.commands.bench.table import table
from edge.commands.bench.variants import NetworkOnlyVariant, PipelineVariant, PlainLoopVariant, Variant
from edge.config.schema import Config, MqttConfig
from edge.config.state_dir import MEMORY
from edge.errors import ConfigError
from edge.messages.payload_builder import timestamp
from edge.redact import redacted
from edge.sinks.base import Sink
from edge.sinks.jsonlines import JsonLinesSink
from edge.vision.classification.classifier import Classifier

_SAY_SECONDS: Final = 5.0
"""Between two lines of progress where no terminal shows them in place."""
_BUSY_LOAD: Final = 0.5
"""Other work, processors in use per processor, from which wall-clock figures mean little."""
_DRAIN_SECONDS: Final = 5.0


@dataclass(frozen=True)
class Request:
    """What was asked for on the command line."""

    limit: Limit
    threads: Sequence[int]
    starts: int
    json_file: Path | None
    config_file: Path | None


class _Progress:
    """One line that is written over on a terminal; elsewhere a line every few seconds."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._terminal = stream.isatty()
        self._said = 0.0

    def __call__(self, text: str) -> None:
        now = time.monotonic()
        if self._terminal:
            self._stream.write(f"\r\033[K{text}")
        elif now - self._said >= _SAY_SECONDS:
            self._said = now
            self._stream.write(f"{text}\n")
        self._stream.flush()

    def done(self) -> None:
        if self._terminal:
            self._stream.write("\r\033[K")
            self._stream.flush()


class _Watch:
    """Looks at the machine between blocks, and remembers throttling that has gone by the end."""

    def __init__(self) -> None:
        self.before = conditions()
        self.throttled = bool(self.before.throttled)

    def look(self) -> Conditions:
        now = conditions()
        self.throttled = self.throttled or bool(now.throttled)
        return now


def bench(config: Config, request: Request, stdout: TextIO, stderr: TextIO) -> int:
    """Measure, and print the report; returns the exit code. Raises EdgeError."""
    if request.limit.frames is not None and request.limit.frames < FEWEST_FRAMES:
        raise ConfigError(f"--frames is {request.limit.frames}, but must be at least {FEWEST_FRAMES}")
    if request.json_file is not None:
        _check_writable(request.json_file)
    watch, progress = _Watch(), _Progress(stderr)
    runs: list[Run] = []
    size = (0, 0)
    program = None
    try:
        for threads in request.threads:
            cv2.setNumThreads(threads)
            model = structs.replace(config.model, threads=threads)
            with _sink(_bench_mqtt(config.mqtt)) as sink:
                run, size = _one(structs.replace(config, model=model), request.limit, sink, progress, watch)
            runs.append(run)
        if request.starts:
            # As many frames as there were: a clip may be over before the number that was asked for.
            program = Programs(config.source.uri, request.config_file).measure(
                request.starts, runs[0].frames, lambda text: progress(f"bench: {text}")
            )
    finally:
        progress.done()
    after = watch.look()
    report = Report(
        time=timestamp(time.time()),
        facts=facts(Classifier.from_config(config.model)),
        source=redacted(config.source.uri),
        width=size[0],
        height=size[1],
        published_to=_where(config.mqtt),
        before=watch.before,
        after=after,
        runs=runs,
        program=program,
        invalid=["the firmware held the clock down during the run"] if watch.throttled else [],
        remarks=_remarks(watch.before, runs),
    )
    if request.json_file is not None:
        write(report, request.json_file)
    stdout.write(table(report))
    return 0


def bench_compare(first: Path, second: Path, stdout: TextIO) -> int:
    """Print two reports side by side; returns the exit code. Raises ConfigError."""
    stdout.write(compare(read(first), read(second)))
    return 0


def _one(config: Config, limit: Limit, sink: Sink, progress: _Progress, watch: _Watch) -> tuple[Run, tuple[int, int]]:
    """Measure one number of threads; returns the run and the frames' (width, height)."""
    classifier = Classifier.from_config(config.model)
    contenders: dict[str, Variant] = {
        "line": PipelineVariant(config, classifier, sink),
        "plain": PlainLoopVariant(config, classifier),
        "floor": NetworkOnlyVariant(classifier),
    }
    options = SourceOptions(config.source, colour=classifier.wants_colour)
    whole = f" of {limit.frames}" if limit.frames is not None else ""
    named = f"{config.model.threads} thread" + "s" * (config.model.threads > 1)

    def after_block(frames: int, seconds: float) -> None:
        watch.look()
        progress(f"bench: {named}, {frames}{whole} frames, {seconds:.0f} s")

    return measure(
        lambda: create_source(config.source.uri, options),
        contenders,
        config.model.threads,
        limit,
        after_block,
    )


def _bench_mqtt(mqtt: MqttConfig) -> MqttConfig:
    """Publish under a topic of its own, so that nobody takes this for a sensor, and leave nothing on disk."""
    return structs.replace(mqtt, base_topic=f"{mqtt.base_topic}-bench", outbox_directory=MEMORY)


def _where(mqtt: MqttConfig) -> str:
    return f"{mqtt.url}, topics below {_bench_mqtt(mqtt).base_topic}/" if mqtt.url else f"{os.devnull} as JSON Lines"


@contextmanager
def _sink(mqtt: MqttConfig) -> Iterator[Sink]:
    """Give where events go: the configured broker, else JSON Lines to nowhere."""
    if not mqtt.url:
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
            yield JsonLinesSink(nowhere)
        return
    from edge.mqtt.sink import MqttSink  # noqa: PLC0415 - not needed without a broker

    publisher = MqttSink(mqtt, f"bench-{secrets.token_hex(4)}")
    publisher.start()
    try:
        yield publisher
    finally:
        publisher.close(_DRAIN_SECONDS)


def _remarks(before: Conditions, runs: Sequence[Run]) -> list[str]:
    remarks = []
    if before.load is not None and before.load >= _BUSY_LOAD * processors():
        remarks.append(
            f"other work kept the processors busy (load {before.load:.1f} on {processors()}): the milliseconds are "
            f"too high, the ratios of processor time still hold"
        )
    if before.governor is not None and before.governor != "performance":
        remarks.append(f"the clock governor is {before.governor}: the clock changed with the load")
    if not any(run.frames_with_face for run in runs):
        remarks.append("no frame showed a face that was followed: nothing was classified")
    return remarks


def _check_writable(path: Path) -> None:
    """Better before minutes of measuring than after."""
    there = path.exists()
    try:
        with path.open("ab"):
            pass
        if not there:
            path.unlink()
    except OSError as error:
        raise ConfigError(f"--json {path} cannot be written: {error.strerror}") from error
