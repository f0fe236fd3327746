"""Evaluates a model of any labels on pictures of a folder that has one folder for each label."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from convert.data.fer2013 import LABELS
from convert.data.labelled_folder import LabelledPictures, printable
from convert.errors import ConvertError
from convert.evaluation.evaluate import sampled_rows
from convert.evaluation.evaluated_model import EvaluatedModel
from convert.evaluation.forms import (
    Form,
    compare_forms,
    float_forms,
    measure_calibration,
    missing_float_model,
    tflite_runtime_form,
)
from convert.evaluation.picture_faces import PictureFaces, find_faces
from convert.evaluation.provenance import collect_provenance
from convert.evaluation.results import (
    ALL_PICTURES,
    FOUND_FACES,
    ROBUSTNESS,
    Evaluation,
    EvaluationOptions,
    LabelCounts,
    MeasuredFaces,
    Measurement,
    NotMeasured,
    PictureCounts,
    RuntimeResult,
    few_images_warning,
)
from convert.metrics import score
from convert.progress import Heartbeat, Tick
from convert.runtimes.inputs import NetworkInputs
from convert.runtimes.keras_model import keras_runtime_name
from edge.vision.classification.classifier import Classifier
from edge.vision.classification.outputs import to_probabilities

_MOST: Final = 0.5
"""Share of the pictures without a face from which a warning names --crops."""


def evaluate_pictures(
    model: EvaluatedModel, pictures: LabelledPictures, options: EvaluationOptions, beat: Heartbeat, *, crops: bool
) -> Measurement:
    """Measure a model on pictures: in each form, over the found faces and over all pictures.

    `crops`: the pictures are faces already. `options`: as for a split, without its name.

    Raises ConvertError where no picture can be read or no face is found, CascadeError where OpenCV's cascades are
    missing, and as `float_forms` does.
    """
    part = pictures.take(sampled_rows(len(pictures.paths), options.sample))
    name = "reading pictures" if crops else "finding faces"
    found = find_faces(part, model.input, model.crop_margin, crops=crops, tick=beat.counted(name))
    _check_found(part, found)
    labels = part.labels[found.rows]
    forms, absent, main = _forms(model, found.images, options, beat)
    beat.status("computing the figures")
    counts = _counts(model, part, found, crops=crops)
    missed = np.array([each.no_face for each in counts.labels], dtype=np.int64)
    results = _results(labels, forms, missed, crops=crops)
    probabilities = dict(forms)[main]
    if model.classifier is None:
        probabilities = to_probabilities(probabilities, "probabilities", model.temperature, 0.0)
    dataset = ALL_PICTURES if crops else FOUND_FACES
    main_scores = next(one.scores for one in results if (one.dataset, one.runtime) == (ALL_PICTURES, main))
    evaluation = Evaluation(
        model=model.name,
        sha256=model.sha256,
        split=printable(part.folder),
        whole=len(pictures.paths),
        dropped=0,
        images=len(found.rows),
        results=results,
        pairs=compare_forms(labels, forms, dataset),
        trust=measure_calibration(labels, probabilities, dataset, main, model.temperature, model.unknown_below),
        robustness=(),
        detected=None,
        not_measured=(*absent, _no_robustness(model)),
        circumstances=collect_provenance(_float_path(model)),
        labels=model.labels,
        pictures=counts,
        warnings=(*_warnings(counts), *few_images_warning(main_scores, model.labels, "pictures")),
        notes=part.notes,
    )
    places = [part.name_of(int(row)) for row in found.rows]
    votes = [f"folder: {model.labels[label]}" for label in labels]
    return Measurement(evaluation, MeasuredFaces(found.images, labels, votes, places), probabilities)


def _check_found(pictures: LabelledPictures, found: PictureFaces) -> None:
    total, unreadable = len(pictures.paths), len(found.unreadable)
    if unreadable == total:
        msg = f"none of the {total} pictures in {pictures.folder} can be read; the first: {found.unreadable[0]}"
        raise ConvertError(msg)
    if not len(found.rows):
        msg = (
            f"no face was found in any of the {total - unreadable} pictures in {pictures.folder}: give --crops if the "
            f"pictures show nothing but faces"
        )
        raise ConvertError(msg)


def _forms(
    model: EvaluatedModel, faces: NDArray[np.uint8], options: EvaluationOptions, beat: Heartbeat
) -> tuple[list[Form], list[NotMeasured], str]:
    """Run every form of a model; return the forms, why others are absent, and the name of the main form."""
    inputs = NetworkInputs(faces, model.input)
    forms: list[Form] = []
    absent: list[NotMeasured] = []
    if model.float_model is not None:
        forms, absent = float_forms(model.float_model, inputs, beat, quick=options.quick)
    if model.classifier is None:
        absent.append(
            NotMeasured(
                "int8",
                f"{model.path} is a Keras model",
                "convert it with emotion-convert quantize, and give the .tflite that it writes",
            )
        )
        return forms, absent, keras_runtime_name()
    dtype = model.classifier.manifest.quantization.input.dtype
    main = f"{model.classifier.runtime} {dtype}"
    if model.float_model is None:
        absent.append(missing_float_model(model.path))
    tick = beat.counted(f"running faces on {main}")
    forms.append((main, _classified(model.classifier, faces, tick)))
    more, reasons = tflite_runtime_form(model.path, dtype, inputs, options, beat)
    return [*forms, *more], [*absent, *reasons], main


def _classified(classifier: Classifier, faces: NDArray[np.uint8], tick: Tick) -> NDArray[np.float32]:
    """Classify faces with the device's classifier; return calibrated probabilities, float32 (n, labels)."""
    rows = []
    for row, face in enumerate(faces):
        tick(row, len(faces))
        rows.append(classifier.classify_crop(face))
    return np.stack(rows)


def _results(
    labels: NDArray[np.int64], forms: Sequence[Form], missed: NDArray[np.int64], *, crops: bool
) -> tuple[RuntimeResult, ...]:
    results = []
    for name, rows in forms:
        if not crops:
            results.append(RuntimeResult(FOUND_FACES, name, score(labels, rows)))
        results.append(RuntimeResult(ALL_PICTURES, name, score(labels, rows, missed)))
    return tuple(results)


def _counts(model: EvaluatedModel, pictures: LabelledPictures, found: PictureFaces, *, crops: bool) -> PictureCounts:
    of_labels = []
    for at, label in enumerate(model.labels):
        counts = found.counts[pictures.labels == at]
        of_labels.append(
            LabelCounts(label, int((counts >= 0).sum()), int((counts == 0).sum()), int((counts > 1).sum()))
        )
    return PictureCounts(
        folder=printable(pictures.folder),
        crops=crops,
        crop_margin=model.crop_margin,
        pictures=len(pictures.paths),
        no_face=sum(each.no_face for each in of_labels),
        several_faces=sum(each.several_faces for each in of_labels),
        unreadable=found.unreadable,
        left_out=pictures.left_out,
        other_files=pictures.other_files,
        folders={printable(name): label for name, label in pictures.folders},
        labels=tuple(of_labels),
    )


def _warnings(counts: PictureCounts) -> list[str]:
    warnings = []
    if counts.no_face > _MOST * counts.read:
        warnings.append(
            f"no face was found in {counts.no_face} of {counts.read} pictures: give --crops if the pictures show "
            f"nothing but faces"
        )
    if counts.unreadable:
        warnings.append(f"{len(counts.unreadable)} of {counts.pictures} pictures cannot be read and are left out")
    return warnings


def _no_robustness(model: EvaluatedModel) -> NotMeasured:
    possible = model.classifier is not None and model.labels == LABELS
    remedy = "run it without --pictures" if possible else ""
    return NotMeasured(ROBUSTNESS, "it is measured on the faces of FER2013", remedy)


def _float_path(model: EvaluatedModel) -> Path | None:
    return None if model.float_model is None else model.float_model.path
