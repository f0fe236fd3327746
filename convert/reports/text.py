"""An evaluation as plain data and as text for the terminal."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from convert.data.fer2013 import LABELS
from convert.evaluation.end_to_end import Detected
from convert.evaluation.results import Evaluation, Pair, Trust
from convert.evaluation.robustness import Robust, mean_accuracy
from convert.metrics import Scores

COVERED: Final = 0.9


def to_json(evaluation: Evaluation) -> dict[str, Any]:
    """Return the evaluation as plain data: every figure with its labels, split, runtime and images."""
    raw = asdict(evaluation)
    split = {"split": evaluation.split}
    on = {**split, "dataset": evaluation.trust.dataset, "runtime": evaluation.trust.runtime}
    raw["results"] = [{**split, **result} for result in raw["results"]]
    raw["pairs"] = [{**split, **pair} for pair in raw["pairs"]]
    raw["trust"] = {**on, **raw["trust"]}
    raw["robustness"] = [{**on, **row} for row in raw["robustness"]]
    if raw["detected"] is not None:
        raw["detected"] = {**on, **raw["detected"]}
    return {"schema": 1, "labels": list(LABELS), **raw}


def percent(share: float | None) -> str:
    """Return a share as per cent with two digits after the point, or a dash for None."""
    return "-" if share is None else f"{100 * share:.2f} %"


def to_table(evaluation: Evaluation) -> str:
    """Return the evaluation for people."""
    lines = [
        f"model {evaluation.model}, {evaluation.split}: {evaluation.images} images "
        f"({evaluation.dropped} left out, because Training holds them too)",
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
    lines += _pairs(evaluation.pairs) + _trust(evaluation.trust) + _detected(evaluation.detected)
    lines += _robustness(evaluation.robustness) + _per_label(evaluation)
    return "\n".join(lines) + "\n"


def _pairs(pairs: Sequence[Pair]) -> list[str]:
    if not pairs:
        return []
    head = f"{'first':<28} {'second':<28} {'same label':>10} {'accuracy':>14}  right in one only"
    rows = [
        f"{pair.first:<28} {pair.second:<28} {percent(pair.agreement):>10} "
        f"{100 * pair.difference:>+7.2f} points  {pair.only_first_right} first, {pair.only_second_right} second"
        for pair in pairs
    ]
    return ["", head, *rows]


def _trust(trust: Trust) -> list[str]:
    curve = dict(trust.curve)
    gain = curve[COVERED] - curve[1.0]
    return [
        "",
        f"calibrated, {trust.runtime}: calibration error {percent(trust.calibration_error)}",
        f"{percent(trust.coverage)} reach the threshold for a label ({trust.unknown_below:g}), and of those "
        f"{percent(trust.covered_accuracy)} are right",
        f"on the surest 90 % {percent(curve[COVERED])} are right, {100 * gain:+.2f} points",
    ]


def _detected(found: Detected | None) -> list[str]:
    if found is None:
        return []
    return [
        "",
        f"through the real detector: {found.found} of {found.faces} faces found "
        f"({percent(found.found / found.faces)}), {found.confirmed} confirmed by the second cascade",
        f"accuracy on the found faces {percent(found.boxed.accuracy)}, on the confirmed ones "
        f"{percent(found.announced.accuracy)}; the found ones as FER2013 frames them {percent(found.whole.accuracy)}",
    ]


def _robustness(found: Sequence[Robust]) -> list[str]:
    if not found:
        return []
    lines = ["", f"{'spoilt by':<20} {'accuracy':>9}  macro recall  keep a label  of those right"]
    for one in found:
        condition = one.condition
        name = f"{condition.kind} {condition.amount:.2g}" if condition.unit else "nothing"
        lines.append(
            f"{name:<20} {percent(one.accuracy):>9} {percent(one.macro_recall):>13} {percent(one.coverage):>13} "
            f"{percent(one.covered_accuracy):>15}"
        )
    return [*lines, f"mean over corruptions: {percent(mean_accuracy(found))}"]


def _per_label(evaluation: Evaluation) -> list[str]:
    last = evaluation.shipped
    head = f"{last.dataset}, {last.runtime}: rows are what people said, columns what the model said"
    return ["", head, *_confusion(last.scores)]


def _confusion(scores: Scores) -> list[str]:
    header = " " * 10 + "".join(f"{label:>9}" for label in LABELS) + f"{'recall':>9}{'precision':>11}{'F1':>7}"
    rows = []
    for at, label in enumerate(LABELS):
        counts = "".join(f"{count:>9}" for count in scores.confusion[at])
        shares = (scores.recalls[at], scores.precisions[at], scores.f1[at])
        recall, precision, f1 = ("-" if share is None else f"{share:.3f}" for share in shares)
        rows.append(f"{label:<10}{counts}{recall:>9}{precision:>11}{f1:>7}")
    return [header, *rows]
