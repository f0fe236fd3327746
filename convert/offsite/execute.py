"""Runs a prepared plan on this machine: several trainings at once, until they are finished or the time is up."""

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Final

import msgspec
import numpy as np

from convert.data.fer2013 import FER2013_FILE
from convert.errors import ConvertError
from convert.files import replace_file
from convert.keras_backend import BACKENDS, JAX
from convert.offsite.bundle import EARLIER, FACES, plan_text
from convert.offsite.face_archive import read_archive
from convert.offsite.plan import PlannedRun
from convert.offsite.results import pack_run, packed_runs, unpack_runs
from convert.progress import PrintLine
from convert.training.run_folder import BEST, is_finished, open_run, place_of

EXIT_TIME_IS_UP: Final = 75
"""EX_TEMPFAIL: the same command goes on."""
_GRACE_SECONDS: Final = 30.0
"""From SIGTERM on, what a process may take to end: a batch, or JAX's compiler."""
_ENDING_SECONDS: Final = 45.0
"""Of the minutes given, what is kept for ending the runs and for packing what they have reached."""
_POLL_SECONDS: Final = 0.5


@dataclass
class _Running:
    """A training in a process of its own, and the thread that passes its lines on."""

    process: subprocess.Popen[str]
    reader: threading.Thread
    last_lines: list[str] = field(default_factory=list)


class Execution:
    """The runs of a plan on this machine."""

    def __init__(  # noqa: PLR0913 - settings of one machine
        self,
        folder: Path,
        out: Path,
        work: Path,
        print_line: PrintLine,
        *,
        backend: str,
        workers: int,
        together: int,
    ) -> None:
        """Read the plan. `folder`: the prepared one. `work`: where the runs are kept from call to call.

        `workers`: processes that draw pictures for each run. `together`: runs at once. Raises ConvertError where the
        folder or an earlier run cannot be used.
        """
        entries = json.loads(plan_text(folder))["runs"]
        self._runs = [msgspec.convert(entry, PlannedRun) for entry in entries]
        self._folder, self._out, self._work, self._print = folder, out, work, print_line
        self._backend, self._workers, self._together = backend, workers, together
        self._running: dict[str, _Running] = {}
        self._came_finished: set[str] = set()

    def prepare(self) -> None:
        """Unpack the data, and the earlier runs where nothing newer is here."""
        data = self._work / "data"
        data.mkdir(parents=True, exist_ok=True)
        if not (data / FER2013_FILE).exists():
            self._print("unpacking the faces")
            arrays = read_archive(self._folder / FACES)
            replace_file(data / FER2013_FILE, lambda path: np.savez(path, **arrays))
        for path in (self._folder / "data").iterdir():
            if not (data / path.name).exists():
                (data / path.name).symlink_to(path.resolve())
        if not (self._work / "runs").exists():
            for folder in unpack_runs(self._folder / EARLIER, self._work / "runs"):
                self._print(f"going on with the run {folder.name} that came along")
        # What came along finished has half of its precision, and stays here.
        packed = {name for name, _ in packed_runs(self._folder / EARLIER)}
        self._came_finished = {run.name for run in self._runs if run.name in packed and self._is_finished(run)}

    def run(self, seconds: float) -> int:
        """Train until all runs are finished or `seconds` have passed; return the exit code."""
        end, failed = time.monotonic() + seconds, set[str]()
        try:
            while time.monotonic() < end:
                for name in [name for name, each in self._running.items() if each.process.poll() is not None]:
                    self._ended(name, failed)
                self._start_what_can(failed)
                if not self._running:
                    break
                time.sleep(_POLL_SECONDS)
        finally:
            self._stop()
        left = [run.name for run in self._runs if not self._is_finished(run)]
        for run in self._runs:
            files = [] if run.name in self._came_finished else pack_run(self._run_folder(run.name), self._out)
            self._print(f"{run.name}: {self._state_text(run)}{'; ' if files else ''}{', '.join(p.name for p in files)}")
        if failed:
            self._print(f"failed: {', '.join(sorted(failed))}")
            return 1
        if left:
            self._print(f"the time is up; the same command goes on with {', '.join(left)}")
            return EXIT_TIME_IS_UP
        self._print("all runs are finished")
        return 0

    def _run_folder(self, name: str) -> Path:
        return self._work / "runs" / name

    def _is_finished(self, run: PlannedRun) -> bool:
        return is_finished(open_run(run.recipe, self._run_folder(run.name)).state, run.recipe)

    def _state_text(self, run: PlannedRun) -> str:
        state = open_run(run.recipe, self._run_folder(run.name)).state
        if is_finished(state, run.recipe):
            return f"finished, PublicTest {100 * state.best:.1f} % before the adjustment of its logits"
        return f"saved up to {place_of(state, run.recipe) or 'its beginning'}"

    def _start_what_can(self, failed: set[str]) -> None:
        finished = {run.name for run in self._runs if run.name not in self._running and self._is_finished(run)}
        for run in self._runs:
            waiting = run.name not in {*finished, *self._running, *failed} and finished.issuperset(run.teachers)
            if waiting and len(self._running) < self._together:
                self._running[run.name] = self._start(run)

    def _start(self, run: PlannedRun) -> _Running:
        recipe = self._work / "recipes" / f"{run.name}.json"
        run.recipe.save(recipe)
        command = [sys.executable, "-m", "convert.cli", "train", "--recipe", str(recipe)]
        command += ["--run", str(self._run_folder(run.name)), "--data", str(self._work / "data")]
        command += ["--workers", str(self._workers)]
        if run.teachers:
            command += ["--teacher", *(str(self._run_folder(teacher) / BEST) for teacher in run.teachers)]
        environment = {
            "KERAS_BACKEND": self._backend,
            # Several processes share the GPU: JAX would take three quarters of its memory for the first.
            "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
            # Runs of the same sizes compile once.
            "JAX_COMPILATION_CACHE_DIR": str(self._work / "compiled"),
            "PYTHONUNBUFFERED": "1",
        }
        process = subprocess.Popen(  # noqa: S603 - our own command
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | environment,
            # Ctrl-C reaches this process, which ends the trainings in turn.
            start_new_session=True,
        )
        lines: list[str] = []
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for
        reader = threading.Thread(target=self._pass_on, args=(run.name, process.stdout, lines), daemon=True)
        reader.start()
        return _Running(process, reader, lines)

    def _pass_on(self, name: str, output: IO[str], lines: list[str]) -> None:
        for line in output:
            lines[:] = [*lines[-5:], line.rstrip()]
            self._print(f"[{name}] {line.rstrip()}")

    def _ended(self, name: str, failed: set[str]) -> None:
        running = self._running.pop(name)
        running.reader.join()
        if running.process.returncode:
            self._print(f"the run {name} ended with code {running.process.returncode}: {running.last_lines[-1:]}")
            failed.add(name)
            return
        pack_run(self._run_folder(name), self._out)

    def _stop(self) -> None:
        for each in self._running.values():
            each.process.send_signal(signal.SIGTERM)
        end = time.monotonic() + _GRACE_SECONDS
        for each in self._running.values():
            try:
                each.process.wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                each.process.kill()
                each.process.wait()
            each.reader.join()
        self._running.clear()


def _default_backend() -> str:
    # A step is compiled as a whole with JAX; PyTorch starts hundreds of small kernels for it.
    for name in (JAX, "torch", "tensorflow"):
        if find_spec(name) is not None:
            return name
    msg = f"none of {', '.join(BACKENDS.values())} is installed on this machine"
    raise ConvertError(msg)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the plan of a prepared folder; return the exit code."""
    parser = argparse.ArgumentParser(prog="run.py", description="Train what a prepared folder holds.")
    parser.add_argument("folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("out", type=Path, metavar="OUT", help="folder for what comes back")
    parser.add_argument("--minutes", type=float, default=10.0, help="end after so many minutes (default: 10)")
    parser.add_argument("--backend", choices=sorted(BACKENDS), help="default: jax where it is installed")
    parser.add_argument("--workers", type=int, help="processes that draw pictures, for each run (default: by cores)")
    parser.add_argument("--together", type=int, default=3, help="runs at once (default: 3)")
    parser.add_argument("--work", type=Path, help="folder that keeps the runs from call to call (default: beside OUT)")
    arguments = parser.parse_args(argv)
    started = time.monotonic()

    def print_line(text: str) -> None:
        sys.stdout.write(f"{time.monotonic() - started:6.1f} s  {text}\n")
        sys.stdout.flush()

    cores = os.cpu_count() or 1
    # A core for each training itself.
    workers = max(0, cores // arguments.together - 1) if arguments.workers is None else arguments.workers
    work = arguments.work or arguments.out.absolute().parent / f"{arguments.out.absolute().name}-work"
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        backend = arguments.backend or _default_backend()
        print_line(f"{BACKENDS[backend]}, {cores} cores, {workers} of them draw pictures for each run; runs in {work}")
        execution = Execution(
            arguments.folder,
            arguments.out,
            work,
            print_line,
            backend=backend,
            workers=workers,
            together=arguments.together,
        )
        execution.prepare()
        return execution.run(60 * arguments.minutes - _ENDING_SECONDS)
    except ConvertError as error:
        sys.stderr.write(f"run.py: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("run.py: interrupted; the same command goes on\n")
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
