"""Draws the report's plots as SVG with the page's colours and fonts."""

import io
import math
import re
from collections.abc import Sequence
from html import escape
from itertools import groupby
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from convert.evaluation.results import FEW_IMAGES
from convert.evaluation.robustness import CLEAN, SCALE, ConditionResult
from convert.metrics import ReliabilityBin, wilson_interval
from convert.training.history import Epoch, stage_starts

_INK, _MUTED, _GRID = "#010203", "#020304", "#030405"
_FIRST, _SECOND = "#040506", "#050607"
_VARIABLES: Final = {
    _INK: "var(--ink)",
    _MUTED: "var(--muted)",
    _GRID: "var(--line)",
    _FIRST: "var(--first)",
    _SECOND: "var(--second)",
}
"""Placeholder colours, replaced by the page's CSS variables, which follow the reader's colour scheme."""
_STYLE: Final[Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _GRID,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": _GRID,
    "grid.linewidth": 0.6,
    "xtick.color": _MUTED,
    "ytick.color": _MUTED,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 4,
}
_COLUMNS: Final = 5
_FEW_ALPHA: Final = 0.35
"""Opacity of a bar of few images."""


def _svg(figure: Figure, name: str, description: str) -> str:
    """Return the figure as an inline SVG element; `name` prefixes its ids, so that they are unique in the page."""
    sink = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": name, "svg.fonttype": "none"}):
        figure.savefig(sink, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = sink.getvalue()
    # Declaration, document type and metadata are only valid or useful in a separate file.
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'(xlink:href="#|url\(#)', rf"\g<1>{name}-", text)
    for placeholder, variable in _VARIABLES.items():
        text = text.replace(placeholder, variable)
    return text.replace("<svg ", f'<svg role="img" aria-label="{escape(description)}" ', 1)


def _percent(axes: Any, which: str = "both") -> None:  # noqa: ANN401 - matplotlib is not typed here
    formatter = PercentFormatter(1.0)
    if which in ("x", "both"):
        axes.xaxis.set_major_formatter(formatter)
    if which in ("y", "both"):
        axes.yaxis.set_major_formatter(formatter)


def training_svg(epochs: Sequence[Epoch]) -> str:
    """Plot training loss and PublicTest accuracy by epoch; a dotted line marks the beginning of a stage."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9, 3.2), layout="constrained")
        numbers = np.arange(1, len(epochs) + 1)
        values = [[epoch.loss for epoch in epochs], [epoch.public_test for epoch in epochs]]
        for axes, row, title, colour in zip(
            figure.subplots(1, 2), values, ("training loss", "accuracy on PublicTest"), (_SECOND, _FIRST), strict=True
        ):
            axes.plot(numbers, row, color=colour, marker="o")
            for start in stage_starts(tuple(epochs)):
                axes.axvline(start + 0.5, color=_MUTED, linewidth=0.8, linestyle=":")
            axes.set(title=title, xlabel="epoch")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _percent(axes, "y")
        return _svg(figure, "training", "Training loss and accuracy on PublicTest by epoch")


def reliability_svg(bins: Sequence[ReliabilityBin]) -> str:
    """Plot the accuracy in each bin of confidence against the diagonal, and the number of images in each bin.

    A line on each bar is its 95 % interval; a bar of few images is pale.
    """
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(5, 4.6), layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        lows, width = [part.low for part in bins], bins[0].high - bins[0].low
        above.plot([0, 1], [0, 1], color=_MUTED, linewidth=1, linestyle="--", label="confidence = accuracy")
        filled = [part for part in bins if part.accuracy is not None]
        above.bar(lows, [part.accuracy or 0.0 for part in bins], width * 0.92, align="edge", color=_FIRST)
        for bar, part in zip(above.patches, bins, strict=True):
            bar.set_alpha(_FEW_ALPHA if part.images < FEW_IMAGES else 1.0)
        limits = [wilson_interval(round((part.accuracy or 0.0) * part.images), part.images) for part in filled]
        above.vlines([part.low + width * 0.46 for part in filled], *zip(*limits, strict=True), color=_INK, linewidth=1)
        above.set(ylabel="accuracy", xlim=(0, 1), ylim=(0, 1))
        above.legend(loc="upper left")
        _percent(above)
        below.bar(lows, [part.images for part in bins], width * 0.92, align="edge", color=_MUTED)
        below.set(xlabel="confidence", ylabel="images")
        return _svg(figure, "reliability", "Accuracy by confidence, with the number of images in each bin")


def coverage_svg(curve: Sequence[tuple[float, float]]) -> str:
    """Plot the accuracy on the most confident share of the images against that share."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(5, 3.4), layout="constrained")
        axes = figure.subplots()
        axes.plot(*zip(*curve, strict=True), color=_FIRST, marker="o")
        lowest = min(accuracy for _, accuracy in curve)
        axes.set(xlabel="share of the faces, most confident first", ylabel="accuracy on them", xlim=(0, 1.02))
        axes.set_ylim(max(0.0, lowest - 0.02), 1.005)
        _percent(axes)
        return _svg(figure, "coverage", "Accuracy on the most confident share of the images")


def robustness_svg(results: Sequence[ConditionResult]) -> str:
    """Plot, in one panel per kind of condition, the accuracy on all faces and on those that keep a label.

    Each curve includes the faces without a condition, where they were measured.
    """
    clean = [result for result in results if result.condition.kind == CLEAN]
    changed = [result for result in results if result.condition.kind != CLEAN]
    kinds = [(kind, list(group)) for kind, group in groupby(changed, key=lambda result: result.condition.kind)]
    rows = max(1, -(-len(kinds) // _COLUMNS))
    lowest = min((result.accuracy for result in results), default=0.0)
    bottom = max(0, math.floor(10 * lowest) - 1) / 10
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(10, 2.1 * rows), layout="constrained")
        panels = figure.subplots(rows, _COLUMNS, sharey=True, squeeze=False).ravel()
        for axes in panels[len(kinds) :]:
            axes.set_visible(False)
        for axes, (kind, group) in zip(panels, kinds, strict=False):
            unchanged = 1.0 if kind == SCALE else 0.0
            points = sorted(
                [(result.condition.amount, result) for result in group] + [(unchanged, result) for result in clean],
                key=lambda point: point[0],
            )
            amounts = [amount for amount, _ in points]
            covered = [np.nan if result.covered_accuracy is None else result.covered_accuracy for _, result in points]
            axes.plot(amounts, covered, color=_SECOND, marker="s", label="faces that keep a label")
            axes.plot(amounts, [result.accuracy for _, result in points], color=_FIRST, marker="o", label="all faces")
            axes.set(title=kind.replace("_", " "), ylim=(bottom, 1))
            axes.set_xlabel(group[0].condition.unit)
            _percent(axes, "y")
        handles, names = panels[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside upper center", ncols=2)
        return _svg(figure, "robustness", "Accuracy by kind and strength of the image corruption")
