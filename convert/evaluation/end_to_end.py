"""What is left of the accuracy when the device's own detector finds the faces and draws the boxes.

FER2013's pictures are set into frames (`crop_margin`), searched, cropped and read as the device does.
They show little beyond the face, and what is set around them is made up: how many of them are found
says less about the detector than footage does.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from convert.data.fer2013 import Split
from convert.evaluation.crop_margin import find_face, set_into_frame
from convert.metrics import Scores, score
from convert.progress import Tick
from convert.quantization.calibration import to_network
from convert.runtimes.tflite import Int8Model
from edge.config import DetectorConfig
from edge.detector import Detector
from edge.manifest import Manifest
from edge.preprocess import crop

_SEED: Final = 11


@dataclass(frozen=True)
class Detected:
    """Faces through the real detector.

    `faces`: set into frames; `found`: of those, by the first cascade; `confirmed`: of those, by the
    second too, without which no face is announced. `boxed`: scores on the found faces, cropped by their
    boxes; `announced`: on the confirmed ones; `whole`: on the found ones, as FER2013 frames them.
    """

    faces: int
    found: int
    confirmed: int
    boxed: Scores
    announced: Scores
    whole: Scores


def measure_detected(
    split: Split, labels: NDArray[np.int64], model: Int8Model, manifest: Manifest, tick: Tick
) -> Detected:
    """Find and read every face of a split; `labels` int64 (n,) are what they show.

    Where each face stands in its frame is drawn from its row in the file, so that a part of the split
    gives what the whole gives for that part. Raises CascadeError where there is no cascade.
    """
    detector, spec = Detector(DetectorConfig()), manifest.input
    kept, agreed, boxed, whole = [], [], [], []
    for at, image in enumerate(split.images):
        tick(at, len(split))
        frame, place = set_into_frame(image, np.random.default_rng((_SEED, int(split.rows[at]))))
        found = find_face(detector, frame, place)
        if found is None:
            continue
        view = crop(frame, found.box, manifest.crop_margin, spec.width, spec.height)
        rows = model.predict(np.stack([to_network(picture, spec) for picture in (view, image)]))
        kept.append(at)
        agreed.append(found.agreed)
        boxed.append(rows[0])
        whole.append(rows[1])
    # With a shape even where no face was found.
    through = np.reshape(np.asarray(boxed, dtype=np.float32), (-1, len(manifest.labels)))
    framed = np.reshape(np.asarray(whole, dtype=np.float32), (-1, len(manifest.labels)))
    truth, sure = labels[np.asarray(kept, dtype=np.int64)], np.asarray(agreed, dtype=bool)
    return Detected(
        faces=len(split),
        found=len(kept),
        confirmed=int(sure.sum()),
        boxed=score(truth, through),
        announced=score(truth[sure], through[sure]),
        whole=score(truth, framed),
    )
