"""`emotion-convert events`: the search for the defaults of `[events]`."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from convert.commands.common import (
    Subparsers,
    add_model_argument,
    data_folder_of,
    data_option,
    print_line,
    whole_number,
)
from convert.errors import ConvertError

if TYPE_CHECKING:
    from edge.vision.classification.classifier import Classifier

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
    events.add_argument(
        "--calm-face",
        action="store_true",
        help="measure instead what a calm face (request/calibrate) changes, on N people whose neutral face the model "
        "misreads, and on N others",
    )
    events.set_defaults(handler=_events)


def _events(arguments: argparse.Namespace) -> None:
    from convert.event_tuning.grid_search import Workload, search_grid  # noqa: PLC0415
    from convert.event_tuning.text import grid_data, to_text  # noqa: PLC0415
    from convert.files import write_json  # noqa: PLC0415
    from edge.vision.classification.classifier import Classifier  # noqa: PLC0415
    from edge.vision.classification.manifest import find_model  # noqa: PLC0415

    folder = data_folder_of(arguments)
    classifier = Classifier(find_model(arguments.model))
    if arguments.calm_face:
        _calm_face(arguments, classifier, folder)
        return
    result = search_grid(classifier, folder, print_line, Workload(arguments.people))
    sys.stdout.write(to_text(result))
    if arguments.json:
        write_json(arguments.json, grid_data(result), indent=1)


def _calm_face(arguments: argparse.Namespace, classifier: "Classifier", folder: Path) -> None:
    from convert.event_tuning import calm_faces, calm_trial, face_sequences  # noqa: PLC0415
    from convert.files import write_json  # noqa: PLC0415

    reading = classifier.manifest.neutral_reading
    if not reading:
        msg = f"the manifest of {classifier.path} has no neutral_reading, which `emotion-convert export` measures"
        raise ConvertError(msg)
    people = calm_faces.record_calm_people(classifier, folder, print_line, arguments.people, face_sequences.SECONDS)
    trial = calm_trial.CalmTrial(people, classifier.manifest, reading.log_odds)
    rows = [row for setting in dict.fromkeys([calm_trial.CHOSEN, *calm_trial.SWEEP]) for row in trial.rows(setting)]
    sys.stdout.write(calm_trial.calm_text(trial, rows))
    if arguments.json:
        write_json(arguments.json, calm_trial.calm_data(trial, rows), indent=1)
