"""Writes the report of an evaluation: index page, page of errors, and all results as JSON."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from convert.evaluation.results import (
    DETECTOR,
    FEW_IMAGES,
    ROBUSTNESS,
    CalibrationResult,
    Evaluation,
    Measurement,
)
from convert.evaluation.robustness import SUREST_SHARE, mean_accuracy
from convert.evaluation.valence import valence_lines
from convert.files import to_json, write_atomically
from convert.progress import PrintLine
from convert.reports import plots
from convert.reports.confusion import confusion_table, interval_text, label_table
from convert.reports.error_page import check_private, error_page, warning_of
from convert.reports.html import bullets, facts, figure, page, paragraph, table
from convert.reports.text import (
    PUBLIC_TEST_NOTE,
    coverage_sentence,
    evaluation_data,
    missing_forms,
    percent,
    picture_sentences,
)
from convert.training.history import Epoch, read_history

INDEX: Final = "index.html"
ERRORS: Final = "errors.html"
FIGURES: Final = "figures.json"


def write_report(measurement: Measurement, folder: Path, run: Path | None, print_line: PrintLine) -> None:
    """Write index.html, errors.html and figures.json into a folder.

    `run`: folder of the training run whose history is plotted, or None. Raises ConvertError where the folder
    is in a git work tree and not ignored, or the run has no history; OSError where a file cannot be written.
    """
    check_private(folder)
    epochs = () if run is None else read_history(run)
    write_atomically(folder / FIGURES, to_json(evaluation_data(measurement.evaluation)).encode())
    write_atomically(folder / INDEX, index_page(measurement.evaluation, epochs).encode())
    write_atomically(folder / ERRORS, error_page(measurement).encode())
    print_line(f"wrote {folder / INDEX}, {folder / FIGURES}")
    print_line(f"wrote {folder / ERRORS}. {warning_of(measurement.evaluation)}")


def index_page(evaluation: Evaluation, epochs: Sequence[Epoch] = ()) -> str:
    """Return the report as one HTML document without faces."""
    body = [
        *_summary(evaluation),
        *_runtimes(evaluation),
        *_pictures(evaluation),
        *_labels(evaluation),
        *_calibration(evaluation.trust),
        *(paragraph(f"{line[0].upper()}{line[1:]}.") for line in valence_lines(evaluation.valence)),
        *_robustness(evaluation),
        *_end_to_end(evaluation),
        *_training(epochs),
        *_provenance(evaluation),
    ]
    return page(f"Evaluation of {evaluation.model} on {evaluation.split}", body)


def _points(share: float) -> str:
    return f"{100 * share:+.2f} points"


def _summary(evaluation: Evaluation) -> list[str]:
    trust = evaluation.trust
    pieces = [paragraph(_result_sentence(evaluation))]
    if evaluation.pictures is not None:
        pieces += [paragraph(f"{sentence}.", "note") for sentence in picture_sentences(evaluation.pictures)]
        if evaluation.pictures.pictures < evaluation.whole:
            sample = (
                f"This is a sample of {evaluation.pictures.pictures} of {evaluation.whole} pictures, drawn at random."
            )
            pieces.append(paragraph(sample, "note"))
    else:
        pieces.append(paragraph(_split_sentences(evaluation), "note"))
    pieces.append(
        paragraph(
            "Intervals are of 95 %: Wilson's for shares, recovered variances for the macro recall, resampling for the "
            f"calibration error ({trust.images} faces).",
            "note",
        )
    )
    return pieces + [paragraph(f"Warning: {sentence}.", "warning") for sentence in evaluation.warnings]


def _result_sentence(evaluation: Evaluation) -> str:
    scores, trust = evaluation.shipped.scores, evaluation.trust
    text = (
        f"{trust.runtime}, {trust.dataset}: {percent(scores.accuracy)} of {scores.images} correct (95 % interval "
        f"{interval_text(scores.interval)}), macro recall {percent(scores.macro_recall)} "
        f"({interval_text(scores.macro_recall_interval)}), calibration error {percent(trust.calibration_error)} "
        f"({interval_text(trust.calibration_error_interval)})."
    )
    every = evaluation.over_all_pictures
    if every is not None:
        text += (
            f" Of all {every.scores.images} pictures {percent(every.scores.accuracy)} are correct "
            f"({interval_text(every.scores.interval)})."
        )
    return text


def _split_sentences(evaluation: Evaluation) -> str:
    left = evaluation.whole - evaluation.dropped
    part = "" if evaluation.images == left else f" This is a sample of {evaluation.images} of them, drawn at random."
    return (
        f"{evaluation.split} has {evaluation.whole} images; {evaluation.dropped} that Training contains too, pixel "
        f"for pixel, are left out.{part} FER+ majority: the answer with the most votes of ten people, where it is "
        f"one of the seven emotions; the vote table's column order decides ties. FER2013: that data set's own label."
    )


def _pictures(evaluation: Evaluation) -> list[str]:
    counts = evaluation.pictures
    if counts is None:
        return []
    rows = [
        [each.label, str(each.pictures), *([] if counts.crops else [str(each.no_face), str(each.several_faces)])]
        for each in counts.labels
    ]
    header = ["label", "pictures", *([] if counts.crops else ["no face", "several faces"])]
    pieces = ["<h2>Pictures</h2>", table("Pictures that were read", header, rows)]
    notes = [*evaluation.notes, *(f"{sentence}; it is left out" for sentence in counts.unreadable)]
    return [*pieces, bullets(notes)] if notes else pieces


def _runtimes(evaluation: Evaluation) -> list[str]:
    rows = [
        [
            result.runtime,
            result.dataset,
            str(result.scores.images),
            percent(result.scores.accuracy),
            interval_text(result.scores.interval),
            percent(result.scores.macro_recall),
            interval_text(result.scores.macro_recall_interval),
        ]
        for result in evaluation.results
    ]
    rows += [[each.what, f"not measured: {each.why}"] for each in missing_forms(evaluation)]
    counted = "labels" if evaluation.pictures is None else "measured on"
    header = ["runtime", counted, "images", "accuracy", "95 % interval", "macro recall", "95 % interval"]
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
    judged = "with a majority" if evaluation.pictures is None else "with a label"
    comparison_header = ["first / second", "images", "same label", judged, "accuracy, second less first"]
    comparison_header += ["only first correct", "only second correct"]
    return [
        "<h2>Float and int8 on each runtime</h2>",
        table("Each form of the model", header, rows),
        table("Every two forms on the same images", comparison_header, pairs) if pairs else "",
    ]


def _absent(evaluation: Evaluation, what: str, title: str) -> list[str]:
    """Return a section that says why a part was not measured; nothing where no reason is known."""
    reasons = [each for each in evaluation.not_measured if each.what == what]
    return [f"<h2>{title}</h2>", *(paragraph(f"Not measured: {each.why}.") for each in reasons)] if reasons else []


def _labels(evaluation: Evaluation) -> list[str]:
    pieces = [
        "<h2>By label</h2>",
        paragraph(
            "In the matrix each cell has a count and its share of the row. The tint is the share that is certain, the "
            f"lower limit of its interval: blue where correct, orange where wrong. A row of fewer than {FEW_IMAGES} "
            "stays pale and is written in italics.",
            "note",
        ),
    ]
    for result in evaluation.results:
        if result.runtime == evaluation.trust.runtime:
            pieces += [label_table(result, evaluation.labels), confusion_table(result, evaluation.labels)]
    for result in evaluation.public_test:
        scores = result.scores
        sentence = (
            f"{PUBLIC_TEST_NOTE}: {percent(scores.accuracy)} of {scores.images} correct "
            f"({interval_text(scores.interval)}), macro recall {percent(scores.macro_recall)} "
            f"({interval_text(scores.macro_recall_interval)})."
        )
        pieces += [paragraph(sentence), label_table(result, evaluation.labels)]
    return pieces


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
            f"Expected calibration error over {len(trust.bins)} bins: {percent(trust.calibration_error)} (95 % "
            f"interval {interval_text(trust.calibration_error_interval)}). Of the faces {coverage_sentence(trust)}. On "
            f"the most confident 90 % of the faces {percent(curve[SUREST_SHARE])} are correct, "
            f"{_points(curve[SUREST_SHARE] - curve[1.0])} against all."
        ),
        figure(
            plots.reliability_svg(trust.bins),
            f"Reliability: {origin}. Lines: 95 % intervals; pale: fewer than {FEW_IMAGES} images.",
        ),
        figure(plots.coverage_svg(trust.curve), f"Coverage and accuracy: {origin}."),
        "<details><summary>The same as tables</summary>",
        table("Bins of confidence", ["confidence", "images", "mean confidence", "accuracy"], bins),
        table("Coverage", ["most confident", "accuracy"], shares),
        "</details>",
    ]


def _robustness(evaluation: Evaluation) -> list[str]:
    results, trust, title = evaluation.robustness, evaluation.trust, "Robustness to corruptions and misplaced boxes"
    if not results:
        return _absent(evaluation, ROBUSTNESS, title)
    rows = [
        [
            f"{result.condition.kind} {result.condition.amount:.2g} {result.condition.unit}"
            if result.condition.unit
            else "none",
            percent(result.accuracy),
            interval_text(result.interval),
            percent(result.macro_recall),
            percent(result.coverage),
            percent(result.covered_accuracy),
            percent(result.calibration_error),
        ]
        for result in results
    ]
    header = ["condition", "accuracy", "95 % interval", "macro recall", "keep a label", "of those correct"]
    return [
        f"<h2>{title}</h2>",
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


def _end_to_end(evaluation: Evaluation) -> list[str]:
    detected, trust, title = evaluation.detected, evaluation.trust, "Through the real detector"
    if detected is None:
        return _absent(evaluation, DETECTOR, title)
    kinds = [
        ("found, cropped by the detector's box", detected.boxed),
        ("of those, confirmed by the second cascade", detected.announced),
        ("found, in FER2013's framing", detected.whole),
    ]
    sharp = evaluation.detected_sharp
    if sharp is not None:
        kinds += [
            ("sharpened and found, cropped by the detector's box", sharp.boxed),
            ("sharpened and found, unsharpened in FER2013's framing", sharp.whole),
        ]
    rows = [
        [
            name,
            str(scores.images),
            percent(scores.accuracy),
            interval_text(scores.interval),
            percent(scores.macro_recall),
        ]
        for name, scores in kinds
    ]
    return [
        f"<h2>{title}</h2>",
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
