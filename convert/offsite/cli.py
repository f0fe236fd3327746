"""The command line of `scripts/train-on-gpu`: prepares the folder that goes away, collects what comes back."""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from convert.data.fer2013 import data_folder
from convert.errors import ConvertError, os_error_text
from convert.offsite.bundle import LACKING, LIMIT_BYTES, SMOKE_FACES, download_wheels, prepare_folder
from convert.offsite.plan import FULL, SMOKE, plan_of, read_plan
from convert.offsite.results import unpack_runs
from convert.training.run_folder import BEST, unfinished_warning

_MEBIBYTE = 1024 * 1024


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code. Errors are one sentence on standard error."""
    parser = argparse.ArgumentParser(prog="train-on-gpu", description="Train on a machine without the internet.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    prepare = commands.add_parser("prepare", help="write the folder that goes to the machine")
    prepare.add_argument("folder", type=Path, metavar="FOLDER", help="folder to write; it must not exist")
    prepare.add_argument(
        "--plan", type=Path, metavar="FILE", help="TOML file of the runs (default: 3 teachers, 2 students)"
    )
    prepare.add_argument("--data", type=Path, metavar="DIR", help="folder of fer2013.npz and the ImageNet weights")
    prepare.add_argument("--runs", type=Path, metavar="DIR", help="earlier runs to go on with, such as runs")
    prepare.add_argument("--python", default="3.12", metavar="X.Y", help="Python of the machine (default: 3.12)")
    prepare.add_argument("--machine", default="x86_64", choices=["x86_64", "aarch64"], help="default: x86_64")
    prepare.add_argument(
        "--lacks",
        nargs="*",
        default=list(LACKING),
        metavar="PACKAGE",
        help=f"packages that the machine lacks (default: {' '.join(LACKING)})",
    )
    prepare.add_argument("--limit-mib", type=int, default=LIMIT_BYTES // _MEBIBYTE, help="largest folder (default: 64)")
    prepare.add_argument("--smoke", action="store_true", help="few faces and tiny steps, to try the whole path")
    prepare.set_defaults(handler=_prepare)
    collect = commands.add_parser("collect", help="unpack what came back into run folders")
    collect.add_argument("out", type=Path, metavar="OUT", help="the folder that came back")
    collect.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help="default: runs")
    collect.set_defaults(handler=_collect)
    arguments = parser.parse_args(argv)
    try:
        arguments.handler(arguments)
    except ConvertError as error:
        sys.stderr.write(f"train-on-gpu: {error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"train-on-gpu: {os_error_text(error, 'used')}\n")
        return 1
    return 0


def _prepare(arguments: argparse.Namespace) -> None:
    plan = read_plan(arguments.plan) if arguments.plan else plan_of({"runs": SMOKE if arguments.smoke else FULL})
    wheels = partial(download_wheels, packages=arguments.lacks, python=arguments.python, machine=arguments.machine)
    parts = prepare_folder(
        plan,
        data_folder(arguments.data),
        arguments.folder,
        runs=arguments.runs,
        faces=SMOKE_FACES if arguments.smoke else None,
        wheels=wheels if arguments.lacks else None,
        limit_bytes=arguments.limit_mib * _MEBIBYTE,
    )
    for name, size in parts:
        sys.stdout.write(f"{size / _MEBIBYTE:7.2f} MiB  {name}\n")
    sys.stdout.write(f"{sum(size for _, size in parts) / _MEBIBYTE:7.2f} MiB  {arguments.folder}\n")
    sys.stdout.write(f"on the machine: python3 {arguments.folder.name}/run.py OUT\n")


def _collect(arguments: argparse.Namespace) -> None:
    folders = unpack_runs(arguments.out, arguments.runs)
    if not folders:
        msg = f"{arguments.out} has no packed run (NAME.tar.0): give the OUT folder of run.py"
        raise ConvertError(msg)
    for folder in folders:
        best = f"emotion-convert export --run {folder}" if (folder / BEST).is_file() else "no best model yet"
        sys.stdout.write(f"{unfinished_warning(folder) or f'finished: {folder}'}; {best}\n")
