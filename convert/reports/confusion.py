"""Formats the figures of each label and the confusion matrix, as HTML and as text for the terminal.

A row of few images must not look like one of many. So the tint of a cell is the share of its row that is certain, the
lower limit of its 95 % interval: one image of one reaches 0.21, a thousand of a thousand 0.996. Rows of few images are
marked besides, and a label without an image says so.
"""

from collections.abc import Sequence
from html import escape
from typing import Final

from convert.evaluation.results import ALL_PICTURES, FEW_IMAGES, FOUND_FACES, RuntimeResult
from convert.metrics import Interval, Scores, wilson_interval
from convert.reports.html import table

_CORRECT_TINT: Final = 0.66
_WRONG_TINT: Final = 0.5
"""Highest opacity of a tint: text on it keeps a contrast of 4.5 to 1 in both colour schemes."""
_MAX_UPRIGHT_COLUMNS: Final = 9
_MAX_UPRIGHT_CHARS: Final = 10
"""Number and length of labels whose columns fit the page with upright headings; beyond, headings run upwards."""
_MAX_TEXT_LABEL: Final = 9
"""Longest label that heads a column of the terminal's matrix; beyond, columns are numbered."""
_MAX_TEXT_WIDTH: Final = 100
NO_FACE: Final = "no face"


def interval_text(interval: Interval | None) -> str:
    """Return an interval in per cent with one decimal; a dash for None."""
    return "-" if interval is None else f"{100 * interval[0]:.1f} - {100 * interval[1]:.1f}"


def _counted(result: RuntimeResult) -> str:
    """Return what the counts of a result are, a plural noun."""
    return {FOUND_FACES: "faces", ALL_PICTURES: "pictures"}.get(result.dataset, "images")


def _share(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def label_table(result: RuntimeResult, labels: Sequence[str]) -> str:
    """Return the HTML table of recall, precision and F1 of each label."""
    scores = result.scores
    rows, kinds = [], []
    for at, label in enumerate(labels):
        count = scores.images_of(at)
        rows.append([label, _count_text(count), *_label_cells(scores, at)])
        kinds.append(_row_kind(count))
    header = ["label", _counted(result), "recall", "95 % interval", "precision", "95 % interval", "F1"]
    return table(f"{result.dataset}, {result.runtime}: recall, precision and F1", header, rows, kinds)


def _label_cells(scores: Scores, at: int) -> list[str]:
    return [
        _share(scores.recalls[at]),
        interval_text(scores.recall_intervals[at]),
        _share(scores.precisions[at]),
        interval_text(scores.precision_intervals[at]),
        _share(scores.f1[at]),
    ]


def _count_text(count: int) -> str:
    if not count:
        return "none"
    return f"{count} (few)" if count < FEW_IMAGES else str(count)


def _row_kind(count: int) -> str:
    return "few" if count < FEW_IMAGES else ""


def confusion_table(result: RuntimeResult, labels: Sequence[str]) -> str:
    """Return the confusion matrix as HTML: each cell with its count, its share of the row, and a tint.

    A last column has the pictures without a face, where the result counts any.
    """
    scores = result.scores
    missed = any(scores.missed)
    names = [*labels, *([NO_FACE] if missed else [])]
    heads = "".join(f'<th scope="col"><span>{escape(name)}</span></th>' for name in names)
    long = len(labels) > _MAX_UPRIGHT_COLUMNS or max(map(len, labels)) > _MAX_UPRIGHT_CHARS
    caption = f"{result.dataset}, {result.runtime}: rows are true labels, columns predicted labels"
    lines = [
        f'<div class="wide"><table class="confusion{" long" * long}">',
        f"<caption><span>{escape(caption)}</span></caption>",
        f'<thead><tr><th scope="col"></th>{heads}</tr></thead>\n<tbody>',
    ]
    for at, label in enumerate(labels):
        count = scores.images_of(at)
        kind = f' class="{_row_kind(count)}"' if _row_kind(count) else ""
        head = f'<th scope="row">{escape(label)}<small>{_count_text(count)}</small></th>'
        if count:
            cells = [
                _cell(value, count, "heat" if at == to else "wrong") for to, value in enumerate(scores.confusion[at])
            ]
            cells += [_cell(scores.missed[at], count, "")] if missed else []
        else:
            cells = [f'<td class="text" colspan="{len(labels) + missed}">no {_counted(result).removesuffix("s")}</td>']
        lines.append(f"<tr{kind}>{head}{''.join(cells)}</tr>")
    return "\n".join([*lines, "</tbody>\n</table></div>"])


def _cell(value: int, total: int, colour: str) -> str:
    """Return a cell; `colour`: the CSS variable of its tint, "" for none."""
    if not value:
        return '<td class="zero">0</td>'
    certain = wilson_interval(value, total)[0] * (_CORRECT_TINT if colour == "heat" else _WRONG_TINT)
    style = f' style="background: rgb(var(--{colour}) / {certain:.3f})"' if colour else ""
    percent = 100 * value / total
    return f"<td{style}>{value}<small>{percent:.0f} %</small></td>"


def label_lines(result: RuntimeResult, labels: Sequence[str]) -> list[str]:
    """Return the figures of each label as lines for the terminal."""
    scores, width = result.scores, max(len("label"), *map(len, labels))
    lines = [
        f"{'label':<{width}} {_counted(result):>12} {'recall':>9} {'95 % interval':>15} {'precision':>10} "
        f"{'95 % interval':>15} {'F1':>9}"
    ]
    for at, label in enumerate(labels):
        recall, recall_limits, precision, precision_limits, f1 = _label_cells(scores, at)
        lines.append(
            f"{label:<{width}} {_count_text(scores.images_of(at)):>12} {recall:>9} {recall_limits:>15} "
            f"{precision:>10} {precision_limits:>15} {f1:>9}"
        )
    return lines


def confusion_lines(scores: Scores, labels: Sequence[str]) -> list[str]:
    """Return the confusion matrix as lines for the terminal; a last column has the images without a prediction.

    Columns are numbered where the labels are long or many.
    """
    missed, widest = any(scores.missed), max(map(len, labels))
    numbered = widest > _MAX_TEXT_LABEL or widest + 10 * len(labels) > _MAX_TEXT_WIDTH
    digits = len(str(max(max(row) for row in scores.confusion)))
    last = len(str(len(labels)))
    names = [f"{at:>{last}} {label}" if numbered else label for at, label in enumerate(labels, start=1)]
    heads = [str(at) if numbered else label for at, label in enumerate(labels, start=1)]
    width, first = max(digits, *map(len, heads)) + 1, max(map(len, names))
    lines = [" " * first + "".join(f"{head:>{width}}" for head in heads) + (f"  {NO_FACE}" if missed else "")]
    for at, name in enumerate(names):
        counts = "".join(f"{count:>{width}}" for count in scores.confusion[at])
        lines.append(f"{name:<{first}}{counts}" + (f"{scores.missed[at]:>{len(NO_FACE) + 2}}" if missed else ""))
    return lines
