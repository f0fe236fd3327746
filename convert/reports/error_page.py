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

from convert.data.fer2013 import LABELS
from convert.errors import ConvertError
from convert.evaluation.results import Measurement
from convert.reports.html import page, paragraph

WARNING: Final = (
    "This page shows photographs of people, from a data set that gives no right to pass them on. Do not publish it, "
    "and do not commit it."
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
    """Return the indexes in the split, int64 (k,), of the wrong predictions, most confident first.

    A prediction is wrong where it is not the FER+ majority. Equal confidences keep the order of the file.
    """
    labels, rows = measurement.split.leader, measurement.probabilities
    wrong = np.flatnonzero((labels >= 0) & (rows.argmax(axis=1) != labels))
    order = np.argsort(-rows[wrong].max(axis=1), kind="stable")
    return np.asarray(wrong[order[:limit]], dtype=np.int64)


def error_page(measurement: Measurement) -> str:
    """Return the HTML page of the most confident errors."""
    evaluation, indexes = measurement.evaluation, most_confident_errors(measurement)
    figures = "\n".join(_face(measurement, int(index)) for index in indexes)
    body = [
        paragraph(WARNING, "warning"),
        paragraph(
            f"Model {evaluation.model} ({evaluation.sha256[:12]}), {evaluation.trust.runtime}, {evaluation.split}: the "
            f"{len(indexes)} most confident predictions that are not the FER+ majority, most confident first. Below "
            f"each face: the predicted label with its calibrated confidence, the votes of people (shares among the "
            f"seven emotions), and the row in fer2013.npz."
        ),
        f'<div class="faces">\n{figures}\n</div>',
    ]
    return page(f"{evaluation.model}: most confident errors", body)


def _face(measurement: Measurement, index: int) -> str:
    split, probabilities = measurement.split, measurement.probabilities[index]
    _, png = cv2.imencode(".png", split.images[index])
    data = base64.b64encode(png.tobytes()).decode()
    predicted, true = LABELS[int(probabilities.argmax())], LABELS[int(split.leader[index])]
    votes = sorted(zip(split.votes[index], LABELS, strict=True), reverse=True)
    people = ", ".join(f"{label} {100 * share:.0f} %" for share, label in votes if share > 0)
    row = int(split.rows[index])
    return (
        f'<figure><img src="data:image/png;base64,{data}" alt="face in row {row}, {escape(true)} to most people">'
        f"<figcaption><strong>{escape(predicted)} {100 * float(probabilities.max()):.0f} %</strong><br>"
        f"people: {escape(people)}<br>row {row}</figcaption></figure>"
    )
