"""A run folder that contains nothing but a history."""

import json

EPOCHS = ((32, 1), (32, 2), (48, 1))
"""Side of the images and number of each epoch."""


def write_history(folder):
    lines = [
        {"side_px": side, "epoch": epoch, "loss": 2 / at, "public_test": 0.1 * at}
        for at, (side, epoch) in enumerate(EPOCHS, 1)
    ]
    (folder / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
