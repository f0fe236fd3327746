"""`emotion-convert cascade`: judges cascade files beside OpenCV's own."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Final

from convert.commands.common import Subparsers, data_folder_of, data_option, print_line, whole_number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from convert.evaluation.cascade_frames import Faces, FootageFrame

_FACES: Final = 200
"""Faces that are drawn: a recall of 90 % is known to within 4 points, in two minutes of processor time."""
_EVERY: Final = 1
"""A clip of some seconds has few frames that differ; for hours of footage a larger step saves the time."""


def add(commands: Subparsers) -> None:
    """Add the subcommand."""
    cascade = commands.add_parser(
        "cascade", parents=[data_option()], help="judge cascade files beside OpenCV's: faces found, phantoms, cost"
    )
    cascade.add_argument("files", nargs="+", type=Path, metavar="FILE", help="cascade file (XML)")
    cascade.add_argument(
        "--pictures",
        type=Path,
        metavar="DIR",
        help="pictures of one face each, instead of FER2013's PublicTest; subfolders count too",
    )
    cascade.add_argument(
        "--footage",
        type=Path,
        nargs="+",
        default=[],
        metavar="PATH",
        help="videos and pictures without faces, or folders of them, on which phantoms are counted (default: beside "
        "the faces in their frames)",
    )
    cascade.add_argument(
        "--faces", type=whole_number(1), default=_FACES, metavar="N", help=f"faces to draw (default: {_FACES})"
    )
    cascade.add_argument(
        "--every",
        type=whole_number(1),
        default=_EVERY,
        metavar="N",
        help=f"search each N-th frame of a video (default: {_EVERY})",
    )
    cascade.add_argument("--json", type=Path, metavar="FILE", help="also write the results to FILE")
    # It needs no TensorFlow.
    cascade.set_defaults(handler=_cascade, loads_tensorflow=True)


def _cascade(arguments: argparse.Namespace) -> None:
    from convert.evaluation.cascade_frames import CONDITIONS, all_footage_frames, footage_files  # noqa: PLC0415
    from convert.evaluation.cascade_trial import judge, open_cascades  # noqa: PLC0415
    from convert.files import write_json  # noqa: PLC0415
    from convert.progress import Heartbeat  # noqa: PLC0415
    from convert.reports.cascade_text import trial_data, trial_text  # noqa: PLC0415

    cascades = open_cascades(arguments.files)
    files, left_out = footage_files(arguments.footage)
    if arguments.json:
        arguments.json.open("a", encoding="utf-8").close()
    with Heartbeat(print_line) as beat:
        beat.status("reading the faces")
        faces = _faces(arguments)

        def footage() -> "Iterator[FootageFrame]":
            beat.status("searching the footage")
            yield from all_footage_frames(files, arguments.every)

        trial = judge(cascades, faces, CONDITIONS, footage(), beat.counted("frames with faces searched"))
        beat.line(trial_text(trial))
        for sentence in left_out:
            beat.line(f"note: left out of the footage: {sentence}")
        if arguments.json:
            write_json(arguments.json, {**trial_data(trial), "footage_left_out": left_out})


def _faces(arguments: argparse.Namespace) -> "Faces":
    """Return the faces of --pictures, else of FER2013. Raises ConvertError, which names both, where there are none."""
    from convert.errors import ConvertError  # noqa: PLC0415
    from convert.evaluation.cascade_frames import faces_of_fer2013, faces_of_folder  # noqa: PLC0415

    if arguments.pictures is not None:
        if arguments.data is not None:
            msg = f"--data belongs to FER2013, which is not used with --pictures {arguments.pictures}: leave it out"
            raise ConvertError(msg)
        return faces_of_folder(arguments.pictures, arguments.faces)
    try:
        folder = data_folder_of(arguments)
    except ConvertError as error:
        msg = f"{error}; or judge on faces of your own with --pictures DIR, a folder of pictures of one face each"
        raise ConvertError(msg) from error
    return faces_of_fer2013(folder, arguments.faces)
