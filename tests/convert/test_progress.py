import queue
import re
import threading

import pytest

from convert.progress import Heartbeat, progress_text


def test_progress_says_how_many_minutes_are_left_at_the_average_speed():
    printed = [progress_text("robustness", done, 60, float(done)) for done in (15, 30, 45)]
    assert printed == [f"robustness: {done} of 60, about {(60 - done) / 60:.1f} minutes left" for done in (15, 30, 45)]


def test_heartbeat_prints_what_is_being_done_as_long_as_nothing_else_is_printed():
    lines = queue.Queue()
    with Heartbeat(lines.put, 0.01) as beat:
        beat.line("begun")
        assert lines.get(timeout=60) == "begun"
        beat.status(lambda: "loading")
        assert [lines.get(timeout=60) for _ in range(2)] == ["loading", "loading"]
    while not lines.empty():
        assert lines.get() == "loading"


def test_heartbeat_says_how_long_a_step_has_lasted():
    lines = queue.Queue()
    with Heartbeat(lines.put, 0.01) as beat:
        beat.status("reading the data set")
        assert re.fullmatch(r"reading the data set, \d+ s so far", lines.get(timeout=60))


def test_heartbeat_says_how_much_of_counted_work_is_done():
    lines = queue.Queue()
    with Heartbeat(lines.put, 0.01) as beat:
        tick = beat.counted("converting")
        assert re.fullmatch(r"converting: \d+ s so far", lines.get(timeout=60))
        tick(3, 4)
        pattern = r"converting: 3 of 4, about \d+\.\d minutes left"
        assert any(re.fullmatch(pattern, lines.get(timeout=60)) for _ in range(1000))


def test_heartbeat_is_silent_within_its_interval():
    lines = []
    with Heartbeat(lines.append, 3600) as beat:
        beat.status(lambda: "loading")
        beat.line("done")
    assert lines == ["done"]


def test_heartbeat_whose_output_nobody_reads_leaves_the_error_to_the_work():
    tried = threading.Event()

    def closed_pipe(text):
        tried.set()
        raise BrokenPipeError(text)

    with Heartbeat(closed_pipe, 0.01) as beat:
        beat.status("loading")
        assert tried.wait(60)
        with pytest.raises(BrokenPipeError):
            beat.line("done")
