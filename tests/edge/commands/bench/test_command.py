"""`emotion-edge bench` as a person types it: small runs of the real thing. No test judges how long anything took."""

import io

import pytest

from edge.cli import main
from edge.commands.bench.command import Progress
from edge.commands.bench.report import read_report
from edge.commands.bench.table import format_report
from edge.vision.classification.manifest import find_model, load_manifest
from support.program import run

BENCH_SOURCE = "scripted:happy=3?seed=1"


@pytest.fixture(scope="module")
def benchmark_result(tmp_path_factory):
    """One small benchmark by the real command: the finished process, and the file of its report."""
    path = tmp_path_factory.mktemp("bench") / "result.json"
    result = run(
        "bench", "--source", BENCH_SOURCE, "--frames", 24, "--threads", "1,2", "--starts", 1, "--json", path
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return result, path


@pytest.fixture(scope="module")
def report(benchmark_result):
    return read_report(benchmark_result[1])


def test_report_holds_every_measurement(report):
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
    assert (report.source, report.width, report.height) == (BENCH_SOURCE, 640, 480)
    program = report.program
    assert program.frames == 24
    assert 0 < program.ready_seconds[0] < program.first_event_seconds[0]
    assert program.peak_resident_mb > 20


def test_report_names_model_and_interpreter(report):
    manifest = load_manifest(find_model("normal"))
    assert (report.facts.model, report.facts.model_sha256) == (manifest.name, manifest.sha256)
    assert report.facts.processors >= 1
    assert report.facts.interpreter.split()[0] in ("ai-edge-litert", "tflite-runtime")
    assert report.before.load >= 0


def test_printed_table_shows_the_report(benchmark_result, report):
    result, _ = benchmark_result
    assert result.stdout == format_report(report)
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines if line.startswith("  ") and line.rstrip().endswith(" 21")] == [
        "capture", "detect", "track", "end", "its", "plain", "floor",
    ] * 2  # fmt: skip
    # A face whose expression stays is not classified in every frame: of 21 frames at 15 a second 14 are, and those
    # before it is confirmed.
    classified = [int(line.split()[-1]) for line in lines if line.startswith("  classify")]
    assert len(classified) == 2
    assert all(12 <= frames <= 18 for frames in classified)
    assert report.facts.model_sha256[:12] in result.stdout
    assert "published to /dev/null" in result.stdout


def test_last_lines_are_a_verdict_on_the_budget_for_each_number_of_threads(benchmark_result, report):
    result, _ = benchmark_result
    verdicts = result.stdout.splitlines()[-2:]
    for one, line, threads in zip(report.runs, verdicts, ("1 thread", "2 threads"), strict=True):
        assert line.removeprefix("verdict").removeprefix(" on a busy machine") == f": {threads}, {one.verdict.sentence}"
        assert one.verdict.sentence.startswith(f"one face: {one.fps:.3g} frames a second, 99 % within ")
        assert one.verdict.budget_ms == 100
        assert one.verdict.keeps_budget == (one.end_to_end.p99_ms <= 100)
    assert result.stdout.count("  floor: one run of the network and nothing else") == 2


def test_progress_is_printed_on_standard_error(benchmark_result):
    result, _ = benchmark_result
    assert result.stderr.startswith(f"bench: opening {BENCH_SOURCE}; ")
    assert "\r" not in result.stderr  # no terminal
    assert "\033" not in result.stdout + result.stderr


def test_events_are_published_below_a_topic_of_their_own(broker, subscribe):
    subscriber = subscribe(broker)
    result = run("bench", "--source", BENCH_SOURCE, "--frames", 10, "--starts", 0, "--mqtt", broker.url)
    assert result.returncode == 0, result.stderr
    assert f"published to {broker.url}, topics below emotion-edge-bench/" in result.stdout
    subscriber.wait(lambda: "stopped" in subscriber.statuses)
    assert [seen.json["type"] for seen in subscriber.of("event")] == ["face_appeared"]
    assert all(seen.topic.startswith("emotion-edge-bench/bench-") for seen in subscriber.seen)


@pytest.fixture
def refused(capsys):
    """Runs the command in this process, and returns the last line on standard error of its refusal."""

    def refuse(*arguments):
        try:
            code = main(["bench", *map(str, arguments)])
        except SystemExit as error:  # from argparse
            code = error.code
        assert code > 0
        complaint = capsys.readouterr().err
        assert "Traceback" not in complaint
        return complaint.splitlines()[-1]

    return refuse


def test_source_or_file_that_cannot_be_used_is_named(refused, tmp_path):
    too_short = refused("--source", "scripted:happy=1?fps=5", "--starts", 0)
    assert "scripted:happy=1?fps=5" in too_short
    assert "at least 30" in too_short
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
def test_invalid_option_is_named(refused, arguments, words):
    assert words in refused(*arguments)


def test_compare_names_a_file_that_is_no_report(refused, report_file, tmp_path):
    path = tmp_path / "wrong.json"
    path.write_text("{}", encoding="utf-8")
    assert refused("--compare", report_file, path).startswith(f"emotion-edge: --compare {path} ")


def test_comparison_of_a_report_with_itself_has_only_ratios_of_one(report_file, capsys):
    assert main(["bench", "--compare", str(report_file), str(report_file)]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = lines[next(index for index, line in enumerate(lines) if "B / A" in line) + 1 :]
    assert any(row.startswith("threads 2, line / plain") for row in rows)
    assert {row.split()[-1] for row in rows} <= {"1.000", "-"}


def test_progress_on_a_terminal_is_one_line_that_is_overwritten():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stream = Terminal()
    progress = Progress(stream)
    progress("one")
    progress("two")
    progress.clear()
    assert stream.getvalue() == "\r\033[Kone\r\033[Ktwo\r\033[K"
