"""Sums up what `scripts/arm-instructions` counted. Standard library only."""

import json
import math
import re
import sys
from itertools import pairwise
from pathlib import Path
from statistics import mean, median

_MARK = re.compile(r"^mark (\d+)$", re.MULTILINE)


def counts(folder: Path, number: int, variant: str) -> list[float]:
    """Return the millions of instructions of each counted frame: from each even mark to the next."""
    marks = [int(text) for text in _MARK.findall((folder / f"{number}.{variant}.marks").read_text())]
    return [(after - before) / 1e6 for before, after in pairwise(marks)][::2]


def percentile(values: list[float], share: float) -> float:
    """Return the smallest value that at least this share of the values do not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def main(folder: Path) -> None:
    """Print one row per source."""
    columns = ("source", "frames", "line, million instructions a frame", "plain loop", "line to plain")
    print("| " + " | ".join((*columns, "p50, p99 of the pipeline", "p99 / p50", "floor")) + " |")
    print("|---|---|---|---|---|---|---|---|")
    for number in range(1, 1 + len(list(folder.glob("*.source")))):
        source = (folder / f"{number}.source").read_text().strip()
        line, plain, floor = (counts(folder, number, name) for name in ("line", "plain", "floor"))
        middle, late = median(line), percentile(line, 0.99)
        cells = (
            f"`{source if ':' in source else Path(source).name}`",
            str(len(line)),
            f"{mean(line):.1f}",
            f"{mean(plain):.0f}",
            f"1/{mean(plain) / mean(line):.1f}",
            f"{middle:.1f}, {late:.1f}",
            f"{late / middle:.1f}",
            f"{mean(floor):.1f}",
        )
        print("| " + " | ".join(cells) + " |")
        faces = {name: sum(json.loads((folder / f"{number}.{name}.faces").read_text())) for name in ("line", "plain")}
        print(f"faces seen in all frames: pipeline {faces['line']}, plain loop {faces['plain']}", file=sys.stderr)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
