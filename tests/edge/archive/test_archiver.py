"""The archive between a real broker and a real database: what it takes, and whom it refuses."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge.archive.archiver import Waker
from edge.commands.archive import archive, store_address
from edge.config.archive_schema import ArchiveConfig
from edge.config.mqtt_schema import MqttConfig
from edge.config.schema import Config
from edge.errors import BrokerError
from edge.messages.payloads import encode
from support import program
from support.archive import Database, archiving, publish_events, summary
from support.broker import PrivateBroker
from support.limited_broker import LimitedBroker
from support.mqtt import TIMEOUT_SECONDS, Subscriber, event, health, info, state, wait_until
from support.old_broker import OldBroker
from support.postgres import PrivatePostgres

Subscribe = Callable[..., Subscriber]


@contextmanager
def running(url: str, store: str, **settings: Any) -> Iterator[None]:
    """Run an archiver in a thread, which ends cleanly."""
    mqtt = MqttConfig(url=url, reconnect_max_seconds=1.0)
    config = Config(mqtt=mqtt, archive=ArchiveConfig(store=store, sample_seconds=0.0, **settings))
    waker, stopped, failures = Waker(), threading.Event(), []

    def work() -> None:
        try:
            archive(config, store_address(config), waker, stopped.is_set)
        except BaseException as error:  # noqa: BLE001 - raised by the test
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        waker.wake()
        thread.join(TIMEOUT_SECONDS)
        assert not thread.is_alive()
    if failures:
        raise failures[0]


def wait_for_log(caplog: pytest.LogCaptureFixture, text: str) -> None:
    wait_until(lambda: text in caplog.text)


@pytest.fixture(autouse=True)
def _log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


@pytest.fixture
def subscribe() -> Iterator[Subscribe]:
    """Creates subscribers, of which some see malformed messages: nothing is checked."""
    made: list[Subscriber] = []

    def make(broker: PrivateBroker) -> Subscriber:
        made.append(Subscriber(broker.port))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_everything_that_sensors_publish_is_stored_and_what_is_malformed_is_kept_out(
    broker: PrivateBroker, database: Database, subscribe: Subscribe, caplog: pytest.LogCaptureFixture
) -> None:
    publisher = subscribe(broker)
    publisher.publish("emotion-edge/cam/status", b"online", retain=True)
    with running(broker.url, database.store):
        wait_for_log(caplog, "connected to the broker")
        for kind, payload in (("info", info()), ("state", state()), ("health", health())):
            publisher.publish(f"emotion-edge/cam/{kind}", encode(payload), retain=True)
        publisher.publish("emotion-edge/cam/summary", encode(summary("2026-01-31T08:15:00.000Z", 4)))
        publish_events(publisher, *map(event, range(1, 21)))
        publish_events(publisher, event(20, replayed=True))
        for payload in (
            b"{",
            b'{"seq": 21}',
            b"\xff",
            b"",
            b'"\\u0000"',
            encode(event(21)).replace(b"happy", b"\\u0000"),
        ):
            publisher.publish("emotion-edge/cam/event", payload)
        publish_events(publisher, event(22))
        database.wait(*range(1, 21), 22)
        wait_until(lambda: all(database.rows(f"SELECT * FROM {table}") for table in ("state", "health", "summary")))
    assert database.rows("SELECT device, status, version FROM device") == [("cam", "online", "0")]
    assert "emotion-edge/cam/event is kept out of the archive: " in caplog.text
    assert "21 event(s) stored, 1 came again, 5 message(s) kept out as malformed" in caplog.text


def test_what_happens_while_the_archiver_is_away_waits_at_the_broker(
    broker: PrivateBroker, database: Database, subscribe: Subscribe, caplog: pytest.LogCaptureFixture
) -> None:
    publisher = subscribe(broker)
    with running(broker.url, database.store):
        wait_for_log(caplog, "connected to the broker")
        publish_events(publisher, *map(event, range(1, 4)))
        database.wait(1, 2, 3)
    assert "has no session of emotion-edge-archive-1" in caplog.text
    caplog.clear()
    publish_events(publisher, *map(event, range(4, 60)))
    with running(broker.url, database.store):
        database.wait(*range(1, 60))
    assert "has no session" not in caplog.text


def test_group_knows_who_is_online_although_a_shared_subscription_has_no_retained_messages(
    broker: PrivateBroker, database: Database, subscribe: Subscribe
) -> None:
    publisher = subscribe(broker)
    publisher.publish("emotion-edge/hall/status", b"online", retain=True)
    publisher.publish("emotion-edge/hall/info", encode(info()), retain=True)
    with running(broker.url, database.store, group="g"):
        wait_until(lambda: _rows(database, "SELECT status, model FROM device") == [("online", "normal")])


def _rows(database: Database, sql: str) -> list[tuple[Any, ...]]:
    try:
        return database.rows(sql)
    except Exception:  # noqa: BLE001 - no table yet, in either database
        return []


def _ends_with(url: str, store: Path, sentence: str, **settings: Any) -> None:
    config = Config(mqtt=MqttConfig(url=url), archive=ArchiveConfig(store=str(store), **settings))
    with pytest.raises(BrokerError, match=sentence):
        archive(config, store_address(config), Waker(), lambda: False)


def test_broker_without_shared_subscriptions_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with LimitedBroker() as broker:
        broker.on_connect = lambda _: (0, b"\x2a\x00")  # Shared Subscription Available: 0
        sentence = r"has no shared subscriptions: leave archive.group \(--group\) empty"
        _ends_with(broker.url, tmp_path / "a.sqlite3", sentence, group="g")


def test_broker_that_refuses_the_subscription_ends_the_archive(tmp_path: Path) -> None:
    with LimitedBroker() as broker:
        broker.on_subscribe = lambda _: 0x87
        sentence = r"refuses the subscription to emotion-edge/\+/event.*Not authorized"
        _ends_with(broker.url, tmp_path / "a.sqlite3", sentence)


@pytest.mark.long
def test_second_archiver_with_one_name_is_told_to_take_another(
    broker: PrivateBroker, database: Database, tmp_path: Path
) -> None:
    with (
        archiving(tmp_path, broker.url, database.store) as one,
        archiving(tmp_path, broker.url, database.store) as other,
    ):
        wait_until(lambda: "needs an archive.name (--name) of its own" in one.log() + other.log())


def test_group_is_warned_of_a_broker_with_mqtt_3_1_1_which_may_deliver_nothing(
    broker: PrivateBroker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        OldBroker(broker.port) as old,
        running(f"mqtt://127.0.0.1:{old.port}", str(tmp_path / "a.sqlite3"), group="g"),
    ):
        wait_for_log(caplog, "connected to the broker")
    assert "if nothing is stored, leave archive.group (--group) empty" in caplog.text


@pytest.mark.long
def test_password_of_the_database_comes_from_its_own_places_and_a_wrong_one_ends_the_archive(
    broker: PrivateBroker, tmp_path: Path
) -> None:
    secret, escaped = "hunter2:x", r"hunter2\:x"
    with PrivatePostgres(password=secret) as postgres:
        url = postgres.create_database("archive")
        with archiving(tmp_path, broker.url, url, PGPASSWORD=secret) as archiver:
            archiver.stop()
        file = tmp_path / "pgpass"
        file.write_text(f"127.0.0.1:{postgres.port}:archive:postgres:{escaped}\n")
        file.chmod(0o600)
        with archiving(tmp_path, broker.url, url, PGPASSFILE=str(file)) as archiver:
            archiver.stop()
        for store in (url, url.replace("/archive", "/missing")):
            wrong = {"PGPASSWORD": "wrong" if store == url else secret}
            ended = program.run("archive", "--mqtt", broker.url, "--store", store, **wrong)
            assert ended.returncode == 1
            (line,) = ended.stderr.splitlines()
            assert "the database of archive.store (--store) refuses: " in line


@pytest.mark.long
def test_user_who_may_not_make_tables_is_told_so(broker: PrivateBroker, postgres: PrivatePostgres) -> None:
    postgres.create_database("others")
    postgres.execute("CREATE ROLE guest LOGIN")
    ended = program.run("archive", "--mqtt", broker.url, "--store", postgres.url("others", "guest"))
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert "this user may not make tables in the database" in line


def test_samples_are_thinned_and_changes_are_kept(
    broker: PrivateBroker, tmp_path: Path, subscribe: Subscribe, caplog: pytest.LogCaptureFixture
) -> None:
    database = Database(str(tmp_path / "a.sqlite3"))
    publisher = subscribe(broker)
    mqtt = MqttConfig(url=broker.url)
    config = Config(mqtt=mqtt, archive=ArchiveConfig(store=database.store, sample_seconds=3600.0))
    waker, stopped = Waker(), threading.Event()
    thread = threading.Thread(target=lambda: archive(config, store_address(config), waker, stopped.is_set))
    thread.start()
    wait_for_log(caplog, "connected to the broker")
    for second, emotion in enumerate(["happy", "happy", "sad", None, None, "happy"]):
        payload = msgspec.structs.replace(state(emotion), time=f"2026-01-31T08:15:0{second}.000Z")
        publisher.publish("emotion-edge/cam/state", encode(payload))
    publish_events(publisher, event(1))
    database.wait(1)
    wait_until(lambda: len(database.rows("SELECT * FROM state")) == 3)
    stopped.set()
    waker.wake()
    thread.join()
    times = [time for (time,) in database.rows("SELECT time FROM state ORDER BY time")]
    assert [int(time[17:19]) for time in times] == [0, 3, 5]
