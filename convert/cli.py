"""The command `emotion-convert`."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from convert.errors import ConvertError
from convert.labels import LABELS
from edge.errors import EdgeError

_INTERRUPTED: Final = 130
"""128 + SIGINT, as shells report it."""
_UNSURE: Final = 0.4
"""Confidence under which a model that nobody evaluated says "unknown": well above 1/7, well below sure."""
_RUN: Final = Path("runs/default")
_ACTOR: Final = Path("edge/assets/actor.png")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="emotion-convert", description="Train, quantize, evaluate and export models for emotion-edge."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    data = argparse.ArgumentParser(add_help=False)
    data.add_argument(
        "--data", type=Path, metavar="DIR", help="folder of fer2013.npz (else $EMOTION_EDGE_DATA/data, ../shared/data)"
    )

    train = commands.add_parser("train", parents=[data], help="train into a run folder; resumes what it finds there")
    train.add_argument("--recipe", default="default", metavar="NAME|FILE", help="named recipe, or a recipe's JSON")
    train.add_argument("--run", type=Path, metavar="DIR", help="run folder (default runs/RECIPE)")
    train.add_argument("--epochs-scale", type=float, default=1.0, metavar="X", help="multiply every stage's epochs")

    export = commands.add_parser("export", parents=[data], help="make a run's best model the one that ships")
    export.add_argument("--run", type=Path, default=_RUN, metavar="DIR", help=f"run folder (default {_RUN})")
    export.add_argument("--output", type=Path, default=Path("models"), metavar="DIR", help="folder (default models)")
    export.add_argument("--name", default="normal", help="name of the model (default normal)")

    _add_quantize(commands.add_parser("quantize", parents=[data], help="convert a Keras model of your own"))

    evaluate = commands.add_parser("evaluate", parents=[data], help="measure a model on FER2013 and FER+")
    evaluate.add_argument("model", nargs="?", default="normal", metavar="MODEL", help="shipped name or .tflite path")
    evaluate.add_argument("--float", type=Path, metavar="FILE", help="float model (default: MODEL's .keras, if there)")
    evaluate.add_argument("--split", choices=("PublicTest", "PrivateTest"), default="PrivateTest")
    evaluate.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")

    margin = commands.add_parser("margin", parents=[data], help="measure crop margins through the real detector")
    margin.add_argument("model", nargs="?", default="normal", metavar="MODEL", help="shipped name or .tflite path")

    actor = commands.add_parser("actor", parents=[data], help="make the scripted actor's seven composite faces")
    actor.add_argument(
        "--model", type=Path, default=Path("models/normal.keras"), metavar="FILE", help="float model that selects faces"
    )
    actor.add_argument("--output", type=Path, default=_ACTOR, metavar="PNG", help=f"picture (default {_ACTOR})")
    return parser


def _add_quantize(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="MODEL", help=".keras, .h5 or SavedModel folder")
    parser.add_argument("--labels", default=",".join(LABELS), metavar="A,B,...", help="output order (default FER's 7)")
    parser.add_argument("--colour", choices=("gray", "rgb", "bgr"), help="default: gray for 1 channel, else rgb")
    parser.add_argument(
        "--range",
        type=float,
        nargs=2,
        default=(-1.0, 1.0),
        metavar=("LOW", "HIGH"),
        help="what pixel values 0 and 255 were in training (default -1 1)",
    )
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


# Everything heavy is imported where it is used: --help must not wait for TensorFlow.
def _data(arguments: argparse.Namespace) -> Path:
    from convert.dataset import data_folder  # noqa: PLC0415

    return data_folder(arguments.data)


def _train(arguments: argparse.Namespace) -> None:
    from convert.recipe import find_recipe  # noqa: PLC0415
    from convert.train import train  # noqa: PLC0415

    recipe = find_recipe(arguments.recipe)
    if arguments.epochs_scale != 1:
        recipe = recipe.scaled(arguments.epochs_scale)
    run = arguments.run or Path("runs") / recipe.name
    _say(f"best model: {train(recipe, _data(arguments), run, _say)}")


def _export(arguments: argparse.Namespace) -> None:
    from convert.export import export  # noqa: PLC0415

    target = arguments.output / f"{arguments.name}.tflite"
    export(arguments.run, _data(arguments), target, _say)
    _say(f"wrote {target}, {target.with_suffix('.json')}, {target.with_suffix('.keras')}")


def _quantize(arguments: argparse.Namespace) -> None:
    from convert.usermodel import convert_user_model  # noqa: PLC0415

    _say(f"wrote {convert_user_model(arguments, _say)}")


def _evaluate(arguments: argparse.Namespace) -> None:
    from convert.evaluate import evaluate, to_json, to_table  # noqa: PLC0415
    from edge.manifest import find_model  # noqa: PLC0415

    model = find_model(arguments.model)
    beside = model.with_suffix(".keras")
    reference = arguments.float or (beside if beside.exists() else None)
    found = evaluate(model, reference, _data(arguments), arguments.split)
    sys.stdout.write(to_table(found))
    if arguments.json:
        arguments.json.write_text(json.dumps(to_json(found), indent=2) + "\n", encoding="utf-8")


def _margin(arguments: argparse.Namespace) -> None:
    from convert.evaluate import clean_split  # noqa: PLC0415
    from convert.margin import study_margin, to_table  # noqa: PLC0415
    from convert.runtime import Int8Model  # noqa: PLC0415
    from edge.manifest import find_model, load_manifest  # noqa: PLC0415

    model = find_model(arguments.model)
    manifest = load_manifest(model)
    split, _ = clean_split(_data(arguments), "PublicTest")
    split = split.take(split.leader >= 0)
    sys.stdout.write(to_table(study_margin(split, split.leader, Int8Model(model.read_bytes()), manifest.input)))


def _actor(arguments: argparse.Namespace) -> None:
    from convert.actor import make_actor, write_strip  # noqa: PLC0415
    from convert.floatmodel import load_float_model  # noqa: PLC0415

    composites = make_actor(_data(arguments), load_float_model(arguments.model), _say)
    write_strip(composites, arguments.output)
    _say(f"wrote {arguments.output}")


_COMMANDS: Final[dict[str, Callable[[Any], None]]] = {
    "train": _train,
    "export": _export,
    "quantize": _quantize,
    "evaluate": _evaluate,
    "margin": _margin,
    "actor": _actor,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code. Errors are one sentence on standard error."""
    arguments = _parser().parse_args(argv)
    try:
        from convert.quiet import require_tensorflow  # noqa: PLC0415

        require_tensorflow()
        _COMMANDS[arguments.command](arguments)
    except (ConvertError, EdgeError) as error:
        sys.stderr.write(f"emotion-convert: {error}\n")
        return getattr(error, "exit_code", 1)
    except OSError as error:
        sys.stderr.write(f"emotion-convert: {error.filename or 'file'} cannot be used: {error.strerror or error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("emotion-convert: interrupted; the same train command goes on from the last whole epoch\n")
        return _INTERRUPTED
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
