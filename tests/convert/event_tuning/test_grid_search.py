"""The choice of the settings, and a search on few faces and one scene; the real one takes minutes."""

import json
from dataclasses import replace

import pytest

pytest.importorskip("ai_edge_litert", reason="the model is run by ai-edge-litert")
from convert.cli import main
from convert.errors import ConvertError
from convert.event_tuning import grid_search
from convert.event_tuning.ground_truth import EventScore
from edge.config.schema import EventsConfig
from support.brief_scene import BRIEF


def score_with(f1, delay):
    right = round(1000 * f1)
    return EventScore(1000, right, 1000 - right, 0, (delay,) * 20, 60.0)


def scores_with(f1, delay, scenes_f1=1.0, scenes_delay=1.0):
    """Returns scores with these values at every rate."""
    kinds = {"faces": score_with(f1, delay), "scenes": score_with(scenes_f1, scenes_delay)}
    return {(kind, rate): score for kind, score in kinds.items() for _, rate in grid_search.RATES}


def test_quickest_eligible_setting_near_the_best_is_chosen():
    ineligible = {
        EventsConfig(dwell_seconds=0.3): scores_with(0.95, 0.5),
        EventsConfig(dwell_seconds=2.0): scores_with(0.95, 0.5, scenes_delay=1.6),
    }
    grid = ineligible | {
        EventsConfig(dwell_seconds=0.5): scores_with(0.885, 0.7),
        EventsConfig(dwell_seconds=0.6): scores_with(0.895, 0.8),
        EventsConfig(dwell_seconds=0.7): scores_with(0.9, 0.9),
        EventsConfig(dwell_seconds=0.8): scores_with(0.95, 0.7, scenes_f1=0.9),
    }
    assert grid_search.choose(grid).dwell_seconds == 0.6
    assert [setting.dwell_seconds for setting in grid_search.near_best(grid)] == [0.7, 0.6]
    with pytest.raises(ConvertError, match="no setting"):
        grid_search.choose(ineligible)


def test_precise_setting_near_the_best_is_preferred():
    quick, precise = EventsConfig(dwell_seconds=0.5), EventsConfig(dwell_seconds=0.6)
    grid = {quick: scores_with(0.918, 0.7), precise: scores_with(0.92, 0.8)}
    assert grid_search.choose(grid) == precise
    assert grid_search.choose({quick: grid[quick], precise: scores_with(0.919, 0.8)}) == quick


@pytest.mark.footage
def test_command_prints_the_result_and_writes_the_grid(data, monkeypatch, tmp_path, capsys):
    search = grid_search.search_grid
    brief = grid_search.Grid(smoothings=(0.0, 0.1), dwells=(0.5, 0.7), margins=(0.1,))

    def search_briefly(classifier, folder, print_line, workload):
        return search(classifier, folder, print_line, replace(workload, seconds=4.0, scenes=(BRIEF,)), brief)

    monkeypatch.setattr(grid_search, "search_grid", search_briefly)
    assert main(["events", "--data", str(data), "--people", "2", "--json", str(tmp_path / "grid.json")]) == 0
    out = capsys.readouterr().out
    assert "chosen: smoothing_seconds = " in out
    assert "smoothing 0.10" in out
    assert "dwell      0.7" in out
    grid = json.loads((tmp_path / "grid.json").read_text())
    assert len(grid["grid"]) == 4 * len(grid_search.KINDS) * len(grid_search.RATES)
    assert set(grid["chosen"]) == {"smoothing_seconds", "dwell_seconds", "margin"}


def test_whole_grid_is_searched_by_default():
    grid = grid_search.Grid()
    assert len(grid.smoothings) * len(grid.dwells) * len(grid.margins) == 7 * 6 * 5
    assert EventsConfig().smoothing_seconds in grid.smoothings
    assert EventsConfig().dwell_seconds in grid.dwells
    assert EventsConfig().margin in grid.margins
    assert grid_search.Workload(40).seconds == 45
