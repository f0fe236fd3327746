"""What the thread that follows documents keeps over kills, crashes and full disks."""

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from edge.config.desired_schema import DesiredConfig
from edge.config.loader import tables_of
from edge.config.mqtt_schema import MqttConfig
from edge.config.schema import Config
from edge.desired.desired import create_desired
from edge.desired.state_file import StateFile
from edge.errors import ConfigError, ModelError, SourceError
from support.desired_sensor import Place, margin
from support.mqtt import TIMEOUT_SECONDS
from support.signed_documents import Key


def test_kill_at_each_step_leaves_a_state_that_goes_on(
    place: Place, key: Key, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each state that was ever on the disk is copied, and a sensor that starts with the copy gets to the end."""
    copies: list[Path] = []
    put = StateFile.put

    def copying(file: StateFile, state: Any) -> None:
        put(file, state)
        copies.append(tmp_path / f"copy-{len(copies)}")
        shutil.copytree(file.folder, copies[-1])

    payload = key.payload(margin(0.2), 7)
    with monkeypatch.context() as patched:
        patched.setattr(StateFile, "put", copying)
        sensor = place.start()
        sensor.receive(payload)
        sensor.until(step="kept")
    steps = [json.loads((one / "state.json").read_bytes())["step"] for one in copies]
    assert steps == ["fetching", "checking", "switched", "kept"]
    for copy in copies:
        again = place.start(copy)
        again.receive(payload)
        again.until(step="kept", counter=7)
        assert again.in_force.events.margin == 0.2
        again.receive(key.payload(margin(0.1), 6))
        again.until(refused=1, counter=7)
        again.end()


@pytest.mark.long
def test_loop_of_crashes_during_the_trial_ends_at_the_start(place: Place, key: Key) -> None:
    sensor = place.start()
    sensor.receive(key.payload(margin(0.2), 1))
    sensor.until(step="switched")
    sensor.end(ZeroDivisionError("a bug"))
    again = place.start()
    assert (again.desired.info.step, again.start_config.events.margin) == ("switched", 0.2)
    again.end(ModelError("cannot be run"))
    third = place.start()
    assert third.start_config == place.config
    assert third.desired.info.step == "went_back"
    assert "did not end as it should 2 times during the trial" in str(third.desired.info.reason)
    third.receive(key.payload(margin(0.2), 1))
    for _ in range(20):
        third.turn()
    assert third.desired.info.step == "went_back"


@pytest.mark.long
def test_restarts_and_a_camera_that_is_away_do_not_count_as_crashes(place: Place, key: Key) -> None:
    sensor = place.start()
    sensor.receive(key.payload(margin(0.2), 1))
    sensor.until(step="switched")
    for error in (None, SourceError("no camera"), None, SourceError("no camera")):
        sensor.end(error)
        sensor = place.start()
        assert sensor.desired.info.step == "switched"
    sensor.until(step="kept")


@pytest.mark.long
def test_damaged_state_accepts_nothing_and_says_so(place: Place, key: Key) -> None:
    sensor = place.start()
    sensor.receive(key.payload(margin(0.2), 5))
    sensor.until(step="kept")
    sensor.end()
    (place.folder / "state.json").write_bytes(b"\0" * 50)
    again = place.start()
    assert again.start_config == place.config
    assert "fleet state file" in str(again.desired.info.reason)
    again.receive(key.payload(margin(0.1), 4))
    info = again.until(refused=1, step="refused")
    assert "is damaged" in str(info.refused_reason)
    assert (place.folder / "state.json").read_bytes() == b"\0" * 50


@pytest.mark.long
def test_state_that_cannot_be_stored_is_not_acted_on(place: Place, key: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    sensor = place.start()
    with monkeypatch.context() as patched:
        patched.setattr("edge.system.kept_file.write_atomically", full)
        sensor.receive(key.payload(margin(0.2), 1))
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while "No space left on device" not in str(sensor.desired.info.reason):
            assert time.monotonic() < deadline
            sensor.turn()
        assert (sensor.desired.info.counter, sensor.offers) == (0, [])
    sensor.until(step="kept", counter=1)


def test_it_is_off_by_default_and_needs_a_place_for_its_counter() -> None:
    assert create_desired(tables_of(Config(mqtt=MqttConfig(url="mqtt://h")))) is None
    assert create_desired(tables_of(Config(desired=DesiredConfig(enabled=True)))) is None
    nowhere = Config(mqtt=MqttConfig(url="mqtt://h", outbox_directory="none"), desired=DesiredConfig(enabled=True))
    with pytest.raises(ConfigError, match=r'^desired\.enabled is true, but mqtt\.outbox_directory is "none"'):
        create_desired(tables_of(nowhere))
