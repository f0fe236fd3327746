"""A picture in which the detector finds one face: the built-in actor's, in a grey frame."""

from pathlib import Path

import cv2
import numpy as np

ACTOR = Path(__file__).parents[2] / "edge" / "assets" / "actor.png"


def write_photograph(path):
    """Writes a grey picture of 640x480 pixels with the happy face of 200 pixels, and returns the path."""
    strip = cv2.imread(str(ACTOR), cv2.IMREAD_GRAYSCALE)
    side = strip.shape[0]
    frame = np.full((480, 640), 120, np.uint8)
    frame[140:340, 220:420] = cv2.resize(strip[:, 3 * side : 4 * side], (200, 200))
    cv2.imwrite(str(path), frame)
    return path
