"""Copies files of weights with half the precision, which is half of what the folder has to hold for them.

A run begins with these weights and changes each by more than the rounding in its first steps.
"""

from pathlib import Path

import h5py
import numpy as np

from convert.errors import ConvertError, reason_of


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
