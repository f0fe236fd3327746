"""Writes the report of an evaluation: index page, page of errors, and all results as JSON."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from convert.data.fer2013 import LABELS
from convert.evaluation.end_to_end import EndToEndResult
from convert.evaluation.results import CalibrationResult, Evaluation, Measurement, RuntimeResult
from convert.evaluation.robustness import SUREST_SHARE, ConditionResult, mean_accuracy
from convert.files import to_json, write_atomically
from convert.progress import PrintLine
from convert.reports import plots
from convert.reports.error_page import WARNING, check_private, error_page
from convert.reports.html import facts, figure, page, paragraph, table
from convert.reports.text import evaluation_data, percent
from convert.training.history import Epoch, read_history

INDEX: Final = "index.html"
ERRORS: Final = "errors.html"
FIGURES: Final = "figures.json"


def write_report(measurement: Measurement, folder: Path, run: Path | None, print_line: PrintLine) -> None:
    """Write index.html, errors.html and figures.json into a folder.

    `run`: folder of the training run whose history is plotted, or Nresult. Raises ConvertError where the folder
    is in a git work tree and not ignored, or the run has no history; OSError where a file cannot be written.
    """
    check_private(folder)
    epochs = () if run is None else read_history(run)
    write_atomically(folder / FIGURES, to_json(evaluation_data(measurement.evaluation)).encode())
    write_atomically(folder / INDEX, index_page(measurement.evaluation, epochs).encode())
    write_atomically(folder / ERRORS, error_page(measurement).encode())
    print_line(f"wrote {folder / INDEX}, {folder / FIGURES}")
    print_line(f"wrote {folder / ERRORS}. {WARNING}")


def index_page(evaluation: Evaluation, epochs: Sequence[Epoch] = ()) -> str:
    """Return the report as one HTML document without faces."""
    body = [
        *_summary(evaluation),
        *_runtimes(evaluation),
        *_labels(evaluation),
        *_calibration(evaluation.trust),
        *_robustness(evaluation.robustness, evaluation.trust),
        *_end_to_end(evaluation.detected, evaluation.trust),
        *_training(epochs),
        *_provenance(evaluation),
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
            f"{trust.runtime}, {trust.dataset}: {percent(scores.accuracy)} of {scores.images} images correct (95 % "
            f"interval {_interval(scores.interval)}), macro recall {percent(scores.macro_recall)}, calibration error "
            f"{percent(trust.calibration_error)}."
        ),
        paragraph(
            f"{evaluation.split} has {evaluation.whole} images; {evaluation.dropped} that Training contains too, pixel "
            f"for pixel, are left out.{part} FER+ majority: the answer with the most votes of ten people, where it is "
            f"one of the seven emotions; the vote table's column order decides ties. FER2013: that data set's own "
            f"label. Intervals are Wilson's.",
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
    header = ["runtime", "labels", "images", "accuracy", "95 % interval", "macro recall"]
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
    comparison_header = ["first / second", "images", "same label", "with a majority", "accuracy, second less first"]
    comparison_header += ["only first correct", "only second correct"]
    return [
        "<h2>Float and int8 on each runtime</h2>",
        table("Each form of the model", header, rows),
        table("Every two forms on the same images", comparison_header, pairs) if pairs else "",
        *[paragraph(f"Not measured: {reason}", "note") for reason in evaluation.absent],
    ]


def _labels(evaluation: Evaluation) -> list[str]:
    pieces = ["<h2>By label</h2>"]
    for result in evaluation.results:
        if result.runtime == evaluation.trust.runtime:
            pieces += [_per_label(result), _confusion(result)]
    return pieces


def _per_label(result: RuntimeResult) -> str:
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


def _confusion(result: RuntimeResult) -> str:
    rows = [[label, *map(str, row)] for label, row in zip(LABELS, result.scores.confusion, strict=True)]
    heat = [[count / max(1, sum(row)) for count in row] for row in result.scores.confusion]
    caption = f"{result.dataset}, {result.runtime}: rows are true labels, columns predicted labels"
    return table(caption, ["", *LABELS], rows, heat)


def _calibration(trust: CalibrationResult) -> list[str]:
    curve = dict(trust.curve)
    bins = [
        [f"{part.low:.2f} - {part.high:.2f}", str(part.images), percent(part.confidence), percent(part.accuracy)]
        for part in trust.bins
    ]
    shares = [[f"{100 * share:.0f} %", percent(accuracy)] for share, accuracy in trust.curve]
    origin = f"{trust.runtime}, {trust.dataset}, {trust.images} images, temperature {trust.temperature:g}"
    return [
        "<h2>Calibration of the confidence</h2>",
        paragraph(
            f"Expected calibration error over {len(trust.bins)} bins: {percent(trust.calibration_error)}. "
            f"{percent(trust.coverage)} of the faces reach the threshold for a label ({trust.unknown_below:g}); of "
            f"those {percent(trust.covered_accuracy)} are correct. On the most confident 90 % of the faces "
            f"{percent(curve[SUREST_SHARE])} are correct, {_points(curve[SUREST_SHARE] - curve[1.0])} against all."
        ),
        figure(plots.reliability_svg(trust.bins), f"Reliability: {origin}."),
        figure(plots.coverage_svg(trust.curve), f"Coverage and accuracy: {origin}."),
        "<details><summary>The same as tables</summary>",
        table("Bins of confidence", ["confidence", "images", "mean confidence", "accuracy"], bins),
        table("Coverage", ["most confident", "accuracy"], shares),
        "</details>",
    ]


def _robustness(results: Sequence[ConditionResult], trust: CalibrationResult) -> list[str]:
    if not results:
        return []
    rows = [
        [
            f"{result.condition.kind} {result.condition.amount:.2g} {result.condition.unit}"
            if result.condition.unit
            else "none",
            percent(result.accuracy),
            _interval(result.interval),
            percent(result.macro_recall),
            percent(result.coverage),
            percent(result.covered_accuracy),
            percent(result.calibration_error),
        ]
        for result in results
    ]
    header = ["condition", "accuracy", "95 % interval", "macro recall", "keep a label", "of those correct"]
    return [
        "<h2>Robustness to corruptions and misplaced boxes</h2>",
        paragraph(
            f"Mean accuracy over all corruptions and strengths: {percent(mean_accuracy(results))}. Strength 1 is the "
            f"most that training uses; convert/data/corruptions.py defines each corruption."
        ),
        figure(
            plots.robustness_svg(results),
            f"{trust.runtime}, {trust.dataset}, {results[0].images} images in each condition.",
        ),
        "<details><summary>The same as a table</summary>",
        table(f"{trust.runtime}, {trust.dataset}", [*header, "calibration error"], rows),
        "</details>",
    ]


def _end_to_end(detected: EndToEndResult | None, trust: CalibrationResult) -> list[str]:
    if detected is None:
        return []
    rows = [
        [name, str(scores.images), percent(scores.accuracy), _interval(scores.interval), percent(scores.macro_recall)]
        for name, scores in (
            ("found, cropped by the detector's box", detected.boxed),
            ("of those, confirmed by the second cascade", detected.announced),
            ("found, in FER2013's framing", detected.whole),
        )
    ]
    return [
        "<h2>Through the real detector</h2>",
        paragraph(
            f"{detected.faces} faces, 120 pixels wide, were embedded in frames of 320x240 with a blurred surround; the "
            f"device's detector found {detected.found} ({percent(detected.found / detected.faces)}) and confirmed "
            f"{detected.confirmed}."
        ),
        table(
            f"{trust.runtime}, {trust.dataset}", ["faces", "images", "accuracy", "95 % interval", "macro recall"], rows
        ),
    ]


def _training(epochs: Sequence[Epoch]) -> list[str]:
    if not epochs:
        return []
    best = max(epoch.public_test for epoch in epochs)
    caption = f"{len(epochs)} epochs; dotted lines mark a new stage. Highest accuracy on PublicTest {percent(best)}."
    return ["<h2>Training</h2>", figure(plots.training_svg(epochs), caption)]


def _provenance(evaluation: Evaluation) -> list[str]:
    provenance = evaluation.circumstances
    pairs = [
        ("measured", provenance.measured_at),
        ("model", f"{evaluation.model}, sha256 {evaluation.sha256}"),
        *((name, f"sha256 {value}") for name, value in provenance.files),
        ("machine", f"{provenance.system}, Python {provenance.python}"),
        *provenance.packages,
    ]
    return ["<h2>Model, machine and packages</h2>", facts(pairs)]
