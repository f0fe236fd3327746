import pytest

from edge.capture.open import create_source
from edge.capture.source import SourceOptions
from edge.commands.bench.measure import FEWEST_FRAMES, WARM_UP_FRAMES, Limit, measure
from edge.commands.bench.variants import Work
from edge.errors import SourceError


class RecordingVariant:
    """Records the numbers of the frames that it processes."""

    def __init__(self, log, name):
        self.log, self.name = log, name

    def work(self, frame):
        self.log.append((self.name, frame.number))
        return Work(1)


def test_variants_process_the_same_frames_in_alternating_blocks():
    log, done, said = [], [], []
    variants = {name: RecordingVariant(log, name) for name in ("line", "plain", "floor")}
    run, size = measure(
        lambda: create_source("scripted:none=6", SourceOptions()),
        variants,
        1,
        Limit(frames=35),
        lambda frames, _: done.append(frames),
        said.append,
    )
    # Nothing is silent: each frame that is read, and each of the warm-up.
    assert said[:WARM_UP_FRAMES] == [
        f"reading frame {number + 1} of the next block" for number in range(WARM_UP_FRAMES)
    ]
    assert f"warm-up of floor, frame {WARM_UP_FRAMES} of {WARM_UP_FRAMES}" in said
    assert (run.frames, size, done) == (35, (640, 480), [10, 20, 30, 35])
    numbers = {name: [number for variant, number in log if variant == name] for name in variants}
    assert numbers["line"] == numbers["plain"] == numbers["floor"] == list(range(WARM_UP_FRAMES + 35))
    counted = log[3 * WARM_UP_FRAMES :]
    firsts = [counted[start][0] for start in range(0, 90, 30)]
    assert firsts == ["line", "plain", "floor"]


def test_source_that_ends_early_is_measured_as_far_as_it_goes():
    variants = {name: RecordingVariant([], name) for name in ("line", "plain", "floor")}

    def frames_of(uri, limit):
        return measure(lambda: create_source(uri, SourceOptions()), variants, 1, limit, lambda *_: None, str)[0].frames

    assert frames_of("scripted:none=2", Limit(frames=500)) == 30 - WARM_UP_FRAMES
    assert frames_of("scripted:none=9", Limit(seconds=0.001)) == FEWEST_FRAMES
    with pytest.raises(SourceError, match="29 frames"):
        frames_of("scripted:none=1.94", Limit(frames=500))
