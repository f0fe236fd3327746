"""The command `emotion-edge`."""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from edge import __version__
from edge.config.loader import load, to_toml
from edge.config.schema import Config
from edge.errors import EXIT_INTERRUPTED, EdgeError
from edge.logs import setup as journal
from edge.system.files import discard_stream

_LEVELS: Final = ("debug", "info", "warning", "error")
_MOST_THREADS: Final = 16
"""As for model.threads."""
_FRAMES: Final = 300


def _positive(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return number


def _count(text: str) -> int:
    return 0 if text == "0" else _positive(text)


def _threads(text: str) -> list[int]:
    numbers = [_positive(part) for part in text.split(",")]
    if max(numbers) > _MOST_THREADS or len(set(numbers)) < len(numbers):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of different numbers from 1 to {_MOST_THREADS}")
    return numbers


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="emotion-edge", description="Emotion sensor: a camera goes in, MQTT events come out."
    )
    parser.add_argument("--version", action="version", version=f"emotion-edge {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", type=Path, metavar="FILE", help="TOML file (else $EMOTION_EDGE_CONFIG, else none)")
    common.add_argument("--log-level", choices=_LEVELS, default="info", help="what goes to standard error")
    broker = argparse.ArgumentParser(add_help=False)
    broker.add_argument("--mqtt", metavar="URL", help="mqtt://HOST:PORT or mqtts://HOST:PORT (sets mqtt.url)")
    source = argparse.ArgumentParser(add_help=False)
    source.add_argument("--source", metavar="URI", help="where frames come from (sets source.uri)")

    run = commands.add_parser("run", parents=[common, source, broker], help="watch a source and publish events")
    run.add_argument("--fast", action="store_true", help="play a file as quickly as it can be processed")
    run.add_argument("--max-frames", type=_positive, metavar="N", help="end after N frames")
    run.add_argument("--preview", action="store_true", help="show what it sees on a page (sets preview.enabled)")

    watch = commands.add_parser("watch", parents=[common, broker], help="show events of all devices as they come")
    watch.add_argument("--device", metavar="ID", help="only this device")
    watch.add_argument("--verify", action="store_true", help="say what is missing, repeated or out of order; 1 if so")
    watch.add_argument("--json", action="store_true", help="one JSON object per line")

    classify = commands.add_parser("classify", parents=[common], help="read the faces of pictures")
    classify.add_argument("images", nargs="+", type=Path, metavar="IMAGE")
    classify.add_argument("--json", action="store_true", help="one JSON object per picture and line")
    classify.add_argument("--annotate", type=Path, metavar="OUT.png", help="write the picture with boxes and labels")

    config = commands.add_parser("config", help="check or show the configuration")
    actions = config.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("check", parents=[common, source, broker], help="say whether it can be used")
    actions.add_parser("show", parents=[common, source, broker], help="print it whole, defaults and overrides applied")

    homeassistant = commands.add_parser("homeassistant", help="what Home Assistant is told of this sensor")
    actions = homeassistant.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("show", parents=[common, broker], help="print the announcement")
    actions.add_parser("remove", parents=[common, broker], help="remove it from the broker, and so the device")

    _add_bench(commands.add_parser("bench", parents=[common, source, broker], help="measure what it costs here"))
    commands.add_parser("doctor", parents=[common, source, broker], help="try every part, and say what to do")
    return parser


def _add_bench(bench: argparse.ArgumentParser) -> None:
    length = bench.add_mutually_exclusive_group()
    length.add_argument("--frames", type=_positive, metavar="N", help="frames counted (default: 300)")
    length.add_argument("--seconds", type=_positive, metavar="S", help="or: how long to measure each number of threads")
    bench.add_argument(
        "--threads", type=_threads, metavar="N[,N...]", help="threads to measure with (default: model.threads)"
    )
    bench.add_argument(
        "--starts",
        type=_count,
        metavar="N",
        default=3,
        help="starts of the whole program (default: %(default)s; 0: none)",
    )
    bench.add_argument("--json", type=Path, metavar="FILE", help="write the results there too")
    bench.add_argument(
        "--compare", nargs=2, type=Path, metavar=("A.json", "B.json"), help="measure nothing; show two results together"
    )


def _config(arguments: argparse.Namespace) -> Config:
    flags: dict[str, Any] = {}
    if getattr(arguments, "source", None) is not None:
        flags["source.uri"] = arguments.source
    if getattr(arguments, "preview", False):
        flags["preview.enabled"] = True
    if getattr(arguments, "mqtt", None) is not None:
        flags["mqtt.url"] = arguments.mqtt
    return load(arguments.config, flags=flags)


# The parts are imported where they are used: `--help` and `watch` need neither OpenCV nor a model.
def _run(arguments: argparse.Namespace, config: Config) -> int:
    from edge.daemon.daemon import run  # noqa: PLC0415

    return run(
        config,
        fast=arguments.fast,
        max_frames=arguments.max_frames,
        stdout=sys.stdout,
        read_again=lambda: _config(arguments),
    )


def _watch(arguments: argparse.Namespace, config: Config) -> int:
    from edge.commands.watch import Options, watch  # noqa: PLC0415

    # `timeout 60 emotion-edge watch --verify` ends with its summary as well.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    options = Options(device=arguments.device, json=arguments.json, verify=arguments.verify)
    return watch(config.mqtt, options, sys.stdout)


def _classify(arguments: argparse.Namespace, config: Config) -> int:
    from edge.commands.classify import classify  # noqa: PLC0415

    return classify(config, arguments.images, as_json=arguments.json, annotate=arguments.annotate, stream=sys.stdout)


def _show_config(arguments: argparse.Namespace, config: Config) -> int:
    from edge.daemon.check import check, secret_note  # noqa: PLC0415

    if arguments.action == "show":
        sys.stdout.write(to_toml(config) + secret_note(config.mqtt))
    else:
        check(config)
        sys.stdout.write("the configuration can be used\n")
    return 0


def _homeassistant(arguments: argparse.Namespace, config: Config) -> int:
    from edge.commands.homeassistant import remove, show  # noqa: PLC0415

    return (show if arguments.action == "show" else remove)(config, sys.stdout)


def _doctor(_: argparse.Namespace, config: Config) -> int:
    from edge.commands.doctor import doctor  # noqa: PLC0415

    return doctor(config, sys.stdout)


def _bench(arguments: argparse.Namespace, config: Config) -> int:
    from edge.commands.bench.command import Request, bench, bench_compare  # noqa: PLC0415
    from edge.commands.bench.measure import Limit  # noqa: PLC0415

    if arguments.compare is not None:
        first, second = arguments.compare
        return bench_compare(first, second, sys.stdout)
    frames = _FRAMES if arguments.frames is None and arguments.seconds is None else arguments.frames
    request = Request(
        limit=Limit(frames, arguments.seconds),
        threads=arguments.threads or [config.model.threads],
        starts=arguments.starts,
        json_file=arguments.json,
        config_file=arguments.config,
    )
    return bench(config, request, sys.stdout, sys.stderr)


_COMMANDS: Final = {
    "run": _run,
    "watch": _watch,
    "classify": _classify,
    "config": _show_config,
    "homeassistant": _homeassistant,
    "doctor": _doctor,
    "bench": _bench,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code. Errors are one sentence on standard error."""
    arguments = _parser().parse_args(argv)
    journal.set_up(getattr(arguments, "log_level", "info").upper())
    try:
        code = _COMMANDS[arguments.command](arguments, _config(arguments))
        sys.stdout.flush()
    except EdgeError as error:
        journal.complain(str(error))
        return error.exit_code
    except BrokenPipeError:
        # Who read our output has gone, as in `... | head`: nothing is wrong, and nothing can be said.
        discard_stream(sys.stdout)
        return 0
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return code


if __name__ == "__main__":
    sys.exit(main())
