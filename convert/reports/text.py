"""Formats an evaluation as JSON data and as text for the terminal."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from convert.data.fer2013 import LABELS
from convert.evaluation.end_to_end import EndToEndResult
from convert.evaluation.results import CalibrationResult, Evaluation, RuntimeComparison
from convert.evaluation.robustness import SUREST_SHARE, ConditionResult, mean_accuracy
from convert.metrics import Scores


def evaluation_data(evaluation: Evaluation) -> dict[str, Any]:
    """Return the evaluation as data for JSON: every figure with its labels, split, runtime and images."""
    raw = asdict(evaluation)
    split = {"split": evaluation.split}
    origin = {**split, "dataset": evaluation.trust.dataset, "runtime": evaluation.trust.runtime}
    raw["results"] = [{**split, **result} for result in raw["results"]]
    raw["pairs"] = [{**split, **pair} for pair in raw["pairs"]]
    raw["trust"] = {**origin, **raw["trust"]}
    raw["robustness"] = [{**origin, **row} for row in raw["robustness"]]
    if raw["detected"] is not None:
        raw["detected"] = {**origin, **raw["detected"]}
    return {"schema": 1, "labels": list(LABELS), **raw}


def percent(share: float | None) -> str:
    """Return a share as per cent with two decimals; a dash for None."""
    return "-" if share is None else f"{100 * share:.2f} %"


def to_text(evaluation: Evaluation) -> str:
    """Return the evaluation as text for the terminal."""
    lines = [
        f"model {evaluation.model}, {evaluation.split}: {evaluation.images} images "
        f"({evaluation.dropped} left out, because Training contains them too)",
        "",
        f"{'labels':<14} {'run by':<28} {'images':>6} {'accuracy':>9} {'95 % interval':>15} {'macro recall':>13}",
    ]
    for result in evaluation.results:
        scores = result.scores
        low, high = (100 * bound for bound in scores.interval)
        lines.append(
            f"{result.dataset:<14} {result.runtime:<28} {scores.images:>6} {percent(scores.accuracy):>9} "
            f"{low:>6.2f} - {high:>5.2f}  {percent(scores.macro_recall):>12}"
        )
    lines += [f"not in the table: {reason}" for reason in evaluation.absent]
    lines += _pairs(evaluation.pairs) + _calibration(evaluation.trust) + _end_to_end(evaluation.detected)
    lines += _robustness(evaluation.robustness) + _per_label(evaluation)
    return "\n".join(lines) + "\n"


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
        f"calibrated, {trust.runtime}: calibration error {percent(trust.calibration_error)}",
        f"{percent(trust.coverage)} reach the threshold for a label ({trust.unknown_below:g}), and of those "
        f"{percent(trust.covered_accuracy)} are correct",
        f"on the most confident 90 % {percent(curve[SUREST_SHARE])} are correct, {100 * gain:+.2f} points",
    ]


def _end_to_end(detected: EndToEndResult | None) -> list[str]:
    if detected is None:
        return []
    return [
        "",
        f"through the real detector: {detected.found} of {detected.faces} faces found "
        f"({percent(detected.found / detected.faces)}), {detected.confirmed} confirmed by the second cascade",
        f"accuracy on the found faces {percent(detected.boxed.accuracy)}, on the confirmed ones "
        f"{percent(detected.announced.accuracy)}; on the found ones in FER2013's framing "
        f"{percent(detected.whole.accuracy)}",
    ]


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
    shipped = evaluation.shipped
    head = f"{shipped.dataset}, {shipped.runtime}: rows are true labels, columns predicted labels"
    return ["", head, *_confusion(shipped.scores)]


def _confusion(scores: Scores) -> list[str]:
    header = " " * 10 + "".join(f"{label:>9}" for label in LABELS) + f"{'recall':>9}{'precision':>11}{'F1':>7}"
    rows = []
    for at, label in enumerate(LABELS):
        counts = "".join(f"{count:>9}" for count in scores.confusion[at])
        shares = (scores.recalls[at], scores.precisions[at], scores.f1[at])
        recall, precision, f1 = ("-" if share is None else f"{share:.3f}" for share in shares)
        rows.append(f"{label:<10}{counts}{recall:>9}{precision:>11}{f1:>7}")
    return [header, *rows]
