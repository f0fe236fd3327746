"""`emotion-convert data`: the data file of FER2013 and FER+ from what is published."""

import argparse
from pathlib import Path

from convert.commands.common import Subparsers, print_line


def add(commands: Subparsers) -> None:
    """Add the subcommand."""
    data = commands.add_parser(
        "data",
        help="make fer2013.npz, the data file for training and evaluation, from FER2013's and FER+'s tables",
        description="Makes fer2013.npz from FER2013's and FER+'s published tables, or without votes from FER2013 as "
        "folders of pictures. Converting a model of your own needs none of them.",
    )
    data.add_argument(
        "--fer2013",
        type=Path,
        required=True,
        metavar="FILE",
        help="fer2013.csv or icml_face_data.csv, or a folder with train/LABEL/*.jpg and test/LABEL/*.jpg",
    )
    data.add_argument("--ferplus", type=Path, metavar="FILE", help="FER+'s fer2013new.csv, for the votes")
    data.add_argument(
        "--output", type=Path, default=Path("data"), metavar="DIR", help="folder for fer2013.npz (default: data)"
    )
    data.set_defaults(handler=_data, loads_tensorflow=True)


def _data(arguments: argparse.Namespace) -> None:
    from convert.data.picture_folders import read_folders  # noqa: PLC0415
    from convert.data.published import WHERE, compare_with_published, describe, write_data_file  # noqa: PLC0415
    from convert.data.tables import read_tables  # noqa: PLC0415
    from convert.errors import ConvertError  # noqa: PLC0415
    from convert.progress import Heartbeat  # noqa: PLC0415

    source, ferplus = arguments.fer2013, arguments.ferplus
    for path in (source, ferplus):
        if path is not None and not path.exists():
            msg = f"{path} does not exist; {WHERE}"
            raise ConvertError(msg)
    with Heartbeat(print_line) as heartbeat:
        heartbeat.line(f"reading {source}")
        tick = heartbeat.counted(f"reading {source}")
        if source.is_dir():
            if ferplus is not None:
                msg = (
                    f"--ferplus {ferplus} needs FER2013's table, fer2013.csv, and {source} is a folder: the names "
                    f"of its pictures do not say to which votes they belong; leave --ferplus out, or get the "
                    f"table; {WHERE}"
                )
                raise ConvertError(msg)
            faces = read_folders(source, heartbeat.line, tick)
        else:
            faces = read_tables(source, ferplus, heartbeat.line, tick)
            heartbeat.line(compare_with_published(faces))
            if ferplus is None:
                heartbeat.line(f"no --ferplus: the file has no FER+ votes, which most commands need; {WHERE}")
        for line in describe(faces):
            heartbeat.line(line)
        heartbeat.status("writing the file")
        path = write_data_file(faces, arguments.output)
        heartbeat.line(f"wrote {path}; other commands find it by --data {arguments.output}")
