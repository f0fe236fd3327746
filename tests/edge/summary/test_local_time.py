import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.summary.local_time import LocalTime

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Cairo")
"""Half and quarter hours of offset, a change by half an hour, and a clock that skips midnight."""
MOMENTS = st.integers(1_600_000_000, 1_900_000_000) | st.sampled_from(
    [1_793_491_200 + shift * 900 for shift in range(-200, 200)]  # around the end of summer time 2026
)


def offset_of(zone):
    info = ZoneInfo(zone)
    return lambda unix: round(datetime.datetime.fromtimestamp(unix, tz=info).utcoffset().total_seconds())


def local_times(zone):
    return LocalTime(offset_of(zone))


def unix(zone, *parts, fold=0):
    return datetime.datetime(*parts, tzinfo=ZoneInfo(zone), fold=fold).timestamp()


@given(st.sampled_from(ZONES), MOMENTS)
def test_hour_and_day_hold_the_moment_and_only_moments_of_the_same_hour_and_day(zone, moment):
    local, info = local_times(zone), ZoneInfo(zone)

    def shown(at, *fields):
        when = datetime.datetime.fromtimestamp(at, tz=info)
        return [getattr(when, field) for field in fields]

    for bounds, fields in (
        (local.hour(moment), ("year", "month", "day", "hour")),
        (local.day(moment), ("month", "day")),
    ):
        start, end = bounds
        assert start <= moment < end
        assert shown(start, *fields) == shown(end - 1, *fields) == shown(moment, *fields)
    # Periods follow each other without a gap.
    assert local.hour(local.hour(moment)[1])[0] == local.hour(moment)[1]
    assert local.day(local.day(moment)[1])[0] == local.day(moment)[1]
    # An hour lies in one day.
    assert local.day(local.hour(moment)[0]) == local.day(local.hour(moment)[1] - 1)


@pytest.mark.parametrize(("month", "day", "hours"), [(3, 29, 23), (10, 25, 25), (6, 1, 24)])
def test_day_has_23_or_25_hours_when_the_clock_is_put_forward_or_back(month, day, hours):
    local = local_times("Europe/Berlin")
    start, end = local.day(unix("Europe/Berlin", 2026, month, day, 12))
    assert start == unix("Europe/Berlin", 2026, month, day)
    assert end - start == hours * 3600
    found, at = [], start
    while at < end:
        found.append(local.hour(at))
        at = found[-1][1]
    assert len(found) == hours
    assert at == end


def test_hour_that_the_clock_shows_twice_is_two():
    local = local_times("Europe/Berlin")
    first = local.hour(unix("Europe/Berlin", 2026, 10, 25, 2, 30))
    second = local.hour(unix("Europe/Berlin", 2026, 10, 25, 2, 30, fold=1))
    assert first[1] == second[0]
    assert [end - start for start, end in (first, second)] == [3600, 3600]


def test_hour_ends_where_the_clock_is_put_back_by_half_an_hour():
    local = local_times("Australia/Lord_Howe")
    # At 2:00 of 5 April 2026 the clock goes back to 1:30.
    first = local.hour(unix("Australia/Lord_Howe", 2026, 4, 5, 1, 45))
    second = local.hour(unix("Australia/Lord_Howe", 2026, 4, 5, 1, 45, fold=1))
    assert (first[1] - first[0], second[1] - second[0]) == (3600, 1800)
    assert first[1] == second[0]


def test_day_without_a_midnight_begins_with_its_first_second():
    local = local_times("Africa/Cairo")
    # On 24 April 2026 the clock goes from 0:00 to 1:00.
    start, end = local.day(unix("Africa/Cairo", 2026, 4, 24, 12))
    assert start == unix("Africa/Cairo", 2026, 4, 24, 1)
    assert end - start == 23 * 3600
