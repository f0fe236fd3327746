"""Training on a few synthetic patterns: seconds, and the same code as the real run."""

import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from dataclasses import replace
from io import BytesIO

import h5py
import numpy as np
import pytest

pytest.importorskip("keras", reason="the training half needs the convert extra")
import keras

from convert.cli import EXIT_TERMINATED, main
from convert.progress import Heartbeat
from convert.training import callbacks, preparation
from convert.training.history import read_history
from convert.training.network import build_network
from convert.training.preparation import imagenet_weights, prepare
from convert.training.recipe_file import load_recipe
from convert.training.train import train
from edge.errors import EXIT_INTERRUPTED
from support.tiny_run import TINY


def weights(path):
    """Read all arrays of a .keras file by their place in it; to build the network, as Keras does, takes a second."""
    arrays = {}
    with zipfile.ZipFile(path) as archive, h5py.File(BytesIO(archive.read("model.weights.h5"))) as file:
        file.visititems(lambda name, node: arrays.update({name: node[()]} if isinstance(node, h5py.Dataset) else {}))
    assert len(arrays) > 200, "MobileNetV2 has 260 arrays"
    return arrays


@pytest.fixture(scope="module")
def loaded(finished_run):
    """The models of the finished run, as Keras loads them: the best before the adjustment, and the checkpoint."""
    folder, best, _ = finished_run
    return [
        keras.models.load_model(path) for path in (best.with_name("unbalanced.keras"), folder / "stage0_epoch2.keras")
    ]


def is_compiled(path):
    """Whether a .keras file has an optimizer and a loss, which Keras would compile the model with."""
    with zipfile.ZipFile(path) as archive:
        return bool(json.loads(archive.read("config.json")).get("compile_config"))


def is_milestone(line):
    """Whether a line is no heartbeat."""
    return "%" in line or line.startswith(("training", "resuming"))


def test_run_prints_its_progress_and_saves_a_model_without_optimizer(finished_run):
    folder, best, printed = finished_run
    printed = [line for line in printed if is_milestone(line)]
    assert printed[0] == "training on 192 faces, validating on 64 of PublicTest; recipe tiny"
    assert [line.split(":")[0] for line in printed[1:3]] == [
        f"stage 1 of 1, 32 px, epoch {number} of 2" for number in (1, 2)
    ]
    assert printed[2].endswith(" %, all epochs done")
    assert printed[3].startswith("logits adjusted towards rare labels, strength 0")
    assert len(printed) == 4
    assert load_recipe(folder / "recipe.json") == TINY
    history = [json.loads(line) for line in (folder / "history.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["epoch"] for line in history] == [1, 2]
    checkpoint = folder / "stage0_epoch2.keras"
    # AdamW keeps two numbers per weight, which the best model must not contain.
    assert best.stat().st_size < 0.5 * checkpoint.stat().st_size
    assert (is_compiled(checkpoint), is_compiled(best)) == (True, False)


def test_heartbeat_says_stage_epoch_batch_and_time_left_in_every_phase(finished_run):
    _, _, printed = finished_run
    beats = "\n".join(line for line in printed if not is_milestone(line))
    for phase in (
        r"stage 1 of 1, 32 px: building the network, \d+ s so far",
        r"stage 1 of 1, 32 px, epoch 1 of 2: preparing the first batch, \d+ s so far",
        r"stage 1 of 1, 32 px, epoch 1 of 2, batch 1 of 2: loss \d\.\d{3}, time left not known yet",
        r"stage 1 of 1, 32 px, epoch 2 of 2, batch 1 of 2: loss \d\.\d{3}, (less than|about) .* left",
        r"stage 1 of 1, 32 px, epoch 2 of 2: measuring the accuracy on PublicTest, \d+ s so far",
        r"adjusting the logits towards rare labels, \d+ s so far",
    ):
        assert re.search(f"^{phase}$", beats, re.MULTILINE), phase


RESUMES = "the same command resumes from there"


def raise_at(monkeypatch, number, batch):
    """Have a signal arrive before batch number `batch` that this process trains, counted from 0."""
    numbers, learning_rate = itertools.count(), callbacks.learning_rate

    def raising(*arguments):
        if next(numbers) == batch:
            signal.raise_signal(number)
        return learning_rate(*arguments)

    monkeypatch.setattr(callbacks, "learning_rate", raising)


def train_command(small_data, folder):
    TINY.save(folder / "tiny.json")
    paths = ["--recipe", str(folder / "tiny.json"), "--run", str(folder / "run"), "--data", str(small_data)]
    return ["train", *paths, "--checkpoint-seconds", "0"]


@pytest.mark.long
def test_interrupted_run_says_what_is_saved_and_resumes_to_the_same_weights(
    finished_run, small_data, tmp_path, monkeypatch, capfd
):
    _, best, _ = finished_run
    command = train_command(small_data, tmp_path)
    # Ctrl-C in a process of its own, after the first epoch and before a batch of the second.
    with subprocess.Popen(
        [sys.executable, "-m", "support.train_process", "2", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": ":".join(path for path in sys.path if path)},
    ) as process:
        assert "at batch 2\n" in iter(process.stdout.readline, "")
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=300)
    assert process.returncode == EXIT_INTERRUPTED
    place = "the end of epoch 1 of 2, stage 1 of 1"
    assert error == f"emotion-convert: interrupted; saved in {tmp_path / 'run'} up to {place}; {RESUMES}\n"

    # SIGTERM within the second epoch.
    with monkeypatch.context() as context:
        raise_at(context, signal.SIGTERM, 1)
        assert main(command) == EXIT_TERMINATED
    out, error = capfd.readouterr()
    assert f"resuming after {place}\n" in out
    place = "batch 1 of epoch 2 of 2, stage 1 of 1"
    assert error == f"emotion-convert: terminated; saved in {tmp_path / 'run'} up to {place}; {RESUMES}\n"

    assert main(command) == 0
    assert f"resuming after {place}\n" in capfd.readouterr().out
    # Views, rates, dropout, optimizer state and the variables it decays are all restored. Here the weights are
    # equal to the last bit; a machine whose threads add up in another order may lose some digits.
    resumed, whole = weights(tmp_path / "run" / "best.keras"), weights(best)
    assert resumed.keys() == whole.keys()
    for name in whole:
        np.testing.assert_allclose(resumed[name], whole[name], rtol=1e-4, atol=1e-5, err_msg=name)
    for resumed, whole in zip(read_history(tmp_path / "run"), read_history(best.parent), strict=True):
        assert resumed == replace(whole, loss=pytest.approx(whole.loss, rel=1e-4))


def test_sigterm_before_the_first_checkpoint_says_that_nothing_is_saved(small_data, tmp_path, monkeypatch, capfd):
    def terminated(*_, **__):
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(preparation, "load_split", terminated)
    before = signal.getsignal(signal.SIGTERM)
    assert main(train_command(small_data, tmp_path)) == EXIT_TERMINATED
    assert signal.getsignal(signal.SIGTERM) is before
    out, error = capfd.readouterr()
    assert out.splitlines()[0] == f"recipe tiny: 2 epochs at 32 px; run folder {tmp_path / 'run'}"
    assert error == (
        "emotion-convert: terminated; nothing is saved yet, so the same command starts from the beginning\n"
    )
    assert not (tmp_path / "run").exists()


def test_finished_run_is_not_trained_again(finished_run, small_data):
    folder, best, _ = finished_run
    before = best.read_bytes()
    printed = []
    train(prepare(TINY, small_data, folder), Heartbeat(printed.append))
    assert printed[-1] == "this run is finished: nothing is left to train"
    assert best.read_bytes() == before


def test_frozen_blocks_keep_weights_and_statistics(loaded, small_data):
    keras.utils.set_random_seed(TINY.seed)
    start = build_network(TINY, 32, imagenet_weights(small_data, 0.35))
    for trained in loaded:
        trainable = False
        for before, after in zip(start.layers, trained.layers, strict=True):
            trainable = trainable or before.name.startswith(f"block_{TINY.stages[0].first_block}_")
            pairs = zip(before.get_weights(), after.get_weights(), strict=True)
            same = all(np.array_equal(*pair) for pair in pairs)
            assert same or trainable
            if trainable and before.get_weights():
                assert not same
        assert trainable


def test_average_of_the_weights_differs_from_them_and_is_kept(finished_run, loaded):
    folder, _, _ = finished_run
    unbalanced, last = (model.get_weights() for model in loaded)
    with np.load(folder / "stage0_epoch2.npz") as file:
        average = [file[name] for name in file.files if name.startswith("arr_")]
    assert not all(np.array_equal(*pair) for pair in zip(last, average, strict=True))
    history = [json.loads(line) for line in (folder / "history.jsonl").read_text(encoding="utf-8").splitlines()]
    assert history[1]["public_test"] >= history[0]["public_test"], "the second epoch's average is then the best"
    for kept, value in zip(unbalanced, average, strict=True):
        np.testing.assert_array_equal(kept, value)
    # Only the last epoch's checkpoint is kept.
    assert sorted(path.name for path in folder.glob("stage0*")) == ["stage0_epoch2.keras", "stage0_epoch2.npz"]


def test_run_killed_before_saving_the_adjustment_adjusts_once(finished_run, small_data, tmp_path):
    folder, best, _ = finished_run
    again = shutil.copytree(folder, tmp_path / "again")
    state = json.loads((again / "state.json").read_text(encoding="utf-8"))
    assert state["rebalanced"] is not None
    (again / "state.json").write_text(json.dumps(state | {"rebalanced": None}), encoding="utf-8")
    adjusted = train(prepare(TINY, small_data, again), Heartbeat(print))
    again, once = weights(adjusted), weights(best)
    assert again.keys() == once.keys()
    for name in once:
        np.testing.assert_array_equal(again[name], once[name], err_msg=name)
