"""Copies files of weights with half the precision, which is half of what the folder has to hold for them.

A run begins with these weights and changes each by more than the rounding in its first steps; a teacher's answers
change by less than a hundredth (0.007 at most, MobileNet of 160 pixels, 64 faces of PublicTest).
"""

import tempfile
import zipfile
from pathlib import Path
from typing import Final

import h5py
import numpy as np

from convert.errors import ConvertError, reason_of

_WEIGHTS: Final = "model.weights.h5"
"""Name of the weights within Keras' own format of models, which is a zip."""


def copy_model_halved(source: Path, target: Path) -> None:
    """Copy a model in Keras' own format with its weights as float16. Raises ConvertError where it is none."""
    try:
        with (
            zipfile.ZipFile(source) as model,
            zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as halved,
            tempfile.TemporaryDirectory() as scratch,
        ):
            for name in model.namelist():
                content = model.read(name)
                if name == _WEIGHTS:
                    whole, half = Path(scratch, "whole.h5"), Path(scratch, "half.h5")
                    whole.write_bytes(content)
                    copy_halved(whole, half)
                    content = half.read_bytes()
                halved.writestr(name, content)
    except (OSError, zipfile.BadZipFile) as error:
        msg = f"{source} is not a model that Keras wrote: {reason_of(error)}"
        raise ConvertError(msg) from error


def copy_halved(source: Path, target: Path) -> None:
    """Copy a Keras file of weights (HDF5) as float16. Raises ConvertError where it is none.

    A tensor that has a value beyond float16's 65,504 is copied as it is.
    """
    try:
        with h5py.File(source) as weights, h5py.File(target, "w") as halved:

            def copy(name: str, item: h5py.Group | h5py.Dataset) -> None:
                if isinstance(item, h5py.Group):
                    halved.require_group(name).attrs.update(item.attrs)
                    return
                values = item[()]
                if np.abs(values).max(initial=0) <= np.finfo(np.float16).max:
                    values = values.astype(np.float16)
                halved.create_dataset(name, data=values, compression="gzip").attrs.update(item.attrs)

            weights.visititems(copy)
    except OSError as error:
        msg = f"{source} is not a file of weights that Keras wrote: {reason_of(error)}"
        raise ConvertError(msg) from error
