"""Builds the page of the most confident errors, and keeps it out of git: it shows photographs of people."""

import base64
import shutil
import subprocess
from html import escape
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from convert.errors import ConvertError
from convert.evaluation.results import Evaluation, Measurement
from convert.reports.html import page, paragraph

WARNING: Final = (
    "This page shows photographs of people, from a data set that gives no right to pass them on. Do not publish it, "
    "and do not commit it."
)
PICTURES_WARNING: Final = (
    "This page shows the photographs of people that were measured. Do not publish or commit it unless they agreed."
)
_MAX_ERRORS: Final = 120


def check_private(folder: Path) -> None:
    """Raise ConvertError where files in `folder` could be committed to git.

    That is the case where it is in a git work tree and git does not ignore it. The folder need not exist.
    """
    target = folder.absolute().resolve()
    existing = next(parent for parent in (target, *target.parents) if parent.is_dir())
    tree = next((parent for parent in (existing, *existing.parents) if (parent / ".git").exists()), None)
    if tree is None:
        return
    git = shutil.which("git")
    if git is None:
        msg = (
            f"{folder} lies in the git work tree {tree}, and git is not installed, so whether it is ignored is unknown"
        )
        raise ConvertError(msg)
    # A file in the folder is checked: a pattern for a folder may end with a slash.
    command = [git, "-C", str(existing), "check-ignore", "-q", str(target / "errors.html")]
    if subprocess.run(command, capture_output=True, check=False).returncode:  # noqa: S603 - git itself
        msg = (
            f"{folder} lies in the git work tree {tree} and is not ignored, but the report shows photographs of "
            f"people: choose a folder below runs/ or outside"
        )
        raise ConvertError(msg)


def most_confident_errors(measurement: Measurement, limit: int = _MAX_ERRORS) -> NDArray[np.int64]:
    """Return the indexes, int64 (k,), of the faces whose predictions are wrong, most confident first.

    A prediction is wrong where it is not the true label. Equal confidences keep the order of the faces.
    """
    labels, rows = measurement.faces.labels, measurement.probabilities
    wrong = np.flatnonzero((labels >= 0) & (rows.argmax(axis=1) != labels))
    order = np.argsort(-rows[wrong].max(axis=1), kind="stable")
    return np.asarray(wrong[order[:limit]], dtype=np.int64)


def warning_of(evaluation: Evaluation) -> str:
    """Return what the reader of the page must know about its photographs."""
    return WARNING if evaluation.pictures is None else PICTURES_WARNING


def error_page(measurement: Measurement) -> str:
    """Return the HTML page of the most confident errors."""
    evaluation, indexes = measurement.evaluation, most_confident_errors(measurement)
    figures = "\n".join(_face(measurement, int(index)) for index in indexes)
    if evaluation.pictures is None:
        truth = "the FER+ majority"
        below = "the votes of people (shares among the seven emotions), and the row in fer2013.npz"
    else:
        truth = "the label of the picture's folder"
        below = "the label of the folder, and the picture"
    body = [
        paragraph(warning_of(evaluation), "warning"),
        paragraph(
            f"Model {evaluation.model} ({evaluation.sha256[:12]}), {evaluation.trust.runtime}, {evaluation.split}: the "
            f"{len(indexes)} most confident predictions that are not {truth}, most confident first. Below each face, "
            f"the predicted label with its calibrated confidence, {below}."
        ),
        f'<div class="faces">\n{figures}\n</div>',
    ]
    return page(f"{evaluation.model}: most confident errors", body)


def _face(measurement: Measurement, index: int) -> str:
    faces, probabilities = measurement.faces, measurement.probabilities[index]
    labels = measurement.evaluation.labels
    _, png = cv2.imencode(".png", faces.images[index])
    data = base64.b64encode(png.tobytes()).decode()
    predicted, true = labels[int(probabilities.argmax())], labels[int(faces.labels[index])]
    place = faces.places[index]
    return (
        f'<figure><img src="data:image/png;base64,{data}" alt="{escape(place)}, {escape(true)}">'
        f"<figcaption><strong>{escape(predicted)} {100 * float(probabilities.max()):.0f} %</strong><br>"
        f"{escape(faces.votes[index])}<br>{escape(place)}</figcaption></figure>"
    )
