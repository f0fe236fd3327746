"""`emotion-convert quantize`."""

import argparse
from pathlib import Path
from typing import Final

from convert.commands import Commands, data_parent, range_parent, say

_UNSURE: Final = 0.4
"""Confidence under which a model that nobody evaluated says "unknown": well above 1/7, well below sure."""


def add(commands: Commands) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "quantize", parents=[data_parent(), range_parent()], help="convert a Keras model of your own"
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help=".keras, .h5 or SavedModel folder")
    parser.add_argument("--labels", metavar="A,B,...", help="output order (default FER's 7)")
    parser.add_argument("--colour", choices=("gray", "rgb", "bgr"), help="default: gray for 1 channel, else rgb")
    parser.add_argument(
        "--calibration", type=Path, metavar="PATH", help="pictures: folder, .npz or .npy (default: FER2013 Training)"
    )
    parser.add_argument("--in-out", choices=("int8", "uint8"), default="int8", help="input and output type")
    parser.add_argument("--crop-margin", type=float, default=0.0, metavar="SHARE", help="widen the box on every side")
    parser.add_argument("--temperature", type=float, default=1.0, metavar="T", help="probabilities become p^(1/T)")
    parser.add_argument("--unknown-below", type=float, default=_UNSURE, metavar="P", help=f"default {_UNSURE}")
    parser.add_argument("--licence", default="not stated", help="the model's licence, for the manifest")
    parser.add_argument("--intended-use", default="not stated", help="what it is for, for the manifest")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder for NAME.tflite, NAME.json")
    parser.add_argument("--name", required=True, help="name of the model")


def run(arguments: argparse.Namespace) -> None:
    """Convert somebody's own model."""
    from convert.data.fer2013 import LABELS  # noqa: PLC0415
    from convert.release.user_model import convert_user_model  # noqa: PLC0415

    if arguments.labels is None:
        arguments.labels = ",".join(LABELS)

    say(f"wrote {convert_user_model(arguments, say)}")
