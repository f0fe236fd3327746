"""Runs that were packed on one machine go on on another, with the folder that goes there and that which comes back."""

import io
import subprocess
import sys
import zipfile

import numpy as np
import pytest

pytest.importorskip("h5py", reason="the training half needs the convert extra")
import h5py

from convert.errors import ConvertError
from convert.offsite import cli
from convert.offsite.bundle import FACES, prepare_folder
from convert.offsite.face_archive import read_archive
from convert.offsite.plan import PlannedRun, plan_of
from convert.offsite.results import pack_run, unpack_runs
from convert.training.run_folder import best_model, open_run
from support.tiny_run import TINY

PLAN = [PlannedRun("tiny", TINY)]
BEST = np.random.default_rng(2).bytes(2_500_000)


def begin(folder, state):
    """Make the folder of a run, with files of the names and about the sizes that training writes."""
    folder.mkdir(parents=True)
    TINY.save(folder / "recipe.json")
    (folder / "state.json").write_text(state)
    for name in ("best.keras", "unbalanced.keras", "stage0_epoch2.keras", "stage0_epoch2.npz"):
        (folder / name).write_bytes(BEST)
    return folder


def test_finished_run_comes_back_in_parts_as_its_best_model(tmp_path):
    folder = begin(tmp_path / "begun" / "tiny", '{"stage": 1, "rebalanced": 0.2}')
    parts = pack_run(folder, tmp_path / "out", 1_000_000)
    assert len(parts) > 2
    assert all(part.stat().st_size <= 1_000_000 for part in parts)
    (again,) = unpack_runs(tmp_path / "out", tmp_path / "runs")
    assert best_model(again).read_bytes() == BEST
    assert not list(again.glob("stage*"))
    parts[1].unlink()
    with pytest.raises(ConvertError, match="cannot be unpacked"):
        unpack_runs(tmp_path / "out", tmp_path / "other")


def test_unfinished_run_comes_back_with_what_it_resumes_from(tmp_path):
    folder = begin(tmp_path / "begun", '{"stage": 0, "epoch": 2}')
    assert len(pack_run(folder, tmp_path / "out")) == 1
    (again,) = unpack_runs(tmp_path / "out", tmp_path / "runs")
    assert open_run(TINY, again).state.epoch == 2


def test_folder_without_a_run_gives_nothing_and_says_so(tmp_path, capsys):
    assert pack_run(tmp_path / "nothing", tmp_path / "out") == []
    assert cli.main(["collect", str(tmp_path)]) == 1
    assert "has no packed run" in capsys.readouterr().err


def test_folder_holds_what_is_trained_on_and_nothing_of_privatetest(weighted_data, tmp_path):
    parts = dict(prepare_folder(PLAN, weighted_data, tmp_path / "there"))
    assert 1_700_000 < parts["data"] < 2_100_000
    name = "mobilenet_v2_0.35_imagenet_notop.weights.h5"
    with h5py.File(weighted_data / name) as whole, h5py.File(tmp_path / "there" / "data" / name) as halved:
        kept, large = (halved[f"layers/{layer}/vars/0"][()] for layer in ("conv", "norm"))
        np.testing.assert_allclose(kept, whole["layers/conv/vars/0"][()], rtol=1e-3, atol=1e-6)
        assert large.tolist() == [1, 70_000]
    assert {"code.zip", "data", FACES, "plan.json", "run.py"} == set(parts)
    arrays = read_archive(tmp_path / "there" / FACES)
    with np.load(weighted_data / "fer2013.npz") as file:
        usage, images = file["usage"], file["images"]
    np.testing.assert_array_equal(arrays["images"], images[usage < 2])
    assert set(np.unique(arrays["usage"])) == {0, 1}
    with pytest.raises(ConvertError, match="exists already"):
        prepare_folder(PLAN, weighted_data, tmp_path / "there")


def test_folder_over_the_limit_is_refused_with_its_largest_parts(weighted_data, tmp_path):
    with pytest.raises(ConvertError, match=r"would have \d\.\d MiB, more than 1 MiB \(data 1\.8\)"):
        prepare_folder(PLAN, weighted_data, tmp_path / "there", limit_bytes=1024 * 1024)
    assert not (tmp_path / "there").exists()


def test_earlier_runs_come_along_and_begun_ones_need_no_imagenet_weights(face_data, tmp_path):
    begin(tmp_path / "runs" / "tiny", '{"stage": 0, "epoch": 2}')
    parts = dict(prepare_folder(PLAN, face_data, tmp_path / "there", runs=tmp_path / "runs"))
    assert parts["earlier"] > 1_000_000
    assert parts["data"] == 0


def test_finished_earlier_run_comes_along_with_half_of_its_precision(face_data, tmp_path):
    folder = begin(tmp_path / "runs" / "tiny", '{"stage": 1, "rebalanced": 0.2}')
    weights = np.random.default_rng(4).standard_normal((300, 300), dtype=np.float32)
    with h5py.File(tmp_path / "model.weights.h5", "w") as file:
        file["layers/dense/vars/0"] = weights
    with zipfile.ZipFile(folder / "best.keras", "w") as model:
        model.writestr("config.json", "{}")
        model.write(tmp_path / "model.weights.h5", "model.weights.h5")
    prepare_folder(PLAN, face_data, tmp_path / "there", runs=tmp_path / "runs")
    (again,) = unpack_runs(tmp_path / "there" / "earlier", tmp_path / "unpacked")
    with zipfile.ZipFile(best_model(again)) as model:
        assert model.read("config.json") == b"{}"
        with h5py.File(io.BytesIO(model.read("model.weights.h5"))) as file:
            kept = file["layers/dense/vars/0"][()]
    assert kept.dtype == np.float16
    np.testing.assert_allclose(kept, weights, rtol=1e-3, atol=1e-6)
    (folder / "best.keras").write_bytes(BEST)
    with pytest.raises(ConvertError, match=r"best\.keras is not a model that Keras wrote"):
        prepare_folder(PLAN, face_data, tmp_path / "other", runs=tmp_path / "runs")


def test_plan_of_other_widths_names_the_weights_that_are_missing(weighted_data, tmp_path):
    plan = plan_of({"runs": [{"name": "wide", "recipe": "normal"}]})
    with pytest.raises(ConvertError, match=r"no ImageNet weights for alpha 1"):
        prepare_folder(plan, weighted_data, tmp_path / "there")


def test_machine_that_lacks_packages_is_told_how_to_prepare_the_folder(weighted_data, tmp_path):
    prepare_folder(PLAN, weighted_data, tmp_path / "there")
    # Neither site-packages nor anything of this environment.
    command = [sys.executable, "-I", "-S", str(tmp_path / "there" / "run.py"), str(tmp_path / "out")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr.startswith("run.py: this machine lacks absl-py, opencv-python-headless, h5py, keras, ")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert f"prepare the folder anew with --python {version} --lacks absl-py opencv-python-headless" in result.stderr
    assert len(result.stderr.splitlines()) == 1
