"""Reads an exported program of PyTorch, converts it with litert-torch, and runs it. Runs in a process of its own.

`worker.py` starts it. It imports nothing of this project.
"""

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

_HALF: Final = frozenset({torch.float16, torch.bfloat16})


class _NoPickle:
    """Refuses to resolve names for pickles while it is active.

    `torch.export.load` reads example inputs and some weights as pickles, at first with names of tensors only
    (`weights_only`), which calls no hook, and after that failed with any name, which runs what the file says.
    """

    def __init__(self) -> None:
        self.active = False
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.active and event == "pickle.find_class":
            msg = (
                f"it holds a pickle that names {arguments[0]}.{arguments[1]}, which could run code, and is not read: "
                "export it again with tensors as the only example inputs"
            )
            raise PermissionError(msg)


_no_pickle = _NoPickle()


class Network:
    """The network of one exported program (.pt2)."""

    def __init__(self, path: str) -> None:
        """Read the file. Raises whatever PyTorch raises, and PermissionError for a pickle that could run code."""
        torch.set_num_threads(1)  # more wait for each other where a machine does other work too
        _no_pickle.active = True
        try:
            self._program = torch.export.load(path)
        finally:
            _no_pickle.active = False
        self._module = self._program.module()

    def describe(self) -> dict[str, Any]:
        """Return what the network takes and gives; shapes have null where a size may change."""
        signature = self._program.graph_signature
        types = {
            each.dtype
            for each in (*self._program.state_dict.values(), *self._program.constants.values())
            if isinstance(each, torch.Tensor)
        }
        obstacle = ""
        if signature.buffers_to_mutate or _drops_out(self._program.graph):
            obstacle = "was exported in training mode: call network.eval() before torch.export.export"
        elif types & _HALF:
            half = " and ".join(sorted(_name(each) for each in types & _HALF))
            obstacle = f"has weights of {half}: export it in float32, as network.float()"
        values = {node.name: node.meta.get("val") for node in self._program.graph.nodes}
        return {
            "inputs": [_described(values.get(name)) for name in signature.user_inputs],
            "outputs": [_described(values.get(name)) for name in signature.user_outputs],
            "obstacle": obstacle,
            "original": f"torch {version('torch')}",
            "converter": f"litert-torch {version('litert-torch')}",
        }

    def convert(self, target: Path, *, channels_last: bool) -> None:
        """Write the network as a float .tflite that takes one picture (1, height, width, channels)."""
        import litert_torch  # noqa: PLC0415 - takes long, and a network that cannot be used needs no converter

        (name,) = self._program.graph_signature.user_inputs
        shape = next(node.meta["val"].shape for node in self._program.graph.nodes if node.name == name)
        sizes = [1, *map(int, shape[1:])]
        module: torch.nn.Module = self._module
        if not channels_last:
            module = litert_torch.to_channel_last_io(module, args=[0])
            sizes = [1, *sizes[2:], sizes[1]]
        module.training = False  # eval() is not allowed on an exported program
        litert_torch.convert(module, (torch.zeros(sizes),)).export(str(target))

    def run(self, pictures: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the network on pictures in its own layout, one after the other; return float32 (pictures, outputs)."""
        rows = []
        with torch.inference_mode():
            for picture in pictures:
                result = self._module(torch.from_numpy(picture[None].copy()))
                rows.append((result[0] if isinstance(result, (tuple, list)) else result).numpy())
        return np.asarray(np.concatenate(rows), dtype=np.float32)


def _drops_out(graph: torch.fx.Graph) -> bool:
    """Return whether a dropout of the graph is active: its last argument says so."""
    return any("dropout" in str(node.target) and node.args and node.args[-1] is True for node in graph.nodes)


def _described(value: Any) -> dict[str, Any]:  # noqa: ANN401 - a tensor, a number or nothing
    if not isinstance(value, torch.Tensor):
        return {"shape": [], "dtype": type(value).__name__}
    return {"shape": [size if isinstance(size, int) else None for size in value.shape], "dtype": _name(value.dtype)}


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
