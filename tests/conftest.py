"""Fixtures and marks for every test."""

import gc
import itertools
import signal
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import settings

from edge.commands.demo_broker import find_mosquitto
from support.broker import PrivateBroker
from support.mqtt import Certificates, Subscriber, check_schemas
from support.postgres import postgres

__all__ = ["postgres"]  # a fixture

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
COMPUTING = ("convert", "edge/capture", "edge/vision")
"""Folders whose tests keep a processor busy. Most others wait: for a broker, a program, or for time to pass."""
LONGEST = ("convert/training", "convert/release", "convert", "edge/vision", "e2e")
"""Folders of the files that take longest, up to half a minute each, from the longest on."""


def is_below(place: Path, folders: Iterable[str]) -> bool:
    return any(place.is_relative_to(each) for each in folders)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the files of which `once` takes every test anyway: to import them takes longer than the short lane."""
    place = collection_path.relative_to(HERE) if collection_path.is_relative_to(HERE) else None
    if place is None or collection_path.suffix != ".py" or "not once" not in config.option.markexpr:
        return None
    return True if not is_below(place, EACH_INTERPRETER) and place.name.startswith("test_") else None


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
    """Mark tests by their place: `device` for all but the training half, `once` for what no interpreter changes.

    Put their files in an order in which those that compute and those that wait alternate, so that the processes of
    xdist, which take one after the other, keep all processors busy all the time.
    """
    for item in items:
        place = item.path.relative_to(HERE)
        if place.parts[0] == "convert":
            continue
        item.add_marker("device")
        if not is_below(place, EACH_INTERPRETER):
            item.add_marker("once")
    items[:] = alternated(items)


def rank(place: Path) -> int:
    """Return when a file's turn is: `LONGEST`, then the tests of installing, packaging and the soak, then the rest."""
    ranks = [number for number, each in enumerate(LONGEST) if place.is_relative_to(each)]
    return ranks[0] if ranks else len(LONGEST) + (place.parent != Path())


def alternated(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Return the tests with the files of both kinds mixed in proportion, each kind with its longest files first.

    A long file that began last would run alone in the end, while the other processes have nothing left to do.
    """
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path.relative_to(HERE), []).append(item)
    kinds: dict[bool, list[list[pytest.Item]]] = {True: [], False: []}
    for place in sorted(files, key=rank):
        kinds[is_below(place, COMPUTING)].append(files[place])
    placed = [((n + 0.5) / len(kind), tests) for kind in kinds.values() for n, tests in enumerate(kind)]
    return [test for _, tests in sorted(placed, key=lambda each: each[0]) for test in tests]


@pytest.fixture(scope="session")
def _folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Names one new folder after another. `mktemp` looks at all earlier ones for each, which are thousands."""
    base = tmp_path_factory.mktemp("states")
    return (base / str(number) for number in itertools.count())


@pytest.fixture(autouse=True)
def _state_folder(_folders: Iterator[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Gives each test, and the programs that it starts, an empty state folder."""
    for variable in ("STATE_DIRECTORY", "RUNTIME_DIRECTORY"):
        monkeypatch.delenv(variable, raising=False)
    for variable in ("XDG_STATE_HOME", "XDG_RUNTIME_DIR"):
        folder = next(_folders)
        folder.mkdir(mode=0o700)
        monkeypatch.setenv(variable, str(folder))


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
