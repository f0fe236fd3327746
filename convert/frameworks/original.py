"""Runs a network in the framework that it comes from, in a process of its own, which also converts it.

The converters cannot share an environment with this project, nor with each other: onnx2tf 2 pins the exact versions of
seventeen packages and needs Python 3.12, litert-torch needs another ai-edge-litert, and PyTorch is large. So `make`
keeps an environment for each, and any other can be named. What comes back is a float .tflite and the network's answers.
"""

import json
import shlex
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from convert.errors import ConvertError, one_line, reason_of
from convert.frameworks.files import Framework
from edge.system.installation import how_to_install_apart

_WORKER: Final = Path(__file__).with_name("worker.py")
_PACKAGES: Final[dict[Framework, tuple[str, ...]]] = {
    "onnx": ("onnx", "onnxruntime", "onnx2tf"),
    "torch": ("torch", "litert_torch"),
}
_FIRST_PYTHON: Final[dict[Framework, tuple[int, int]]] = {"onnx": (3, 12), "torch": (3, 11)}
"""First Python for which the converter's present version has a wheel."""
CHECKOUT: Final = Path(__file__).parents[2]


class TensorFacts(msgspec.Struct, frozen=True):
    """Shape and type of an input or output; None or a name stands for a size that may change."""

    shape: tuple[int | str | None, ...]
    dtype: str


class NetworkFacts(msgspec.Struct, frozen=True):
    """What the framework says of a network.

    `obstacle`: why it cannot be converted, as the end of a sentence; "" where nothing is known. `original`,
    `converter`: names and versions of the packages that run it and that convert it.
    """

    inputs: tuple[TensorFacts, ...]
    outputs: tuple[TensorFacts, ...]
    obstacle: str
    original: str
    converter: str


def find_python(framework: Framework, checkout: Path = CHECKOUT) -> Path:
    """Return a Python that has the packages of a framework: the running one, else the one that `make-env` keeps.

    Raises ConvertError, which names what to install, where neither has them.
    """
    if all(find_spec(package) is not None for package in _PACKAGES[framework]):
        return Path(sys.executable)
    kept = checkout / f".venv-{framework}" / "bin" / "python"
    if kept.is_file():
        return kept
    name = {"onnx": "onnx2tf", "torch": "litert-torch"}[framework]
    if (checkout / "scripts" / "make-env").is_file():
        made = f"run sh {shlex.quote(str(checkout / 'scripts' / 'make-env'))} {framework}, which makes one"
    else:
        folder = f"~/emotion-edge-{framework}"
        python = ".".join(map(str, max(_FIRST_PYTHON[framework], sys.version_info[:2])))
        made = (
            f"make one with {how_to_install_apart(framework, f'python{python}', folder)}, and add --converter-python "
            f"{folder}/bin/python"
        )
    msg = f"{name}, which converts this kind of file, is not installed, and needs an environment of its own: {made}"
    raise ConvertError(msg)


class Original:
    """A network in a process of its framework. Use it as a context manager: leaving it ends the process.

    Every method raises ConvertError where the file, the framework or the process fails.
    """

    def __init__(self, path: Path, framework: Framework, python: Path) -> None:
        """Name the file and the Python that has the framework's packages; `__enter__` starts it."""
        self._path, self._framework, self._python = path, framework, python
        self._folder = tempfile.TemporaryDirectory(prefix="emotion-convert-")
        self._process: subprocess.Popen[str] | None = None
        self._log = Path(self._folder.name) / "log"

    def __enter__(self) -> Self:
        """Start the process."""
        # Isolated (-I): this folder's modules and the user's site-packages must not be imported.
        command = [self._python, "-I", "-W", "ignore", _WORKER, f"{self._framework}_network.py", self._path.absolute()]
        try:
            with self._log.open("wb") as log:
                self._process = subprocess.Popen(  # noqa: S603 - own program
                    [str(part) for part in command],
                    cwd=self._folder.name,  # the packages write files where they are
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                    encoding="utf-8",
                )
        except OSError as error:
            self._folder.cleanup()
            msg = f"--converter-python {self._python} cannot be started: {error.strerror}"
            raise ConvertError(msg) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
        self._folder.cleanup()

    def describe(self) -> NetworkFacts:
        """Read the network."""
        facts = self._ask("be read", method="describe")
        try:
            return msgspec.convert(facts, NetworkFacts)
        except msgspec.ValidationError as error:
            msg = f"model {self._path} has an input or output that is no tensor: {reason_of(error)}"
            raise ConvertError(msg) from error

    def convert(self, *, channels_last: bool) -> bytes:
        """Convert the network to a float .tflite that takes (1, height, width, channels).

        `channels_last`: the network itself takes pictures so, and not (1, channels, height, width).
        """
        target = Path(self._folder.name) / "float.tflite"
        self._ask("be converted to TensorFlow Lite", method="convert", target=str(target), channels_last=channels_last)
        return target.read_bytes()

    def run(self, pictures: NDArray[np.float32], *, channels_last: bool) -> NDArray[np.float32]:
        """Run the network on float32 (n, height, width, channels); return its own outputs, float32 (n, outputs)."""
        inputs, outputs = (Path(self._folder.name) / name for name in ("inputs.npy", "outputs.npy"))
        np.save(inputs, pictures)
        places = {"inputs": str(inputs), "outputs": str(outputs)}
        self._ask("be run", method="run", channels_last=channels_last, **places)
        inputs.unlink()
        return np.asarray(np.load(outputs), dtype=np.float32)

    def _ask(self, action: str, **request: Any) -> Any:  # noqa: ANN401 - plain data
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            msg = "the process is not running: use Original as a context manager"
            raise RuntimeError(msg)
        try:
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = ""
        reply = json.loads(line) if line else self._last_words()
        if reply.get("type") == "ModuleNotFoundError":
            msg = f"{self._python} lacks a package that converting {self._path} needs: {one_line(reply['error'])}"
            raise ConvertError(msg)
        if "error" in reply:
            msg = f"model {self._path} cannot {action}: {one_line(reply['error'])}"
            raise ConvertError(msg)
        return reply["answer"]

    def _last_words(self) -> dict[str, str]:
        """Return why the process ended, as a reply: the last line on its standard error, else its exit code."""
        code = self._process.wait() if self._process else None
        lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        kind, _, reason = lines[-1].partition(": ") if lines else ("", "", "")
        if kind == "ModuleNotFoundError":
            return {"error": reason, "type": kind}
        return {"error": f"{self._python} ended with {lines[-1] if lines else f'exit code {code}'}"}
