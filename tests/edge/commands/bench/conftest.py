"""A report with invented figures: what formats and files do with it does not depend on a measurement."""

import pytest

from edge.commands.bench.report import Conditions, Cost, Facts, Program, Report, Run, Spread, write_report


def spread(p50_ms, frames=21):
    return Spread(frames=frames, p50_ms=p50_ms, p95_ms=2 * p50_ms, p99_ms=3 * p50_ms, max_ms=4 * p50_ms)


def run_with(threads):
    return Run(
        threads=threads,
        frames=24,
        frames_with_face=24,
        faces_per_frame=1.0,
        plain_faces_per_frame=1.125,
        capture=spread(0.5),
        stages={
            "detect": spread(1.0),
            "classify": spread(1.25, 14),
            "track": spread(0.125),
            "publish": spread(0.25, 2),
        },
        end_to_end=spread(2.5),
        end_to_end_cpu=spread(2.0),
        plain=spread(40.0),
        floor=spread(1.25),
        fps=320.0,
        cpu_ms=Cost(capture=0.5, line=2.5, plain=40.0, floor=1.25),
    )


@pytest.fixture
def report():
    conditions = Conditions(load=0.25, governor="performance", clock_mhz=1500.0, temperature_c=50.0, throttled=False)
    return Report(
        time="2026-01-31T08:15:00.250Z",
        facts=Facts(
            board="Raspberry Pi 4",
            processor="Cortex-A72",
            processors=4,
            memory_mb=3793,
            os="Debian",
            kernel="6.1",
            machine="aarch64",
            python="3.11.7",
            numpy="1.26.4",
            opencv="4.11.0",
            interpreter="ai-edge-litert 2.3.0",
            emotion_edge="0.1.0",
            model="normal",
            model_sha256="0123456789abcdef" * 4,
            model_input="112x112 grey",
        ),
        source="scripted:happy=3?seed=1",
        width=640,
        height=480,
        published_to="/dev/null as JSON Lines",
        before=conditions,
        after=conditions,
        runs=[run_with(1), run_with(2)],
        program=Program(
            ready_seconds=[1.0],
            first_event_seconds=[1.5],
            patience_seconds=20.0,
            frames=24,
            cpu_ms_per_frame=3.0,
            peak_resident_mb=100.0,
        ),
        invalid=[],
        remarks=[],
    )


@pytest.fixture
def report_file(report, tmp_path):
    path = tmp_path / "report.json"
    write_report(report, path)
    return path
