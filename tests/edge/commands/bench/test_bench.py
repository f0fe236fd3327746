"""`emotion-edge bench`: small runs of the real thing. How long anything took is never judged here."""

import io
import json

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from edge.capture.open import create_source
from edge.capture.source import SourceOptions
from edge.commands.bench import machine as facts
from edge.commands.bench import measure
from edge.commands.bench.compare import compare
from edge.commands.bench.measure import Limit
from edge.commands.bench.report import Report, read
from edge.commands.bench.table import table
from edge.commands.bench.variants import Work
from edge.errors import ConfigError, SourceError
from edge.vision.classification.manifest import find_model, load_manifest
from support.program import run

SCRIPT = "scripted:happy=3?seed=1"


@pytest.fixture(scope="module")
def benched(tmp_path_factory):
    """One small benchmark by the real command: what it printed, and what it wrote."""
    path = tmp_path_factory.mktemp("bench") / "result.json"
    result = run(
        "bench", "--source", SCRIPT, "--frames", 24, "--threads", "1,2", "--starts", 1, "--json", path
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return result, path


@pytest.fixture(scope="module")
def report(benched):
    return read(benched[1])


def test_the_file_holds_every_measurement(report):
    assert [one.threads for one in report.runs] == [1, 2]
    for one in report.runs:
        # Percentiles leave out the first frame of each of the three blocks.
        assert one.frames == 24
        assert one.frames_with_face == 24  # found during the warm-up
        assert one.plain_faces_per_frame >= 1
        assert {"detect", "classify", "track", "publish"} <= set(one.stages)
        assert one.stages["detect"].frames == one.end_to_end.frames == one.capture.frames == one.plain.frames == 21
        assert 1 <= one.stages["publish"].frames < 21
        for spread in (one.capture, one.end_to_end, one.end_to_end_cpu, one.plain, one.floor, *one.stages.values()):
            assert spread.p50_ms <= spread.p95_ms <= spread.p99_ms <= spread.max_ms
        assert one.fps > 0
        assert min(one.cpu_ms.capture, one.cpu_ms.line, one.cpu_ms.plain, one.cpu_ms.floor) > 0
    assert (report.source, report.width, report.height) == (SCRIPT, 640, 480)
    program = report.program
    assert program.frames == 24
    assert 0 < program.ready_seconds[0] < program.first_event_seconds[0]
    assert program.peak_resident_mb > 20


def test_the_facts_are_this_machines(report):
    manifest = load_manifest(find_model("normal"))
    assert (report.facts.model, report.facts.model_sha256) == (manifest.name, manifest.sha256)
    assert report.facts.processors >= 1
    assert report.facts.interpreter.split()[0] in ("ai-edge-litert", "tflite-runtime")
    assert report.before.load >= 0


def test_the_table_shows_what_the_file_holds(benched, report):
    result, _ = benched
    assert result.stdout == table(report)
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines if line.startswith("  ") and line.rstrip().endswith(" 21")] == [
        "capture", "detect", "track", "end", "its", "plain", "floor",
    ] * 2  # fmt: skip
    # A face that stays as it is takes turns: of 21 frames at 15 a second 14 are read, and those before it is known.
    classified = [int(line.split()[-1]) for line in lines if line.startswith("  classify")]
    assert len(classified) == 2
    assert all(12 <= frames <= 18 for frames in classified)
    assert report.facts.model_sha256[:12] in result.stdout
    assert "published to /dev/null" in result.stdout


def test_progress_goes_to_standard_error(benched):
    result, _ = benched
    assert result.stderr.startswith("bench: 1 thread, 10 of 24 frames")
    assert "\r" not in result.stderr  # no terminal
    assert "\033" not in result.stdout + result.stderr


def test_its_json_has_a_schema(benched):
    schema = msgspec.json.schema(Report)
    jsonschema.Draft202012Validator(schema).validate(json.loads(benched[1].read_text(encoding="utf-8")))


def test_a_report_against_itself_changes_nothing(benched):
    _, path = benched
    result = run("bench", "--compare", path, path)
    assert result.returncode == 0, result.stderr
    heads = [index for index, line in enumerate(result.stdout.splitlines()) if "B / A" in line]
    rows = result.stdout.splitlines()[heads[0] + 1 :]
    assert any(row.startswith("threads 2, line / plain") for row in rows)
    assert {row.split()[-1] for row in rows} <= {"1.000", "-"}


def test_two_reports_name_what_differs(report):
    run_ = report.runs[0]
    cost = structs.replace(run_.cpu_ms, plain=2 * run_.cpu_ms.plain)
    other = structs.replace(
        report,
        source="scripted:",
        facts=structs.replace(report.facts, opencv="4.99.0"),
        runs=[structs.replace(run_, cpu_ms=cost)],
        program=None,
        invalid=["the firmware held the clock down during the run"],
    )
    lines = compare(report, other).splitlines()
    assert f"source: {SCRIPT} (A), scripted: (B)" in lines
    assert f"opencv: {report.facts.opencv} (A), 4.99.0 (B)" in lines
    assert "B is INVALID: the firmware held the clock down during the run" in lines
    (plain,) = [line for line in lines if line.startswith("threads 1, plain loop CPU")]
    assert plain.endswith(" 2.000")
    (ratio,) = [line for line in lines if line.startswith("threads 1, line / plain  ")]
    assert float(ratio.split()[-1]) == pytest.approx(0.5, abs=0.01)
    assert lines[-1].startswith("only in one: ")
    assert "program CPU, ms" in lines[-1]
    assert "threads 2, frames a second" in lines[-1]


def test_a_throttled_run_is_marked(report):
    bad = structs.replace(report, invalid=["the firmware held the clock down during the run"])
    assert table(bad).splitlines()[-1] == "INVALID: the firmware held the clock down during the run"


def test_events_go_to_a_broker_that_is_given(broker, subscribe):
    subscriber = subscribe(broker)
    result = run("bench", "--source", SCRIPT, "--frames", 10, "--starts", 0, "--mqtt", broker.url)
    assert result.returncode == 0, result.stderr
    assert f"published to {broker.url}, topics below emotion-edge-bench/" in result.stdout
    subscriber.wait(lambda: "stopped" in subscriber.statuses)
    assert [seen.json["type"] for seen in subscriber.of("event")] == ["face_appeared"]
    assert all(seen.topic.startswith("emotion-edge-bench/bench-") for seen in subscriber.seen)


def refused(*arguments):
    result = run("bench", *arguments)
    assert result.returncode > 0
    assert "Traceback" not in result.stderr
    return result.stderr.splitlines()[-1]


def test_what_cannot_be_measured_is_named(tmp_path):
    assert "scripted:happy=1?fps=5" in refused("--source", "scripted:happy=1?fps=5", "--starts", 0)
    assert "at least 30" in refused("--source", "scripted:happy=1?fps=5", "--starts", 0)
    assert str(tmp_path / "no.mp4") in refused("--source", tmp_path / "no.mp4")
    assert str(tmp_path / "no" / "r.json") in refused("--json", tmp_path / "no" / "r.json")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--threads", "1,0"), "--threads"),
        (("--threads", "2,2"), "different"),
        (("--threads", "17"), "1 to 16"),
        (("--frames", "0"), "--frames"),
        (("--frames", "9"), "at least 10"),
        (("--frames", "20", "--seconds", "3"), "not allowed with"),
        (("--starts", "-1"), "--starts"),
        (("--compare", "a.json"), "--compare"),
    ],
)
def test_a_flag_that_makes_no_sense_is_named(arguments, words):
    assert words in refused(*arguments)


@pytest.mark.parametrize("content", [b"", b"text", b"{}", b'{"schema":2,"kind":"emotion-edge bench"}', b"\xff\xfe"])
def test_a_file_that_is_no_report_is_named(tmp_path, benched, content):
    path = tmp_path / "wrong.json"
    path.write_bytes(content)
    for pair in ((path, benched[1]), (benched[1], path)):
        with pytest.raises(ConfigError, match=str(path)):
            [read(one) for one in pair]
    with pytest.raises(ConfigError, match="absent"):
        read(tmp_path / "absent.json")


def test_compare_names_a_file_that_is_no_report(tmp_path, benched):
    path = tmp_path / "wrong.json"
    path.write_text("{}", encoding="utf-8")
    message = refused("--compare", benched[1], path)
    assert message.startswith(f"emotion-edge: --compare {path} ")


class Counting:
    """Notes which frames it was given."""

    def __init__(self, log, name):
        self.log, self.name = log, name

    def work(self, frame):
        self.log.append((self.name, frame.number))
        return Work(1)


def test_all_see_the_same_frames_in_blocks_and_take_turns():
    log, done = [], []
    contenders = {name: Counting(log, name) for name in ("line", "plain", "floor")}
    run_, size = measure.measure(
        lambda: create_source("scripted:none=6", SourceOptions()),
        contenders,
        1,
        Limit(frames=35),
        lambda frames, _: done.append(frames),
    )
    assert (run_.frames, size, done) == (35, (640, 480), [10, 20, 30, 35])
    numbers = {name: [number for who, number in log if who == name] for name in contenders}
    assert numbers["line"] == numbers["plain"] == numbers["floor"] == list(range(measure.WARM_UP_FRAMES + 35))
    counted = log[3 * measure.WARM_UP_FRAMES :]
    firsts = [counted[start][0] for start in range(0, 90, 30)]
    assert firsts == ["line", "plain", "floor"]


def test_a_source_that_ends_early_counts_what_there_was():
    contenders = {name: Counting([], name) for name in ("line", "plain", "floor")}

    def frames_of(uri, limit):
        return measure.measure(lambda: create_source(uri, SourceOptions()), contenders, 1, limit, lambda *_: None)[
            0
        ].frames

    assert frames_of("scripted:none=2", Limit(frames=500)) == 30 - measure.WARM_UP_FRAMES
    assert frames_of("scripted:none=9", Limit(seconds=0.001)) == measure.FEWEST_FRAMES
    with pytest.raises(SourceError, match="29 frames"):
        frames_of("scripted:none=1.94", Limit(frames=500))


@given(st.floats(0, 1e3), st.floats(0, 1e3))
def test_ratios_of_any_cost_are_finite(line, plain):
    cost = measure.Cost(capture=0.0, line=line, plain=plain, floor=0.0)
    assert cost.work_ratio >= 0
    assert cost.whole_ratio >= 0
    assert cost.floor_ratio >= 0


@pytest.mark.parametrize(
    ("cpuinfo", "name"),
    [
        ("processor\t: 0\nmodel name\t: Intel(R) Core(TM) i5\n", "Intel(R) Core(TM) i5"),
        ("processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd08\nModel\t: Raspberry Pi 4\n", "Cortex-A72"),
        ("Hardware\t: BCM2835\n", "BCM2835"),
    ],
)
def test_the_processor_has_a_name(tmp_path, cpuinfo, name):
    path = tmp_path / "cpuinfo"
    path.write_text(cpuinfo, encoding="utf-8")
    assert facts.processor(path) == name
    assert facts.processor(tmp_path / "absent")


def test_memory_governor_and_board_as_the_system_tells(tmp_path):
    (tmp_path / "meminfo").write_text("MemTotal:        3884288 kB\nMemFree: 1 kB\n", encoding="ascii")
    assert facts.memory_mb(tmp_path / "meminfo") == 3793
    assert facts.memory_mb(tmp_path / "absent") is None
    (tmp_path / "scaling_governor").write_text("ondemand\n", encoding="ascii")
    (tmp_path / "scaling_cur_freq").write_text("1500000\n", encoding="ascii")
    state = facts.conditions(tmp_path)
    assert (state.governor, state.clock_mhz) == ("ondemand", 1500.0)
    assert facts.conditions(tmp_path / "absent").governor is None
    (tmp_path / "sys_vendor").write_text("Maker\n", encoding="ascii")
    (tmp_path / "product_name").write_text("Box 1\n", encoding="ascii")
    assert facts.board_name(tmp_path) is not None


def test_on_a_terminal_progress_is_one_line_that_is_written_over():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    from edge.commands.bench.command import _Progress  # noqa: PLC0415

    stream = Terminal()
    progress = _Progress(stream)
    progress("one")
    progress("two")
    progress.done()
    assert stream.getvalue() == "\r\033[Kone\r\033[Ktwo\r\033[K"
