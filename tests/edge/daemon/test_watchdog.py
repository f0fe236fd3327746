"""When the watchdog is fed, by simulated turns of the main loop."""

from edge.daemon.watchdog import PUBLISHER_SECONDS, WatchdogFeeder
from edge.system.sd_notify import Notifier


class CountingNotifier(Notifier):
    """Counts the feeds instead of sending them."""

    def __init__(self, period_seconds=30):
        super().__init__({"WATCHDOG_USEC": str(period_seconds * 1_000_000)})
        self.feeds = 0

    def alive(self):
        self.feeds += 1


def feeds(turns, *, live=True, beat=lambda _seconds: None):
    """Return how often turns of (seconds, frames so far, source state) feed it; `beat`: the publisher's, by second."""
    notifier = CountingNotifier()
    watchdog = WatchdogFeeder(notifier, live=live)
    for seconds, frames, source in turns:
        watchdog.update(frames, source, beat(seconds), seconds, stall_seconds=5)
    return notifier.feeds


def test_frames_feed_the_watchdog_three_times_per_period():
    assert feeds([(second, second, "ok") for second in range(60)]) == 6


def test_camera_that_hangs_unnoticed_starves_the_watchdog(caplog):
    assert feeds([(second, 7, "ok") for second in range(600)]) == 1
    (message,) = [record.getMessage() for record in caplog.records]
    assert message == "no frame for 10 s, and the source reports no error: systemd's watchdog is not fed any more"


def test_slow_camera_feeds_the_watchdog_between_its_frames(caplog):
    """A frame in ten seconds, so that it may be silent for 30: longer than others."""
    notifier = CountingNotifier()
    watchdog = WatchdogFeeder(notifier, live=True)
    for second in range(600):
        watchdog.update(second // 20, "ok", None, second, stall_seconds=30.0)
    assert notifier.feeds == 60
    assert not caplog.records


def test_camera_that_is_reported_away_or_paused_feeds_the_watchdog():
    assert feeds([(second, 7, "lost") for second in range(60)]) == 6
    assert feeds([(second, 7, "stalled") for second in range(60)]) == 6
    assert feeds([(second, 7, "paused") for second in range(60)]) == 6


def test_publisher_that_completes_turns_feeds_the_watchdog(caplog):
    assert feeds([(second, second, "ok") for second in range(600)], beat=lambda second: second - second % 5) == 60
    assert not caplog.records


def test_publisher_that_hangs_starves_the_watchdog_whatever_the_camera_does(caplog):
    times = feeds([(second, second, "ok") for second in range(1200)], beat=lambda second: min(second, 300))
    assert times == (300 + PUBLISHER_SECONDS) // 10 + 1
    (message,) = [record.getMessage() for record in caplog.records]
    assert message == "the publisher has hung for 3 min: systemd's watchdog is not fed any more"


def test_publisher_that_takes_long_to_connect_feeds_the_watchdog():
    """The longest that resolving a name and connecting may take, again and again."""
    assert feeds([(second, second, "ok") for second in range(1800)], beat=lambda second: second - second % 179) == 180


def test_frames_of_a_file_that_are_not_due_yet_feed_the_watchdog():
    assert feeds([(second, 7, "ok") for second in range(60)], live=False) == 6
