"""Trains on this machine what a folder of `scripts/train-on-gpu prepare` holds.

    python3 FOLDER/run.py OUT [--minutes 10] [--backend jax] [--workers N] [--together N] [--work DIR]

It needs Python, numpy, OpenCV, h5py and PyTorch or JAX, no internet and no TensorFlow. What else is missing it takes
from the folder's wheels. The same command resumes. Exit codes: 0 all runs are finished, 75 the time was up, 1 an error.
"""

import importlib.util
import os
import sys
import zipfile
from pathlib import Path

MODULES = {
    "absl": "absl-py",
    "cv2": "opencv-python-headless",
    "h5py": "h5py",
    "keras": "keras",
    "markdown_it": "markdown-it-py",
    "mdurl": "mdurl",
    "ml_dtypes": "ml-dtypes",
    "msgspec": "msgspec",
    "namex": "namex",
    "numpy": "numpy",
    "optree": "optree",
    "packaging": "packaging",
    "pygments": "pygments",
    "rich": "rich",
}
"""What is imported, and the package that brings it."""


def missing() -> list[str]:
    """Return the packages that cannot be found."""
    importlib.invalidate_caches()
    return [package for module, package in MODULES.items() if importlib.util.find_spec(module) is None]


def install(folder: Path, site: Path) -> None:
    """Unpack those of the folder's wheels that are missing here: a wheel is a zip of what lies in site-packages."""
    wanted = {package.replace("-", "_") for package in missing()}
    for wheel in sorted((folder / "wheels").glob("*.whl")):
        if wheel.name.split("-")[0].lower() in wanted:
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(site)
    with zipfile.ZipFile(folder / "code.zip") as archive:
        archive.extractall(site)


def main() -> int:
    """Complete what is missing, and run the plan in a process that sees it."""
    folder, arguments = Path(__file__).resolve().parent, sys.argv[1:]
    if not arguments or arguments[0].startswith("-"):
        sys.stderr.write(__doc__)
        return 2
    site = folder / "site"
    sys.path.insert(0, str(site))
    install(folder, site)
    left = missing()
    if left:
        version = ".".join(map(str, sys.version_info[:2]))
        sys.stderr.write(
            f"run.py: this machine lacks {', '.join(left)}: prepare the folder anew with "
            f"--python {version} --lacks {' '.join(left)}, besides those that it was prepared with\n"
        )
        return 1
    command = [sys.executable, "-m", "convert.offsite.execute", str(folder), *arguments]
    path = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
    # Not a child: signals reach it directly.
    return os.execve(sys.executable, command, os.environ | {"PYTHONPATH": path})  # noqa: S606


if __name__ == "__main__":
    raise SystemExit(main())
