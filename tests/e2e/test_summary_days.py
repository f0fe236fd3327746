"""72 made-up hours of summaries, with kills, power cuts and a clock that is set: the days add up, second by second."""

import random
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import msgspec
import pytest

from edge.commands.summary import read
from edge.config.schema import Config
from edge.config.state_dir import summary_file
from edge.summary.store import SummaryStore
from edge.summary.tally import Tally
from support.made_up_days import BEGAN, HOUR, SECONDS, VALENCES, Days, local, utc_offset, wrong_by

TESTS = Path(__file__).parents[1]
KILLS = 12
SEED = 20261024


def played(file, first, boot, boot_began, until):
    """Play the days from a second on; kill the process once it has reached `until`. Returns where it was by then."""
    arguments = [str(file), str(SEED), str(first), boot, str(boot_began)]
    command = [sys.executable, "-m", "support.made_up_days", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=TESTS) as process:
        reached = first
        for line in process.stdout:
            reached = int(line)
            if until is not None and reached >= until:
                process.kill()
                break
        # What it had printed before the signal came.
        reached = max([reached, *(int(line) for line in process.stdout if line.endswith("\n"))])
        code = process.wait(600)
    assert code == (0 if until is None else -9)
    return reached


class Runs:
    """The runs of the sensor over the days: (first second, second of its end, start of the machine) of each.

    `began`: the second at which each start of the machine began.
    """

    def __init__(self, file):
        rng = random.Random(SEED)
        self.all, self.began = [], {"boot-0": 0}
        first, boot = 0, "boot-0"
        for number, until in enumerate([*sorted(rng.sample(range(HOUR, SECONDS - 2 * HOUR), KILLS)), None]):
            if until is not None and until <= first:
                continue
            reached = played(file, first, boot, self.began[boot], until)
            self.all.append((first, reached, boot))
            first = reached + rng.randrange(5, 4000)
            # A power cut takes the clock that no step changes with it. While the time of day is wrong, there is none.
            if number % 3 == 0 and not wrong_by(reached):
                boot = f"boot-{number + 1}"
                self.began[boot] = first - 20

    def covered(self, cells):
        """Return the seconds that cells on the disk cover."""
        found = set()
        for cell in cells:
            start = round(cell.start + self.began[cell.boot])
            found |= set(range(start, round(cell.start + self.began[cell.boot] + cell.length)))
        return found

    def truth(self, covered):
        """Count second by second, of those that are covered, by local day."""
        days, found = Days(SEED), defaultdict(Tally)
        for begin, end, _ in self.all:
            before = set()
            for second in range(begin, end):
                paused = days.paused(second)
                there = [] if paused else days.there(second)
                new = [visit for visit in there if visit.number not in before]
                before = {visit.number for visit in there}
                if second in covered:
                    count(found[local().day(BEGAN + second)], second, there, new, paused=paused)
        return found


def count(tally, second, there, new, *, paused):
    tally.looked_seconds += not paused
    tally.not_looked_seconds += paused
    tally.present_seconds += bool(there)
    tally.visits += len(new)
    for visit in there:
        label = visit.label(second)
        tally.label(label).seconds += 1
        tally.valence_seconds += 1
        tally.valence_sum += VALENCES[label]


def assert_same(one, bounds, tally):
    """A minute that was cut where the clock was set may lie on the other side of midnight, and no more than that."""

    def near(value):
        return pytest.approx(value, abs=60)

    assert one.visits == pytest.approx(tally.visits, abs=1)
    assert one.present_seconds == near(tally.present_seconds)
    assert one.looked_seconds == near(tally.looked_seconds)
    assert one.not_looked_seconds == near(tally.not_looked_seconds)
    assert one.valence == pytest.approx(tally.valence_sum / tally.valence_seconds, abs=0.01)
    assert {name: near(tally.label(name).seconds) for name in one.emotion_seconds} == one.emotion_seconds
    length = (bounds[1] if one.complete else BEGAN + SECONDS) - bounds[0]
    assert one.looked_seconds + one.not_looked_seconds + one.off_seconds == pytest.approx(length, abs=1)


@pytest.mark.long
def test_three_days_with_kills_and_clock_jumps_add_up(tmp_path, monkeypatch):
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    config = msgspec.convert({"device": {"id": "cam"}, "summary": {"min_visits": 0}}, Config)
    file = summary_file(config.mqtt, "cam", {"STATE_DIRECTORY": str(tmp_path)})
    runs = Runs(file)
    minutes, hours = SummaryStore(file, 0).load_all()
    covered = runs.covered([*hours, *minutes])
    for begin, end, _ in runs.all[:-1]:
        lost = set(range(begin, end)) - covered
        assert len(lost) <= HOUR + 60, (begin, end)
        assert not lost or min(lost) >= end - HOUR - 60, "only the end of a run is lost"
    begin, end, _ = runs.all[-1]
    assert set(range(begin, end)) <= covered  # it ended by itself

    truth = runs.truth(covered)
    by_day, _ = read(config, "day", 4, BEGAN + SECONDS, utc_offset)
    by_hour, _ = read(config, "hour", 4, BEGAN + SECONDS, utc_offset)
    assert [one.local_start[:10] for one in by_day] == [f"2026-10-{day}" for day in (24, 25, 26, 27)]
    for one, (bounds, tally) in zip(by_day, sorted(truth.items()), strict=True):
        assert_same(one, bounds, tally)
        of_the_day = [hour for hour in by_hour if one.start <= hour.start < one.end]
        assert sum(hour.visits for hour in of_the_day) == one.visits
        assert sum(hour.present_seconds for hour in of_the_day) == pytest.approx(one.present_seconds, abs=3)
    # Over all days nothing is missing and nothing is counted twice.
    assert sum(one.visits for one in by_day) == sum(tally.visits for tally in truth.values())
    total = sum(tally.present_seconds for tally in truth.values())
    assert sum(one.present_seconds for one in by_day) == pytest.approx(total, abs=1)
    # The clock was put back in the night to the 25th.
    begin, end = sorted(truth)[1]
    assert end - begin == 25 * HOUR
