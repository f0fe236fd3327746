"""Where OpenCV's cascades are, and loading one."""

from pathlib import Path
from typing import Final

import cv2

from edge.errors import CascadeError

SEARCH_CASCADE: Final = "haarcascade_frontalface_default.xml"
CONFIRM_CASCADE: Final = "haarcascade_frontalface_alt.xml"
_SYSTEM_FOLDERS: Final = (Path("/usr/share/opencv4/haarcascades"), Path("/usr/share/opencv/haarcascades"))
"""Where Debian's `opencv-data` puts them."""


def cascade_path(given: str, default: str) -> Path:
    """Return the cascade file: the one given, else OpenCV's own, else the system's.

    Raises CascadeError where there is none.
    """
    if given:
        return Path(given).expanduser()
    own = getattr(getattr(cv2, "data", None), "haarcascades", None)
    folders = ([Path(own)] if own else []) + list(_SYSTEM_FOLDERS)
    for folder in folders:
        if (folder / default).is_file():
            return folder / default
    searched = ", ".join(str(folder) for folder in folders)
    msg = f"no {default} in {searched}: install opencv-data with apt, or set detector.cascade to a cascade file"
    raise CascadeError(msg)


def load_cascade(path: Path, key: str) -> cv2.CascadeClassifier:
    """Load a cascade. Raises CascadeError, naming `key` and the file, for anything else than one."""
    if not path.is_file():
        msg = f"{key} is {str(path)!r}, but there is no such file"
        raise CascadeError(msg)
    try:
        cascade = cv2.CascadeClassifier(str(path))
        usable = not cascade.empty()
    except (cv2.error, SystemError):
        usable = False
    if not usable:
        msg = f"{key} is {str(path)!r}, but that file is no Haar or LBP cascade (XML as OpenCV trains it)"
        raise CascadeError(msg)
    return cascade
