"""Trains the tiny recipe in a process of its own, because Keras takes its backend when it is imported.

Use: KERAS_BACKEND=NAME python -m support.backend_run DATA FOLDER
It starts in the second of two stages, from weights that do not depend on the backend: DATA/start.npz, which the first
process makes. It trains two batches in FOLDER/whole, and the same two in FOLDER/parts, interrupted between them. The
last line is a JSON object: the losses of both batches, those with the interruption, and the largest difference of an
averaged weight between both runs.
"""

import contextlib
import itertools
import json
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np

from convert.keras_backend import chosen_backend, require_backend
from convert.progress import Heartbeat
from support.tiny_run import TINY

STAGE = replace(TINY.stages[0], epochs=1, first_block=0)
# No dropout: each backend draws with a generator of its own.
RECIPE = replace(TINY, name="backends", dropout=0.0, stages=(STAGE, STAGE))


def make_start(path):
    """Write weights for the whole network, drawn by numpy: small, and with statistics that normalise."""
    from convert.training.network import build_network  # noqa: PLC0415 - imports Keras

    rng, values = np.random.default_rng(5), {}
    for number, weight in enumerate(build_network(RECIPE, STAGE.side_px, None).weights):
        if weight.path.endswith(("gamma", "moving_variance")):
            value = np.ones(weight.shape)
        elif weight.path.endswith("kernel"):
            value = rng.normal(0, np.sqrt(2 / np.prod(weight.shape[:-1])), weight.shape)
        else:
            value = np.zeros(weight.shape)
        values[f"arr_{number}"] = value.astype(np.float32)
    np.savez(path, **values)


def interrupt_at(batch):
    from convert.training import callbacks  # noqa: PLC0415

    numbers, learning_rate = itertools.count(), callbacks.learning_rate

    def interrupting(*arguments):
        if next(numbers) == batch:
            callbacks.learning_rate = learning_rate
            raise KeyboardInterrupt
        return learning_rate(*arguments)

    callbacks.learning_rate = interrupting


def main(data, folder):
    backend = chosen_backend()
    require_backend(backend)
    warnings.simplefilter("ignore")
    from convert.training.checkpoint import read_state  # noqa: PLC0415
    from convert.training.history import read_history  # noqa: PLC0415
    from convert.training.preparation import prepare  # noqa: PLC0415
    from convert.training.train import train  # noqa: PLC0415

    if not (data / "start.npz").exists():
        make_start(data / "start.npz")

    def run(name):
        place = folder / name
        place.mkdir(parents=True, exist_ok=True)
        if not (place / "state.json").exists():
            (place / "state.json").write_text('{"stage": 1}', encoding="utf-8")
            (place / "stage0_epoch1.npz").write_bytes((data / "start.npz").read_bytes())
        train(prepare(RECIPE, data, place), Heartbeat(print), 0.0)
        with np.load(place / "stage1_epoch1.npz") as file:
            average = [file[name] for name in file.files if name.startswith("arr_")]
        return read_history(place)[-1].loss, average

    mean, whole = run("whole")
    interrupt_at(1)
    with contextlib.suppress(KeyboardInterrupt):
        run("parts")
    first = read_state(folder / "parts")
    resumed_mean, parts = run("parts")
    answer = {
        "backend": backend,
        "interrupted_after": first.place,
        "losses": [first.loss, 2 * mean - first.loss],
        "resumed_losses": [first.loss, 2 * resumed_mean - first.loss],
        "difference": max(float(np.abs(one - other).max()) for one, other in zip(whole, parts, strict=True)),
    }
    np.savez(folder / "average.npz", *whole)
    print(json.dumps(answer))  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
