"""The report of an evaluation: pages for people, and every figure as JSON."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from convert.data.fer2013 import LABELS
from convert.evaluation.end_to_end import Detected
from convert.evaluation.results import Evaluation, Measurement, Result, Trust
from convert.evaluation.robustness import Robust, mean_accuracy
from convert.files import write_atomically
from convert.progress import Say
from convert.reports import plots
from convert.reports.error_page import WARNING, error_page
from convert.reports.html import facts, figure, page, paragraph, table
from convert.reports.private import check_private
from convert.reports.text import COVERED, percent, to_json
from convert.training.history import Epoch, read_history

INDEX: Final = "index.html"
ERRORS: Final = "errors.html"
FIGURES: Final = "figures.json"


def write_report(measurement: Measurement, folder: Path, run: Path | None, say: Say) -> None:
    """Write index.html, errors.html and figures.json into a folder.

    `run`: the training run's folder, whose history is plotted; None for none. Raises ConvertError where
    the folder is in a git work tree and not ignored, or the run has no history; OSError.
    """
    check_private(folder)
    epochs = () if run is None else read_history(run)
    content = json.dumps(to_json(measurement.evaluation), indent=2) + "\n"
    write_atomically(folder / FIGURES, content.encode())
    write_atomically(folder / INDEX, index_page(measurement.evaluation, epochs).encode())
    write_atomically(folder / ERRORS, error_page(measurement).encode())
    say(f"wrote {folder / INDEX}, {folder / FIGURES}")
    say(f"wrote {folder / ERRORS}. {WARNING}")


def index_page(evaluation: Evaluation, epochs: Sequence[Epoch] = ()) -> str:
    """Return the report as one HTML document; it shows no faces."""
    body = [
        *_summary(evaluation),
        *_runtimes(evaluation),
        *_labels(evaluation),
        *_trust(evaluation.trust),
        *_robustness(evaluation.robustness, evaluation.trust),
        *_detected(evaluation.detected, evaluation.trust),
        *_training(epochs),
        *_circumstances(evaluation),
    ]
    return page(f"Evaluation of {evaluation.model} on {evaluation.split}", body)


def _interval(interval: tuple[float, float]) -> str:
    low, high = interval
    return f"{100 * low:.2f} - {100 * high:.2f}"


def _points(share: float) -> str:
    return f"{100 * share:+.2f} points"


def _summary(evaluation: Evaluation) -> list[str]:
    scores, trust = evaluation.shipped.scores, evaluation.trust
    left = evaluation.whole - evaluation.dropped
    part = "" if evaluation.images == left else f" This is a sample of {evaluation.images} of them, drawn at random."
    return [
        paragraph(
            f"{trust.runtime}, {trust.dataset}: {percent(scores.accuracy)} of {scores.images} images right (95 % "
            f"interval {_interval(scores.interval)}), macro recall {percent(scores.macro_recall)}, calibration error "
            f"{percent(trust.calibration_error)}."
        ),
        paragraph(
            f"{evaluation.split} has {evaluation.whole} images; {evaluation.dropped} that Training holds too, pixel "
            f"for pixel, are left out.{part} FER+ majority: the answer that most of ten people gave, where it is one "
            f"of the seven, ties by the vote table's column order. FER2013: that data set's own label. Intervals are "
            f"Wilson's.",
            "note",
        ),
    ]


def _runtimes(evaluation: Evaluation) -> list[str]:
    rows = [
        [
            result.runtime,
            result.dataset,
            str(result.scores.images),
            percent(result.scores.accuracy),
            _interval(result.scores.interval),
            percent(result.scores.macro_recall),
        ]
        for result in evaluation.results
    ]
    header = ["run by", "labels", "images", "accuracy", "95 % interval", "macro recall"]
    pairs = [
        [
            f"{pair.first} / {pair.second}",
            str(pair.images),
            percent(pair.agreement),
            str(pair.judged),
            _points(pair.difference),
            str(pair.only_first_right),
            str(pair.only_second_right),
        ]
        for pair in evaluation.pairs
    ]
    paired = ["first / second", "images", "same label", "with a majority", "accuracy, second less first"]
    paired += ["only first right", "only second right"]
    return [
        "<h2>Float and int8, and each interpreter</h2>",
        table("Each form of the model", header, rows),
        table("Every two of them on the same images", paired, pairs) if pairs else "",
        *[paragraph(f"Not measured: {reason}", "note") for reason in evaluation.absent],
    ]


def _labels(evaluation: Evaluation) -> list[str]:
    pieces = ["<h2>By label</h2>"]
    for result in evaluation.results:
        if result.runtime == evaluation.trust.runtime:
            pieces += [_per_label(result), _confusion(result)]
    return pieces


def _per_label(result: Result) -> str:
    scores = result.scores
    rows = [
        [
            label,
            str(sum(scores.confusion[at])),
            *map(percent, (scores.precisions[at], scores.recalls[at], scores.f1[at])),
        ]
        for at, label in enumerate(LABELS)
    ]
    caption = f"{result.dataset}, {result.runtime}: precision, recall and F1"
    return table(caption, ["label", "images", "precision", "recall", "F1"], rows)


def _confusion(result: Result) -> str:
    rows = [[label, *map(str, row)] for label, row in zip(LABELS, result.scores.confusion, strict=True)]
    heat = [[count / max(1, sum(row)) for count in row] for row in result.scores.confusion]
    caption = f"{result.dataset}, {result.runtime}: rows are what people said, columns what the model said"
    return table(caption, ["", *LABELS], rows, heat)


def _trust(trust: Trust) -> list[str]:
    curve = dict(trust.curve)
    bins = [
        [f"{part.low:.2f} - {part.high:.2f}", str(part.images), percent(part.confidence), percent(part.accuracy)]
        for part in trust.bins
    ]
    shares = [[f"{100 * share:.0f} %", percent(accuracy)] for share, accuracy in trust.curve]
    on = f"{trust.runtime}, {trust.dataset}, {trust.images} images, temperature {trust.temperature:g}"
    return [
        "<h2>Does it know when it does not know?</h2>",
        paragraph(
            f"Expected calibration error over {len(trust.bins)} bins: {percent(trust.calibration_error)}. "
            f"{percent(trust.coverage)} of the faces reach the threshold for a label ({trust.unknown_below:g}); of "
            f"those {percent(trust.covered_accuracy)} are right. On the surest 90 % of the faces "
            f"{percent(curve[COVERED])} are right, {_points(curve[COVERED] - curve[1.0])} against all."
        ),
        figure(plots.reliability_svg(trust.bins), f"Reliability: {on}."),
        figure(plots.coverage_svg(trust.curve), f"Coverage and accuracy: {on}."),
        "<details><summary>The same as tables</summary>",
        table("Bins of confidence", ["confidence", "images", "mean confidence", "accuracy"], bins),
        table("Coverage", ["surest", "accuracy"], shares),
        "</details>",
    ]


def _robustness(found: Sequence[Robust], trust: Trust) -> list[str]:
    if not found:
        return []
    rows = [
        [
            f"{one.condition.kind} {one.condition.amount:.2g} {one.condition.unit}"
            if one.condition.unit
            else "nothing",
            percent(one.accuracy),
            _interval(one.interval),
            percent(one.macro_recall),
            percent(one.coverage),
            percent(one.covered_accuracy),
            percent(one.calibration_error),
        ]
        for one in found
    ]
    header = ["spoilt by", "accuracy", "95 % interval", "macro recall", "keep a label", "of those right"]
    return [
        "<h2>What cameras and boxes do to it</h2>",
        paragraph(
            f"Mean accuracy over all corruptions and strengths: {percent(mean_accuracy(found))}. Strength 1 is as "
            f"bad as training ever shows it; convert/data/corruptions.py says what each does."
        ),
        figure(
            plots.robustness_svg(found),
            f"{trust.runtime}, {trust.dataset}, {found[0].images} images in each condition.",
        ),
        "<details><summary>The same as a table</summary>",
        table(f"{trust.runtime}, {trust.dataset}", [*header, "calibration error"], rows),
        "</details>",
    ]


def _detected(found: Detected | None, trust: Trust) -> list[str]:
    if found is None:
        return []
    rows = [
        [name, str(scores.images), percent(scores.accuracy), _interval(scores.interval), percent(scores.macro_recall)]
        for name, scores in (
            ("found, cropped by the detector's box", found.boxed),
            ("of those, confirmed by the second cascade", found.announced),
            ("found, as FER2013 frames them", found.whole),
        )
    ]
    return [
        "<h2>Through the real detector</h2>",
        paragraph(
            f"{found.faces} faces, 120 pixels wide, were set into frames of 320x240 with a blurred surround; the "
            f"device's detector found {found.found} ({percent(found.found / found.faces)}) and confirmed "
            f"{found.confirmed}."
        ),
        table(
            f"{trust.runtime}, {trust.dataset}", ["faces", "images", "accuracy", "95 % interval", "macro recall"], rows
        ),
    ]


def _training(epochs: Sequence[Epoch]) -> list[str]:
    if not epochs:
        return []
    best = max(epoch.public_test for epoch in epochs)
    caption = f"{len(epochs)} epochs; dotted lines: a new stage. Highest accuracy on PublicTest {percent(best)}."
    return ["<h2>Training</h2>", figure(plots.training_svg(epochs), caption)]


def _circumstances(evaluation: Evaluation) -> list[str]:
    about = evaluation.circumstances
    pairs = [
        ("measured", about.measured_at),
        ("model", f"{evaluation.model}, sha256 {evaluation.sha256}"),
        *((name, f"sha256 {value}") for name, value in about.files),
        ("machine", f"{about.system}, Python {about.python}"),
        *about.packages,
    ]
    return ["<h2>What was measured with what</h2>", facts(pairs)]
