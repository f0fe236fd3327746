"""Prints what the environment of the older interpreter installs, one requirement a line.

pip cannot leave out a dependency, so the list is made from pyproject.toml: the package's own
requirements without ai-edge-litert, and the extras `tflite`, `test`, `preview` and `mtcnn`. The package itself is then
installed without its dependencies. pip evaluates the markers.
"""

import re
import sys
import tomllib
from pathlib import Path

LEFT_OUT = "ai-edge-litert"
EXTRAS = ("tflite", "test", "preview", "mtcnn")


def device_requirements(pyproject: Path) -> list[str]:
    """Return the requirements, with their markers."""
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    extras = [line for extra in EXTRAS for line in project["optional-dependencies"][extra]]
    return [line for line in project["dependencies"] + extras if not re.match(rf"{LEFT_OUT}\b", line)]


if __name__ == "__main__":
    sys.stdout.write("\n".join(device_requirements(Path("pyproject.toml"))) + "\n")
