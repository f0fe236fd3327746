"""`emotion-edge bench`: runs the measurements in order and prints their report."""

import argparse
import os
import secrets
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

import cv2
from msgspec import structs

from edge.capture.auto import is_auto
from edge.capture.open import create_masked_source
from edge.capture.source import SourceOptions
from edge.commands.bench.compare import format_comparison
from edge.commands.bench.machine import current_conditions, gather_facts, processor_count
from edge.commands.bench.measure import FEWEST_FRAMES, Limit, measure
from edge.commands.bench.program import ProgramRuns
from edge.commands.bench.report import Conditions, Report, Run, read_report, write_report
from edge.commands.bench.table import BUSY, format_report
from edge.commands.bench.variants import NetworkOnlyVariant, PipelineVariant, PlainLoopVariant, Variant
from edge.commands.bench.verdict import judge
from edge.commands.common import BENCH_FRAMES
from edge.config.credentials import shown_broker_url
from edge.config.mqtt_schema import MqttConfig
from edge.config.schema import Config
from edge.config.state_dir import MEMORY
from edge.errors import ConfigError
from edge.messages.payload_builder import timestamp
from edge.mqtt.settings import command_client_id
from edge.redact import redacted
from edge.sinks.base import Sink
from edge.sinks.jsonlines import JsonLinesSink
from edge.vision.classification.classifier import Classifier

_PROGRESS_SECONDS: Final = 5.0
"""Time between two lines of progress where standard error is not a terminal."""
_BUSY_LOAD: Final = 0.5
"""Load of other programs, in processors in use per processor, from which wall-clock figures mean little."""
_DRAIN_SECONDS: Final = 5.0


def run(arguments: argparse.Namespace, config: Config) -> int:
    """Measure, or compare two reports; returns the exit code. Raises EdgeError."""
    if arguments.compare is not None:
        first, second = arguments.compare
        sys.stdout.write(format_comparison(read_report(first), read_report(second)))
        return 0
    frames = BENCH_FRAMES if arguments.frames is None and arguments.seconds is None else arguments.frames
    request = Request(
        limit=Limit(frames, arguments.seconds),
        threads=arguments.threads or [config.model.threads],
        starts=arguments.starts,
        json_file=arguments.json,
        config_file=arguments.config,
    )
    sys.stdout.write(format_report(bench(config, request, sys.stderr)))
    return 0


@dataclass(frozen=True)
class Request:
    """What to measure. `starts`: starts of the whole program; `config_file`: the configuration for these."""

    limit: Limit
    threads: Sequence[int]
    starts: int
    json_file: Path | None
    config_file: Path | None


class Progress:
    """Prints progress: on a terminal one line that is overwritten, elsewhere a line every few seconds."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._terminal = stream.isatty()
        self._printed_at = 0.0

    def __call__(self, text: str) -> None:
        """Print a line."""
        now = time.monotonic()
        if self._terminal:
            self._stream.write(f"\r\033[K{text}")
        elif now - self._printed_at >= _PROGRESS_SECONDS:
            self._printed_at = now
            self._stream.write(f"{text}\n")
        self._stream.flush()

    def clear(self) -> None:
        """Remove the line from a terminal."""
        if self._terminal:
            self._stream.write("\r\033[K")
            self._stream.flush()


class _ConditionsMonitor:
    """Reads the machine's conditions between blocks, and remembers throttling that is over by the end."""

    def __init__(self) -> None:
        self.before = current_conditions()
        self.throttled = bool(self.before.throttled)

    def sample(self) -> Conditions:
        now = current_conditions()
        self.throttled = self.throttled or bool(now.throttled)
        return now


def bench(config: Config, request: Request, stderr: TextIO) -> Report:
    """Run the measurements, with progress on `stderr`, and write the report's file. Raises EdgeError."""
    if request.limit.frames is not None and request.limit.frames < FEWEST_FRAMES:
        raise ConfigError(f"--frames is {request.limit.frames}, but must be at least {FEWEST_FRAMES}")
    if request.json_file is not None:
        _check_writable(request.json_file)
    monitor, progress = _ConditionsMonitor(), Progress(stderr)
    runs: list[Run] = []
    size, uri = (0, 0), config.source.uri
    program = None
    try:
        progress(
            f"bench: opening {redacted(config.source.uri)}; the whole takes a minute or two, or longer on a slow board"
        )
        for threads in request.threads:
            cv2.setNumThreads(threads)
            model = structs.replace(config.model, threads=threads)
            with _bench_sink(_bench_mqtt(config.mqtt)) as sink:
                results, size, uri = _measure_variants(
                    structs.replace(config, model=model), request.limit, sink, progress, monitor
                )
            runs.append(structs.replace(results, verdict=judge(results, config)))
        if request.starts:
            # The number of frames measured, because a clip may be shorter than the number asked for.
            program = ProgramRuns(uri, request.config_file).measure(
                request.starts, runs[0].frames, lambda text: progress(f"bench: {text}")
            )
    finally:
        progress.clear()
    after = monitor.sample()
    report = Report(
        time=timestamp(time.time()),
        facts=gather_facts(Classifier.from_config(config.model)),
        source=redacted(uri),
        width=size[0],
        height=size[1],
        published_to=_describe_destination(config.mqtt),
        before=monitor.before,
        after=after,
        runs=runs,
        program=program,
        invalid=["the firmware held the clock down during the run"] if monitor.throttled else [],
        remarks=_remarks(monitor.before, runs),
    )
    if request.json_file is not None:
        write_report(report, request.json_file)
    return report


def _measure_variants(
    config: Config, limit: Limit, sink: Sink, progress: Progress, monitor: _ConditionsMonitor
) -> tuple[Run, tuple[int, int], str]:
    """Measure the three variants with one number of threads.

    Returns the run, the frames' (width, height), and the URI of the source: for `auto:` that of its camera.
    """
    classifier = Classifier.from_config(config.model)
    variants: dict[str, Variant] = {
        "line": PipelineVariant(config, classifier, sink),
        "plain": PlainLoopVariant(config, classifier),
        "floor": NetworkOnlyVariant(classifier),
    }
    options = SourceOptions(config.source, colour=classifier.wants_colour)
    total = f" of {limit.frames}" if limit.frames is not None else ""
    threads = f"{config.model.threads} thread" + "s" * (config.model.threads > 1)

    def after_block(frames: int, seconds: float) -> None:
        monitor.sample()
        progress(f"bench: {threads}, {frames}{total} frames, {seconds:.0f} s")

    source = create_masked_source(config, options)
    run, size = measure(
        lambda: source,
        variants,
        config.model.threads,
        limit,
        after_block,
        lambda text: progress(f"bench: {threads}, {text}"),
    )
    return run, size, source.uri if is_auto(config.source.uri) else config.source.uri


def _bench_mqtt(mqtt: MqttConfig) -> MqttConfig:
    """Return settings with a base topic of their own, where no subscriber takes this for a sensor, and no file."""
    # Nor does it take the client id of a sensor that runs beside it: the broker would end that connection.
    client_id = mqtt.client_id and command_client_id(mqtt, "bench")
    return structs.replace(mqtt, base_topic=f"{mqtt.base_topic}-bench", outbox_directory=MEMORY, client_id=client_id)


def _describe_destination(mqtt: MqttConfig) -> str:
    return (
        f"{shown_broker_url(mqtt.url)}, topics below {_bench_mqtt(mqtt).base_topic}/"
        if mqtt.url
        else f"{os.devnull} as JSON Lines"
    )


@contextmanager
def _bench_sink(mqtt: MqttConfig) -> Iterator[Sink]:
    """Yield the sink of events: the configured broker, else JSON Lines to the null device."""
    if not mqtt.url:
        with Path(os.devnull).open("w", encoding="utf-8") as null:
            yield JsonLinesSink(null)
        return
    from edge.mqtt.sink import MqttSink  # noqa: PLC0415 - not needed without a broker

    sink = MqttSink(mqtt, f"bench-{secrets.token_hex(4)}")
    sink.start()
    try:
        yield sink
    finally:
        sink.close(_DRAIN_SECONDS)


def _remarks(before: Conditions, runs: Sequence[Run]) -> list[str]:
    remarks = []
    if before.load is not None and before.load >= _BUSY_LOAD * processor_count():
        remarks.append(
            f"{BUSY} (load {before.load:.1f} on {processor_count()}): the "
            f"milliseconds are too high, the ratios of processor time still hold"
        )
    if before.governor is not None and before.governor != "performance":
        remarks.append(f"the clock governor is {before.governor}, not performance: the clock changed with the load")
    if not any(run.frames_with_face for run in runs):
        remarks.append("no frame showed a tracked face: nothing was classified")
    return remarks


def _check_writable(path: Path) -> None:
    """Raise ConfigError where the report cannot be written, before minutes of measuring."""
    existed = path.exists()
    try:
        with path.open("ab"):
            pass
        if not existed:
            path.unlink()
    except OSError as error:
        raise ConfigError(f"--json {path} cannot be written: {error.strerror}") from error
