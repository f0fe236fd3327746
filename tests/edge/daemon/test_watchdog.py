from edge.daemon.watchdog import PUBLISHER_SECONDS, WatchdogFeeder
from edge.system.sd_notify import Notifier


class CountingNotifier(Notifier):
    """Counts the notifications of the watchdog instead of sending them."""

    def __init__(self, period_seconds=30):
        super().__init__({"WATCHDOG_USEC": str(period_seconds * 1_000_000)})
        self.times = 0

    def alive(self):
        self.times += 1


def fed(turns, *, live=True, beat=lambda _seconds: None):
    """Return how often these turns of (seconds, frames so far, source) feed the watchdog.

    `beat`: time of the publisher's last turn, by the time of the turn.
    """
    notifier = CountingNotifier()
    feeder = WatchdogFeeder(notifier, stall_seconds=5, live=live)
    for seconds, frames, source in turns:
        feeder.turn(frames, source, beat(seconds), seconds)
    return notifier.times


def test_frames_feed_the_watchdog_three_times_per_period():
    assert fed([(second, second, "ok") for second in range(60)]) == 6


def test_camera_that_hangs_unnoticed_starves_the_watchdog():
    assert fed([(second, 7, "ok") for second in range(600)]) == 1


def test_camera_that_is_known_to_be_away_does_not_starve_the_watchdog():
    assert fed([(second, 7, "lost") for second in range(60)]) == 6
    assert fed([(second, 7, "stalled") for second in range(60)]) == 6
    assert fed([(second, 7, "paused") for second in range(60)]) == 6


def test_publisher_that_makes_progress_does_not_starve_the_watchdog(caplog):
    assert fed([(second, second, "ok") for second in range(600)], beat=lambda second: second - second % 5) == 60
    assert not caplog.records


def test_publisher_that_hangs_starves_the_watchdog_even_with_frames(caplog):
    times = fed([(second, second, "ok") for second in range(1200)], beat=lambda second: min(second, 300))
    assert times == (300 + PUBLISHER_SECONDS) // 10 + 1
    (message,) = [record.getMessage() for record in caplog.records]
    assert message == "the publisher has hung for 3 min: systemd is not told any more that all is well"


def test_publisher_that_connects_slowly_does_not_starve_the_watchdog():
    """The longest that a name look-up and a connection attempt may take, repeated."""
    assert fed([(second, second, "ok") for second in range(1800)], beat=lambda second: second - second % 179) == 180


def test_finite_source_without_new_frames_does_not_starve_the_watchdog():
    assert fed([(second, 7, "ok") for second in range(60)], live=False) == 6
