"""`emotion-convert events`."""

import argparse
import json
from pathlib import Path
from typing import Final

from convert.commands import Commands, data, data_parent, say, whole_number

_PEOPLE: Final = 40
_MOST_PEOPLE: Final = 1000


def add(commands: Commands) -> None:
    """Describe the command."""
    events = commands.add_parser(
        "events", parents=[data_parent()], help="measure how right the events are, and choose the [events] defaults"
    )
    events.add_argument("model", nargs="?", default="normal", metavar="MODEL", help="shipped name or .tflite path")
    events.add_argument(
        "--people",
        type=whole_number(1, _MOST_PEOPLE),
        default=_PEOPLE,
        metavar="N",
        help=f"made-up people of 45 seconds each (default {_PEOPLE})",
    )
    events.add_argument("--json", type=Path, metavar="FILE", help="write the whole grid there too")


def run(arguments: argparse.Namespace) -> None:
    """Record, search, print."""
    from convert.event_tuning.grid_search import study  # noqa: PLC0415
    from convert.event_tuning.text import to_json, to_table  # noqa: PLC0415
    from edge.classifier import Classifier  # noqa: PLC0415
    from edge.manifest import find_model  # noqa: PLC0415

    folder = data(arguments)
    found = study(Classifier(find_model(arguments.model)), folder, say, arguments.people)
    say(to_table(found).rstrip())
    if arguments.json:
        arguments.json.write_text(json.dumps(to_json(found), indent=1) + "\n", encoding="utf-8")
