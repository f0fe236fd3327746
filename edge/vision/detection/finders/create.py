"""Creates the finder that `detector.kind` names."""

from edge.config.schema import DetectorConfig
from edge.vision.detection.finders.face_finder import FaceFinder
from edge.vision.detection.finders.mtcnn import MtcnnFinder
from edge.vision.detection.finders.yunet import YuNetFinder
from edge.vision.detection.finders.yunet_file import find_yunet_file


def create_finder(config: DetectorConfig, *, still: bool) -> FaceFinder | None:
    """Create the finder of `detector.kind`; returns None for "haar", whose cascades the detector runs itself.

    `still`: for single pictures, which have time for further looks at tilted faces; in a stream a roll is found over
    several frames. Raises DetectorError where a file or a package is missing or cannot be used.
    """
    match config.kind:
        case "yunet":
            path = find_yunet_file(config.yunet_file)
            return YuNetFinder(path) if still else YuNetFinder(path, looks=1)
        case "mtcnn":
            return MtcnnFinder()
        case "haar":
            return None
