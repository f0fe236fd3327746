import pytest
from msgspec import structs

from edge.commands.bench.report import Spread
from edge.commands.bench.verdict import judge
from edge.config.schema import BudgetConfig, Config, ModelConfig


def spread(p99_ms, p95_ms=None):
    return Spread(frames=100, p50_ms=p99_ms / 2, p95_ms=p95_ms or p99_ms, p99_ms=p99_ms, max_ms=2 * p99_ms)


@pytest.fixture
def run_of(report):
    """A run with one face: 20 ms end to end, of which 8 ms to detect and 10 ms to classify, unless changed."""

    def make(end_to_end=20.0, detect=8.0, classify=10.0, **changes):
        stages = {"detect": spread(detect), "classify": spread(classify), "track": spread(0.1)}
        run = structs.replace(
            report.runs[0], fps=39.2, stages=stages, end_to_end=spread(end_to_end), floor=spread(classify)
        )
        return structs.replace(run, **changes)

    return make


def test_room_is_what_is_left_to_the_limit_divided_by_the_cost_of_a_face(run_of):
    verdict = judge(run_of(), Config())
    assert verdict.sentence == (
        "one face: 39.2 frames a second, 99 % within 20 ms: keeps the budget of 100 ms, with room for 3 more faces"
    )
    assert (verdict.keeps_budget, verdict.further_faces) == (True, 3)  # (80 - 20) / (8 + 10)


def test_room_ends_at_the_faces_that_are_classified(run_of):
    quick = run_of(2.0, 0.5, 1.0)
    assert judge(quick, Config()).sentence.endswith(", with room for the 8 faces of model.max_faces")
    alone = judge(quick, Config(model=ModelConfig(max_faces=1)))
    assert alone.further_faces == 0
    assert alone.sentence.endswith(", with room for no more faces")


def test_faces_in_view_share_the_detection(run_of):
    verdict = judge(run_of(faces_per_frame=2.0), Config())
    assert verdict.sentence.startswith("2.0 faces a frame: ")
    assert verdict.further_faces == 4  # (80 - 20) / (8 / 2 + 10)


def test_without_a_face_nothing_is_said_of_further_ones(run_of):
    verdict = judge(run_of(frames_with_face=0, faces_per_frame=0.0), Config())
    assert verdict.sentence.startswith("no face in view: 39.2 frames a second")
    assert verdict.further_faces is None
    assert "with a face in view" in verdict.sentence


@pytest.mark.parametrize(
    ("detect", "classify", "first"),
    [(30.0, 90.0, 'set model.name to "small"'), (90.0, 30.0, "set detector.search_width_px below 480")],
)
def test_budget_that_is_not_kept_names_the_keys_of_the_slowest_stage_first(run_of, detect, classify, first):
    verdict = judge(run_of(121.0, detect, classify), Config())
    assert not verdict.keeps_budget
    assert f"99 % within 130 ms: does not keep the budget of 100 ms: {first}" in verdict.sentence
    assert verdict.sentence.endswith("or allow it: budget.latency_ms = 160")


def test_small_model_is_not_told_to_be_small(run_of):
    config = Config(model=ModelConfig(name="small"), budget=BudgetConfig(latency_ms=10))
    assert '"small"' not in judge(run_of(), config).sentence


def test_frames_at_the_limit_are_no_room(run_of):
    verdict = judge(run_of(85.0), Config())
    assert verdict.keeps_budget
    assert verdict.further_faces == 0
    assert "keeps the budget of 100 ms, but from 80 ms on the sensor does less work per frame: " in verdict.sentence
