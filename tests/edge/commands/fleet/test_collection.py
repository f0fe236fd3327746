from edge.commands.fleet.collection import MOST_SECONDS, QUIET_SECONDS, Collection
from edge.commands.fleet.devices import Fleet

BASE = "emotion-edge"
STEP = 0.35


def run(collection, fleet, deliver, start=0.0):
    """Let a broker answer: `deliver` returns the topics that it sends for filters. Returns what was asked, and when."""
    now, asked = start, [collection.first_filters]
    pending = list(deliver(asked[0]))
    while not collection.complete(now):
        for topic in pending:
            _, device, kind = topic.split("/")
            fleet.take(device, kind, b"online" if kind == "status" else b"{}", now, retained=True)
            collection.received(topic, now, retained=True)
        pending = []
        if filters := collection.next_filters(fleet.devices, now):
            asked.append(filters)
            pending = list(deliver(filters))
        now += 0.05
    return asked, now - start


def test_each_kind_is_asked_for_once_the_one_before_has_arrived():
    collection, fleet = Collection(BASE, 0.0), Fleet()
    asked, seconds = run(collection, fleet, lambda filters: [each.replace("+", "cam") for each in filters])
    assert asked == [[f"{BASE}/+/{kind}"] for kind in ("status", "info", "health", "state")]
    assert seconds < 5 * STEP + QUIET_SECONDS


def test_what_a_full_queue_dropped_is_asked_for_by_name_a_few_at_a_time():
    collection, fleet = Collection(BASE, 0.0), Fleet()

    def deliver(filters):
        if filters[0].startswith(f"{BASE}/+/"):
            kept = 400 if filters[0].endswith("status") else 100
            return [filters[0].replace("+", f"cam-{number}") for number in range(kept)]
        return filters

    asked, seconds = run(collection, fleet, deliver)
    by_name = asked[4:]
    assert [len(filters) for filters in by_name] == [250, 250, 250, 150]
    assert all(one.received == {"status", "info", "health", "state"} for one in fleet.devices)
    assert seconds < 10 * STEP + QUIET_SECONDS


def test_broker_without_retained_messages_for_wildcards_is_asked_for_what_published_meanwhile():
    collection, fleet = Collection(BASE, 0.0, least_seconds=3.0), Fleet()
    fleet.take("cam", "health", b"{}", 0.0, retained=False)
    asked, seconds = run(collection, fleet, lambda filters: [each for each in filters if "+" not in each])
    assert asked[4:] == [[f"{BASE}/cam/status", f"{BASE}/cam/info", f"{BASE}/cam/state"]]
    assert seconds >= 3.0


def test_device_that_shows_itself_later_is_asked_for_as_well_and_once():
    collection, fleet = Collection(BASE, 0.0, least_seconds=6.0), Fleet()
    asked, now = [], 0.0
    while not collection.complete(now):
        if 3.0 < now < 3.1:
            fleet.take("late", "health", b"{}", now, retained=False)
        asked += collection.next_filters(fleet.devices, now)
        now += 0.05
    assert asked[3:] == [f"{BASE}/late/{kind}" for kind in ("status", "info", "state")]


def test_topic_that_does_not_exist_is_waited_for_briefly_and_live_messages_do_not_prolong():
    collection, fleet = Collection(BASE, 0.0), Fleet()
    for number in range(600):
        fleet.take(f"old-{number}", "status", b"online", 0.0, retained=True)
    now = 0.0
    while not collection.complete(now):
        collection.received(f"{BASE}/busy/event", now, retained=False)
        collection.next_filters(fleet.devices, now)
        now += 0.05
    assert now < 13 * STEP + QUIET_SECONDS


def test_collecting_ends_where_the_broker_never_does():
    collection = Collection(BASE, 0.0)
    now = 0.0
    while not collection.complete(now):
        collection.received(f"{BASE}/cam/status", now, retained=True)
        now += 0.1
    assert MOST_SECONDS <= now < MOST_SECONDS + 1
    assert not collection.all_arrived(now)


def test_new_connection_begins_again():
    collection, fleet = Collection(BASE, 0.0), Fleet()

    def answer(filters):
        return [each.replace("+", "cam") for each in filters]

    first, seconds = run(collection, fleet, answer)
    collection.restart(seconds)
    assert not collection.complete(seconds)
    assert run(collection, fleet, answer, seconds)[0] == first
