"""Reads, converts and runs a network of another framework; a program for the Python that has its packages.

    python -I worker.py onnx_network.py MODEL

`convert.frameworks.original` starts it. It imports nothing of this project, because that Python need not have it.
Requests come on standard input, one JSON object a line, with the name of a method of `Network` and its arguments; each
is answered by a line on standard output: {"answer": ...} or {"error": "REASON"}. What the packages print goes to
standard error.
"""

import json
import os
import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np


def answer(network: Any, request: dict[str, Any]) -> Any:  # noqa: ANN401 - whatever JSON can hold
    """Carry out one request; see `onnx_network.Network` and `torch_network.Network`."""
    match request["method"]:
        case "describe":
            return network.describe()
        case "convert":
            network.convert(Path(request["target"]), channels_last=request["channels_last"])
            return None
        case "run":
            inputs = np.load(request["inputs"])
            pictures = inputs if request["channels_last"] else np.ascontiguousarray(inputs.transpose(0, 3, 1, 2))
            np.save(request["outputs"], network.run(pictures))
            return None
        case method:
            raise ValueError(method)


def main(framework: str, model: str) -> None:
    """Answer requests until standard input ends."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    network = None
    for line in sys.stdin:
        try:
            if network is None:
                network = runpy.run_path(str(Path(__file__).with_name(framework)))["Network"](model)
            reply = {"answer": answer(network, json.loads(line))}
        except Exception as error:  # noqa: BLE001 - the packages raise any type
            reply = {"error": " ".join(str(error).split()) or type(error).__name__, "type": type(error).__name__}
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
