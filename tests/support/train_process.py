"""Runs `emotion-convert` in a process of its own, which stops in a training at a batch and waits there for a signal.

Use: python -m support.train_process BATCH ARGUMENT...
It prints "at batch BATCH", counted from 0, when it waits.
"""

import itertools
import signal
import sys
import threading
import warnings

from convert.cli import main
from convert.tensorflow import require_tensorflow


def wait_at(batch: int) -> None:
    """Let the training wait for a signal before batch number `batch`, after all that precedes it."""
    from convert.training import callbacks  # noqa: PLC0415 - imports Keras

    numbers, learning_rate = itertools.count(), callbacks.learning_rate

    def waiting(*arguments):
        if next(numbers) == batch:
            print(f"at batch {batch}", flush=True)  # noqa: T201 - the test waits for it
            # Not one endless wait: a signal just before it would be noticed only after it.
            while True:
                threading.Event().wait(0.1)
        return learning_rate(*arguments)

    callbacks.learning_rate = waiting


if __name__ == "__main__":
    require_tensorflow()
    import tensorflow as tf

    # As in tests/convert/conftest.py: tracing takes longer than the few steps.
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.run_functions_eagerly(run_eagerly=True)
    # TensorFlow's about that.
    warnings.simplefilter("ignore")
    # A process in the background of a shell inherits that Ctrl-C is ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    wait_at(int(sys.argv[1]))
    raise SystemExit(main(sys.argv[2:]))
