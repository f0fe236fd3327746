"""Fixtures and marks for every test."""

import gc
import signal
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from edge.commands.demo_broker import find_mosquitto
from support.broker import PrivateBroker
from support.mqtt import Certificates, Subscriber, check_schemas

# Benchmarks judge speed. A busy machine must not fail a test.
settings.register_profile("project", deadline=None)
settings.load_profile("project")

# A shell ignores SIGINT in its background jobs, and nohup ignores SIGHUP. Programs that tests start would inherit that.
for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, usual)


HERE = Path(__file__).parent
EACH_INTERPRETER = (
    "edge/vision/classification",
    "edge/vision/test_pipeline.py",
    "edge/vision/test_stills.py",
    "e2e/test_commands.py",
    "e2e/test_footage.py",
    "e2e/test_script.py",
    "test_packaging.py",
)
"""Folders and files whose tests run the network, or depend on the interpreter that is installed."""


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect the tests without a look for garbage: what they import stays, and that look took a fifth of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by their place: `device` for all but the training half, `once` for what no interpreter changes."""
    for item in items:
        place = item.path.relative_to(HERE)
        if place.parts[0] == "convert":
            continue
        item.add_marker("device")
        if not any(place.is_relative_to(each) for each in EACH_INTERPRETER):
            item.add_marker("once")


@pytest.fixture(autouse=True)
def _state_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gives each test, and the programs that it starts, an empty state folder."""
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))


@pytest.fixture
def make_broker() -> Iterator[Callable[..., PrivateBroker]]:
    """Creates private brokers, not started yet, and stops them after the test."""
    if find_mosquitto() is None:
        pytest.skip("mosquitto is not installed")
    brokers = []

    def make(**options: object) -> PrivateBroker:
        broker = PrivateBroker(**options)  # type: ignore[arg-type]
        brokers.append(broker)
        return broker

    yield make
    for broker in brokers:
        broker.__exit__()


@pytest.fixture
def broker(make_broker: Callable[..., PrivateBroker]) -> PrivateBroker:
    """A running mosquitto without users; `stop` and `start` keep its port."""
    broker = make_broker()
    broker.start()
    return broker


@pytest.fixture
def subscribe() -> Iterator[Callable[..., Subscriber]]:
    """Creates subscribers to a broker; in the end, all that they received is checked against the schemas."""
    subscribers = []

    def make(broker: PrivateBroker, **options: object) -> Subscriber:
        subscriber = Subscriber(broker.port, **options)
        subscribers.append(subscriber)
        return subscriber

    yield make
    for subscriber in subscribers:
        subscriber.close()
        check_schemas(subscriber.seen)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates.make(tmp_path_factory.mktemp("certificates"))
