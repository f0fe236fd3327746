"""The check of a configuration that is not in force yet, in a process of its own."""

import shutil
from pathlib import Path

import msgspec
import pytest

from edge.config.areas import AREA_EXAMPLES
from edge.config.desired_schema import DesiredConfig
from edge.config.loader import load
from edge.config.schema import Config, ModelConfig
from edge.desired.doctor import MODEL_CHECKS, as_toml, run_doctor
from edge.desired.errors import FetchError, UnfitError
from edge.vision.classification.manifest import find_model


def candidate(folder: Path, config: Config) -> Path:
    file = folder / "candidate.toml"
    file.write_text(as_toml(config), encoding="utf-8")
    return file


def test_configuration_comes_out_of_its_text_as_it_was_but_follows_no_documents(tmp_path: Path) -> None:
    config = Config(
        labels={"well liked": ["happy"], "ü": ["sad"]},
        valence={"happy": 0.5},
        zones=dict([AREA_EXAMPLES["zones"]]),
        desired=DesiredConfig(enabled=True),
    )
    loaded = load(candidate(tmp_path, config), environ={})
    assert loaded == msgspec.structs.replace(config, desired=DesiredConfig())


def test_model_that_works_passes_whatever_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOTION_EDGE_MODEL_NAME", "/nonsense.tflite")
    run_doctor(candidate(tmp_path, Config(model=ModelConfig(name="small"))), MODEL_CHECKS)


@pytest.mark.long
def test_failing_check_crash_and_hang_are_one_sentence_each(tmp_path: Path) -> None:
    model = tmp_path / "cut.tflite"
    model.write_bytes(find_model("small").read_bytes()[:1000])
    shutil.copy(find_model("small").with_suffix(".json"), tmp_path / "cut.json")
    cut = candidate(tmp_path, Config(model=ModelConfig(name=str(model))))
    with pytest.raises(UnfitError, match=r"^doctor, check model: manifest .* does not belong to "):
        run_doctor(cut, MODEL_CHECKS)
    with pytest.raises(UnfitError, match=r"^doctor ended with code 2: .*the checks of doctor are"):
        run_doctor(cut, ("nonsense",))
    with pytest.raises(UnfitError, match=r"^doctor did not end within 0\.1 s$"):
        run_doctor(cut, MODEL_CHECKS, limit_seconds=0.1)
    with pytest.raises(FetchError, match="given up: the sensor stops"):
        run_doctor(cut, MODEL_CHECKS, lambda: True)
