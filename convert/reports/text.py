"""Formats an evaluation as JSON data and as text for the terminal."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from convert.evaluation.end_to_end import EndToEndResult
from convert.evaluation.results import (
    DETECTOR,
    ROBUSTNESS,
    CalibrationResult,
    Evaluation,
    NotMeasured,
    PictureCounts,
    RuntimeComparison,
    RuntimeResult,
)
from convert.evaluation.robustness import SUREST_SHARE, ConditionResult, mean_accuracy
from convert.evaluation.valence import valence_lines
from convert.reports.confusion import confusion_lines, interval_text, label_lines

PUBLIC_TEST_NOTE: Final = "PublicTest, on which recipe, epoch and adjustment were chosen"
_MAX_NAMED: Final = 10
"""Maximum number of unreadable pictures that the terminal names; JSON and page have all."""


def evaluation_data(evaluation: Evaluation) -> dict[str, Any]:
    """Return the evaluation as data for JSON: every figure with its labels, split, runtime and images."""
    raw = asdict(evaluation)
    split = {"split": evaluation.split}
    origin = {**split, "dataset": evaluation.trust.dataset, "runtime": evaluation.trust.runtime}
    raw["results"] = [{**split, **result} for result in raw["results"]]
    raw["public_test"] = [{"split": "PublicTest", **result} for result in raw["public_test"]]
    raw["valence"] = [{**split, **one} for one in raw["valence"]]
    raw["pairs"] = [{**split, **pair} for pair in raw["pairs"]]
    raw["trust"] = {**origin, **raw["trust"]}
    raw["robustness"] = [{**origin, **row} for row in raw["robustness"]]
    if raw["detected"] is not None:
        raw["detected"] = {**origin, **raw["detected"]}
    raw["absent"] = [str(each) for each in evaluation.not_measured]
    return {"schema": 1, "labels": raw.pop("labels"), **raw}


def percent(share: float | None) -> str:
    """Return a share as per cent with two decimals; a dash for None."""
    return "-" if share is None else f"{100 * share:.2f} %"


def missing_forms(evaluation: Evaluation) -> list[NotMeasured]:
    """Return the forms of the model that were not measured."""
    return [each for each in evaluation.not_measured if each.what not in (ROBUSTNESS, DETECTOR)]


def picture_sentences(counts: PictureCounts) -> list[str]:
    """Return what was found in the pictures of a folder, as sentences."""
    read = f"{counts.read} of {counts.pictures} pictures were read"
    if counts.crops:
        margin = f", with a margin of {counts.crop_margin:+g} of its side" if counts.crop_margin else ""
        return [f"{read}; each is taken for a face, whole{margin}"]
    found = counts.read - counts.no_face
    return [
        f"{read}; a face was found in {found} ({percent(found / max(1, counts.read))}), no face in {counts.no_face}, "
        f"several faces in {counts.several_faces}, of which the largest counts",
        '"found faces" leaves pictures without a face out; "all pictures" counts them as wrong',
    ]


def to_text(evaluation: Evaluation) -> str:
    """Return the evaluation as text for the terminal."""
    pictures = evaluation.pictures
    if pictures is None:
        lines = [
            f"model {evaluation.model}, {evaluation.split}: {evaluation.images} images "
            f"({evaluation.dropped} left out, because Training contains them too)"
        ]
    else:
        lines = [f"model {evaluation.model}, pictures in {evaluation.split}", *picture_sentences(pictures)]
        if pictures.pictures < evaluation.whole:
            lines.append(f"a sample of {pictures.pictures} of {evaluation.whole} pictures, drawn at random")
        lines += [f"{sentence}; it is left out" for sentence in pictures.unreadable[:_MAX_NAMED]]
        more = len(pictures.unreadable) - _MAX_NAMED
        lines += [f"and {more} more that cannot be read (--json and --report name all)"] if more > 0 else []
    lines += evaluation.notes
    lines += [f"warning: {sentence}" for sentence in evaluation.warnings]
    lines += _forms(evaluation) + _pairs(evaluation.pairs) + _calibration(evaluation.trust)
    lines += valence_lines(evaluation.valence)
    lines += (
        _end_to_end(evaluation.detected, evaluation.detected_sharp)
        + _robustness(evaluation.robustness)
        + _per_label(evaluation)
    )
    return "\n".join(lines) + "\n"


def _forms(evaluation: Evaluation) -> list[str]:
    first = "labels" if evaluation.pictures is None else "measured on"
    lines = [
        "",
        f"{first:<14} {'run by':<28} {'images':>6} {'accuracy':>9} {'95 % interval':>15} {'macro recall':>13} "
        f"{'95 % interval':>15}",
    ]
    for result in evaluation.results:
        scores = result.scores
        lines.append(
            f"{result.dataset:<14} {result.runtime:<28} {scores.images:>6} {percent(scores.accuracy):>9} "
            f"{interval_text(scores.interval):>15} {percent(scores.macro_recall):>13} "
            f"{interval_text(scores.macro_recall_interval):>15}"
        )
    forms = missing_forms(evaluation)
    lines += [f"{'not measured':<14} {each}" for each in forms]
    others = [each for each in evaluation.not_measured if each not in forms]
    return [*lines, *([""] if others else []), *(f"not measured: {each}" for each in others)]


def _pairs(pairs: Sequence[RuntimeComparison]) -> list[str]:
    if not pairs:
        return []
    head = f"{'first':<28} {'second':<28} {'same label':>10} {'accuracy':>14}  correct in one only"
    rows = [
        f"{pair.first:<28} {pair.second:<28} {percent(pair.agreement):>10} "
        f"{100 * pair.difference:>+7.2f} points  {pair.only_first_right} first, {pair.only_second_right} second"
        for pair in pairs
    ]
    return ["", head, *rows]


def _calibration(trust: CalibrationResult) -> list[str]:
    curve = dict(trust.curve)
    gain = curve[SUREST_SHARE] - curve[1.0]
    return [
        "",
        f"calibrated, {trust.runtime}, {trust.dataset} ({trust.images}): calibration error "
        f"{percent(trust.calibration_error)} (95 % interval {interval_text(trust.calibration_error_interval)})",
        coverage_sentence(trust),
        f"on the most confident 90 % {percent(curve[SUREST_SHARE])} are correct, {100 * gain:+.2f} points",
    ]


def coverage_sentence(trust: CalibrationResult) -> str:
    """Return how many faces reach the threshold for a label, and how many of those are correct."""
    reach = f"{percent(trust.coverage)} ({interval_text(trust.coverage_interval)}) reach the threshold for a label"
    if trust.covered_accuracy_interval is None:
        return f"{reach} ({trust.unknown_below:g})"
    correct = f"{percent(trust.covered_accuracy)} ({interval_text(trust.covered_accuracy_interval)})"
    return f"{reach} ({trust.unknown_below:g}), and of those {correct} are correct"


def _end_to_end(detected: EndToEndResult | None, sharp: EndToEndResult | None) -> list[str]:
    if detected is None:
        return []
    lines = [
        "",
        f"through the real detector: {detected.found} of {detected.faces} faces found "
        f"({percent(detected.found / detected.faces)}), {detected.confirmed} confirmed by the second cascade",
        f"accuracy on the found faces {percent(detected.boxed.accuracy)}, on the confirmed ones "
        f"{percent(detected.announced.accuracy)}; on the found ones in FER2013's framing "
        f"{percent(detected.whole.accuracy)}",
    ]
    if sharp is not None:
        lines.append(
            f"sharpened: {sharp.found} found, accuracy {percent(sharp.boxed.accuracy)}; the same ones in FER2013's "
            f"framing, unsharpened, {percent(sharp.whole.accuracy)}"
        )
    return lines


def _robustness(results: Sequence[ConditionResult]) -> list[str]:
    if not results:
        return []
    lines = ["", f"{'corruption':<20} {'accuracy':>9}  macro recall  keep a label  of those correct"]
    for result in results:
        condition = result.condition
        name = f"{condition.kind} {condition.amount:.2g}" if condition.unit else "none"
        lines.append(
            f"{name:<20} {percent(result.accuracy):>9} {percent(result.macro_recall):>13} "
            f"{percent(result.coverage):>13} {percent(result.covered_accuracy):>17}"
        )
    return [*lines, f"mean over corruptions: {percent(mean_accuracy(results))}"]


def _per_label(evaluation: Evaluation) -> list[str]:
    shipped = evaluation.over_all_pictures or evaluation.shipped
    lines = ["", f"{shipped.dataset}, {shipped.runtime}, by label", *_labels_and_confusion(shipped, evaluation.labels)]
    for other in evaluation.public_test:
        lines += ["", f"{PUBLIC_TEST_NOTE}:", *result_lines(other, evaluation.labels)]
    return lines


def result_lines(result: RuntimeResult, labels: Sequence[str]) -> list[str]:
    """Return accuracy and macro recall of a result, the figures of each label, and the confusion matrix."""
    scores = result.scores
    return [
        f"{result.dataset}, {result.runtime}: {percent(scores.accuracy)} of {scores.images} correct (95 % interval "
        f"{interval_text(scores.interval)}), macro recall {percent(scores.macro_recall)} "
        f"({interval_text(scores.macro_recall_interval)})",
        *_labels_and_confusion(result, labels),
    ]


def _labels_and_confusion(result: RuntimeResult, labels: Sequence[str]) -> list[str]:
    return [
        *label_lines(result, labels),
        "",
        "rows are true labels, columns predicted labels",
        *confusion_lines(result.scores, labels),
    ]
