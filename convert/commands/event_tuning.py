"""`emotion-convert events`: the search for the defaults of `[events]`."""

import argparse
import sys
from pathlib import Path
from typing import Final

from convert.commands.common import (
    Subparsers,
    add_model_argument,
    data_folder_of,
    data_option,
    print_line,
    whole_number,
)

_PEOPLE: Final = 40
_MAX_PEOPLE: Final = 1000


def add(commands: Subparsers) -> None:
    """Add the subcommand."""
    events = commands.add_parser(
        "events", parents=[data_option()], help="measure how correct the events are, and choose the [events] defaults"
    )
    add_model_argument(events)
    events.add_argument(
        "--people",
        type=whole_number(1, _MAX_PEOPLE),
        default=_PEOPLE,
        metavar="N",
        help=f"number of synthetic people, 45 seconds each (default: {_PEOPLE})",
    )
    events.add_argument("--json", type=Path, metavar="FILE", help="also write the complete grid to FILE")
    events.set_defaults(handler=_events)


def _events(arguments: argparse.Namespace) -> None:
    from convert.event_tuning.grid_search import Workload, search_grid  # noqa: PLC0415
    from convert.event_tuning.text import grid_data, to_text  # noqa: PLC0415
    from convert.files import write_json  # noqa: PLC0415
    from edge.vision.classification.classifier import Classifier  # noqa: PLC0415
    from edge.vision.classification.manifest import find_model  # noqa: PLC0415

    folder = data_folder_of(arguments)
    classifier = Classifier(find_model(arguments.model))
    result = search_grid(classifier, folder, print_line, Workload(arguments.people))
    sys.stdout.write(to_text(result))
    if arguments.json:
        write_json(arguments.json, grid_data(result), indent=1)
