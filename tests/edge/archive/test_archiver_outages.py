"""What kills, restarts and outages of archivers, brokers and databases cost the archive: nothing."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.archive.archiver import SESSION
from support.archive import Archiver, Database, archiving, publish_events
from support.broker import PrivateBroker
from support.mqtt import Subscriber, event, wait_until
from support.old_broker import OldBroker
from support.postgres import PrivatePostgres

MakeBroker = Callable[..., PrivateBroker]
EVENTS = 3000
BACKLOG = 5 * SESSION.receive_maximum


def _publish_in_background(port: int, count: int) -> threading.Thread:
    """Publish events 1 to `count`, each acknowledged, as a sensor does."""

    def work() -> None:
        publisher = Subscriber(port)
        publish_events(publisher, *map(event, range(1, count + 1)))
        publisher.close()

    thread = threading.Thread(target=work)
    thread.start()
    return thread


@pytest.mark.long
def test_kill_in_the_middle_loses_nothing(broker: PrivateBroker, database: Database, tmp_path: Path) -> None:
    with archiving(tmp_path, broker.url, database.store):
        pass  # the session is there
    thread = _publish_in_background(broker.port, EVENTS)
    for share in (0.1, 0.3, 0.5, 0.7):
        with archiving(tmp_path, broker.url, database.store) as archiver:
            wait_until(lambda: len(database.seqs()) > EVENTS * share)  # noqa: B023 - called here
            archiver.kill()
    thread.join()
    with archiving(tmp_path, broker.url, database.store) as archiver:
        database.wait(*range(1, EVENTS + 1))
        archiver.stop()


@pytest.mark.long
def test_backlog_of_several_windows_comes_over_one_connection(
    broker: PrivateBroker, database: Database, tmp_path: Path
) -> None:
    """mosquitto 2.0.11 sends more than Receive Maximum allows, as soon as something is acknowledged."""
    with archiving(tmp_path, broker.url, database.store):
        pass  # the session is there
    _publish_in_background(broker.port, BACKLOG).join()
    with archiving(tmp_path, broker.url, database.store) as archiver:
        database.wait(*range(1, BACKLOG + 1))
        log = archiver.stop()
    assert "is lost" not in log
    assert f"{BACKLOG} event(s) stored, 0 came again" in log


@pytest.mark.long
def test_archivers_of_a_group_store_each_event_once_and_share_the_work(
    broker: PrivateBroker, database: Database, tmp_path: Path
) -> None:
    group = ("--group", "g", "--name")
    with (
        archiving(tmp_path, broker.url, database.store, *group, "a") as steady,
        archiving(tmp_path, broker.url, database.store, *group, "b") as killed,
    ):
        thread = _publish_in_background(broker.port, EVENTS)
        for share in (0.2, 0.4):
            wait_until(lambda: len(database.seqs()) > EVENTS * share)  # noqa: B023 - called here
            killed.kill()
            killed = Archiver(tmp_path, "--mqtt", broker.url, "--store", database.store, *group, "b")  # noqa: PLW2901
        thread.join()
        database.wait(*range(1, EVENTS + 1))
        counts = [int(one.stop().partition(" event(s) stored")[0].rpartition(" ")[2]) for one in (steady, killed)]
    assert min(counts) > EVENTS / 20


@pytest.mark.long
def test_archivers_without_a_group_store_each_event_once(
    broker: PrivateBroker, database: Database, tmp_path: Path
) -> None:
    with (
        archiving(tmp_path, broker.url, database.store, "--name", "a"),
        archiving(tmp_path, broker.url, database.store, "--name", "b") as killed,
    ):
        thread = _publish_in_background(broker.port, EVENTS)
        wait_until(lambda: len(database.seqs()) > EVENTS / 3)
        killed.kill()
        thread.join()
        database.wait(*range(1, EVENTS + 1))


@pytest.mark.long
def test_broker_with_mqtt_3_1_1_keeps_the_session_too(
    broker: PrivateBroker, database: Database, tmp_path: Path
) -> None:
    with OldBroker(broker.port) as old:
        url = f"mqtt://127.0.0.1:{old.port}"
        with archiving(tmp_path, url, database.store) as archiver:
            thread = _publish_in_background(broker.port, EVENTS)
            wait_until(lambda: len(database.seqs()) > EVENTS / 3)
            archiver.kill()
        thread.join()
        with archiving(tmp_path, url, database.store) as archiver:
            database.wait(*range(1, EVENTS + 1))
            assert "has no session" not in archiver.stop()


@pytest.mark.long
def test_broker_that_restarts_with_its_sessions_loses_nothing(
    make_broker: MakeBroker, database: Database, tmp_path: Path
) -> None:
    broker = make_broker(persistence=True)
    broker.start()
    with archiving(tmp_path, broker.url, database.store) as archiver:
        publisher = Subscriber(broker.port)
        publish_events(publisher, *map(event, range(1, 300)))
        publisher.close()
        broker.stop()
        archiver.wait_for("the connection to the broker is lost")
        broker.start()
        archiver.wait_for("connected to the broker", 2)
        publisher = Subscriber(broker.port)
        publish_events(publisher, *map(event, range(300, 600)))
        publisher.close()
        database.wait(*range(1, 600))
        assert "has no session" not in archiver.stop().partition("lost")[2]


@pytest.mark.long
def test_broker_that_restarts_without_its_sessions_is_named(
    broker: PrivateBroker, database: Database, tmp_path: Path
) -> None:
    with archiving(tmp_path, broker.url, database.store) as archiver:
        broker.stop()
        archiver.wait_for("the connection to the broker is lost")
        broker.start()
        archiver.wait_for("has no session of emotion-edge-archive-1", 2)


@pytest.mark.long
def test_database_that_restarts_costs_nothing_and_is_named_once(broker: PrivateBroker, tmp_path: Path) -> None:
    with PrivatePostgres() as postgres:
        database = Database(postgres.create_database("archive"), postgres)
        with archiving(tmp_path, broker.url, database.store) as archiver:
            thread = _publish_in_background(broker.port, EVENTS)
            for end in (postgres.stop, postgres.kill):
                seen = len(database.seqs())
                wait_until(lambda: len(database.seqs()) > seen)  # noqa: B023 - called here
                end()
                archiver.wait_for("the database cannot be used: ")
                time.sleep(3)
                postgres.start()
            thread.join()
            database.wait(*range(1, EVENTS + 1))
            wait_until(lambda: archiver.log().count("the database is back") == 2)
            log = archiver.stop()
    # Each of the two outages may have three reasons: terminated, refused, starting up.
    assert log.count("the database cannot be used") <= 6


@pytest.mark.long
def test_archiver_that_starts_before_its_database_waits_for_it(broker: PrivateBroker, tmp_path: Path) -> None:
    with PrivatePostgres() as postgres:
        database = Database(postgres.create_database("archive"), postgres)
        postgres.stop()
        archiver = Archiver(tmp_path, "--mqtt", broker.url, "--store", database.store)
        try:
            archiver.wait_for("connected to the broker")
            publisher = Subscriber(broker.port)
            publish_events(publisher, event(1))
            publisher.close()
            postgres.start()
            database.wait(1)
            archiver.stop()
        finally:
            archiver.kill()


@pytest.mark.long
def test_stop_while_the_database_is_away_is_clean_and_keeps_what_was_not_stored(
    broker: PrivateBroker, tmp_path: Path
) -> None:
    with PrivatePostgres() as postgres:
        database = Database(postgres.create_database("archive"), postgres)
        with archiving(tmp_path, broker.url, database.store) as archiver:
            postgres.stop()
            publisher = Subscriber(broker.port)
            publish_events(publisher, *map(event, range(1, 4001)))
            archiver.wait_for("the database cannot be used")
            archiver.stop()
        postgres.start()
        with archiving(tmp_path, broker.url, database.store):
            database.wait(*range(1, 4001))
        publisher.close()
