"""The most confident errors as pictures, for the person who trains. They are photographs of people."""

import base64
from html import escape
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from convert.data.fer2013 import LABELS
from convert.evaluation.results import Measurement
from convert.reports.html import page, paragraph

WARNING: Final = (
    "This page shows photographs of people, from a data set that gives no right to pass them on. Do not publish it, "
    "and do not commit it."
)
_MOST: Final = 120


def most_confident_errors(measurement: Measurement, most: int = _MOST) -> NDArray[np.int64]:
    """Return the places in the measured split, int64 (k,), of the surest wrong answers, surest first.

    Wrong: not the FER+ majority. Equal confidences stand in the order of the file.
    """
    labels, rows = measurement.images.leader, measurement.calibrated
    wrong = np.flatnonzero((labels >= 0) & (rows.argmax(axis=1) != labels))
    order = np.argsort(-rows[wrong].max(axis=1), kind="stable")
    return np.asarray(wrong[order[:most]], dtype=np.int64)


def error_page(measurement: Measurement) -> str:
    """Return the HTML page."""
    about, places = measurement.evaluation, most_confident_errors(measurement)
    figures = "\n".join(_face(measurement, int(place)) for place in places)
    body = [
        paragraph(WARNING, "warning"),
        paragraph(
            f"Model {about.model} ({about.sha256[:12]}), {about.trust.runtime}, {about.split}: the {len(places)} "
            f"surest answers that are not the FER+ majority, surest first. Below each face: what the model says with "
            f"its calibrated confidence, what people said (share of the votes for the seven emotions), and the row in "
            f"fer2013.npz."
        ),
        f'<div class="faces">\n{figures}\n</div>',
    ]
    return page(f"{about.model}: most confident errors", body)


def _face(measurement: Measurement, place: int) -> str:
    split, row = measurement.images, measurement.calibrated[place]
    _, png = cv2.imencode(".png", split.images[place])
    data = base64.b64encode(png.tobytes()).decode()
    said, meant = LABELS[int(row.argmax())], LABELS[int(split.leader[place])]
    votes = sorted(zip(split.votes[place], LABELS, strict=True), reverse=True)
    people = ", ".join(f"{label} {100 * share:.0f} %" for share, label in votes if share > 0)
    number = int(split.rows[place])
    return (
        f'<figure><img src="data:image/png;base64,{data}" alt="face in row {number}, {escape(meant)} to most people">'
        f"<figcaption><strong>{escape(said)} {100 * float(row.max()):.0f} %</strong><br>people: {escape(people)}<br>"
        f"row {number}</figcaption></figure>"
    )
