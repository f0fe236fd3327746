"""Measures the accuracy on faces that the device's own detector finds and crops.

FER2013's images are embedded in frames (`face_frames`), searched, cropped and classified as on the device.
They show little beyond the face, and their surround is artificial: the share of found faces says less about
the detector than footage does.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from convert.data.fer2013 import Split
from convert.evaluation.crop_margin import find_face
from convert.evaluation.face_frames import embed_in_frame
from convert.metrics import Scores, score
from convert.progress import Tick
from convert.runtimes.inputs import to_network
from convert.runtimes.tflite import Int8Model
from edge.config.schema import DetectorConfig
from edge.vision.classification.manifest import Manifest
from edge.vision.classification.preprocess import face_for_network, with_detail
from edge.vision.detection.detector import Detector

_SEED: Final = 11


@dataclass(frozen=True)
class EndToEndResult:
    """Metrics of faces through the real detector.

    `faces`: embedded in frames. `found`: of those, by the first cascade. `confirmed`: of those, by the second
    cascade too, without which a face is not published. `boxed`: scores on the found faces, cropped by their
    boxes. `announced`: the same on the confirmed faces. `whole`: on the found faces in FER2013's framing,
    which are never sharpened.
    """

    faces: int
    found: int
    confirmed: int
    boxed: Scores
    announced: Scores
    whole: Scores


def measure_end_to_end(  # noqa: PLR0913 - what is measured, on what, and how
    split: Split, labels: NDArray[np.int64], model: Int8Model, manifest: Manifest, tick: Tick, *, sharp: bool = False
) -> EndToEndResult:
    """Detect and classify every face of a split; `labels`: int64 (n,), the true labels. `sharp`: sharpened faces.

    A face's position in its frame is drawn from its row in the file, so that a part of the split has the same
    results as within the whole. Raises CascadeError where OpenCV's cascades are missing.
    """
    detector, spec = Detector(DetectorConfig()), manifest.input
    rows, confirmed, boxed, whole = [], [], [], []
    for row, image in enumerate(split.images):
        tick(row, len(split))
        frame, place = embed_in_frame(image, np.random.default_rng((_SEED, int(split.rows[row]))), sharp=sharp)
        detection = find_face(detector, frame, place)
        if detection is None:
            continue
        view = face_for_network(frame, detection.box, manifest.crop_margin, spec, detection.roll_degrees)
        predictions = model.predict(np.stack([to_network(each, spec) for each in (view, with_detail(image, spec))]))
        rows.append(row)
        confirmed.append(detection.verified)
        boxed.append(predictions[0])
        whole.append(predictions[1])
    # Reshaped, so that the arrays have two dimensions even where no face was found.
    in_boxes = np.reshape(np.asarray(boxed, dtype=np.float32), (-1, len(manifest.labels)))
    in_whole = np.reshape(np.asarray(whole, dtype=np.float32), (-1, len(manifest.labels)))
    true_labels, is_confirmed = labels[np.asarray(rows, dtype=np.int64)], np.asarray(confirmed, dtype=bool)
    return EndToEndResult(
        faces=len(split),
        found=len(rows),
        confirmed=int(is_confirmed.sum()),
        boxed=score(true_labels, in_boxes),
        announced=score(true_labels[is_confirmed], in_boxes[is_confirmed]),
        whole=score(true_labels, in_whole),
    )
