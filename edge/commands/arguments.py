"""Declares the command line: every subcommand with its description, arguments and help.

It is apart from the modules that do the work, because those load OpenCV, paho or the interpreter at import: `--help`
and a wrong argument must not wait for a library, nor fail where one cannot be loaded.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn

from edge import __version__
from edge.commands.common import BENCH_FRAMES, names_list, positive_int, thread_numbers, zero_or_positive_int
from edge.commands.fleet import apply_options
from edge.commands.fleet import options as fleet_options
from edge.notice.languages import LANGUAGES

_EXIT_USAGE: Final = 2
"""argparse's own exit code for a wrong command line."""
_OPTIONS_OF_COMMANDS: Final = {"--config", "--log-level", "--source", "--mqtt"}
"""Options that people write before the command."""
_LAST_PORT: Final = 65_535
_LEVELS: Final = ("debug", "info", "warning", "error")


def _add_common_options(parser: argparse.ArgumentParser) -> None:
    """Add `--config` and `--log-level`, which every subcommand has."""
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="TOML file (default: $EMOTION_EDGE_CONFIG, else no file)"
    )
    _add_log_level(parser)


def _add_source_option(parser: argparse.ArgumentParser) -> None:
    """Add `--source`."""
    parser.add_argument("--source", metavar="URI", help="source of frames (sets source.uri)")


def _add_broker_option(parser: argparse.ArgumentParser) -> None:
    """Add `--mqtt`."""
    parser.add_argument(
        "--mqtt",
        metavar="URL",
        help="broker: mqtt://HOST, mqtts://HOST, ws://HOST/PATH or wss://HOST/PATH (sets mqtt.url, in "
        "place of mqtt.urls)",
    )


def _add_actions(parser: argparse.ArgumentParser, **summaries: str) -> list[argparse.ArgumentParser]:
    """Add the actions of a command, each with its line in `--help` and the common options; returns their parsers."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    parsers = [actions.add_parser(name, help=summary) for name, summary in summaries.items()]
    for action in parsers:
        _add_common_options(action)
    return parsers


def _add_run(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.description = (
        "Read frames from a source, and publish an event whenever a face appears, changes its expression or leaves. "
        "Without a broker, events are written to standard output as JSON Lines."
    )
    _add_common_options(parser)
    _add_source_option(parser)
    _add_broker_option(parser)
    parser.add_argument("--fast", action="store_true", help="process a file as fast as possible, not in real time")
    parser.add_argument("--max-frames", type=positive_int, metavar="N", help="stop after N frames")
    parser.add_argument("--preview", action="store_true", help="serve the preview page (sets preview.enabled)")


def _add_watch(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.description = "Print the events, states and health of all devices as they arrive, until Ctrl-C."
    _add_common_options(parser)
    _add_broker_option(parser)
    parser.add_argument("--device", metavar="ID", help="print this device only")
    parser.add_argument(
        "--verify",
        action="store_true",
        help="report events that are missing, out of order or repeated without a mark; exit code 1 if there are any",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object per line")


def _add_fleet(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    _add_common_options(parser)
    _add_broker_option(parser)
    fleet_options.add_options(parser)
    apply_options.add_actions(parser, _add_common_options, _add_broker_option)


def _add_classify(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.description = "Find the faces in image files, and print the probabilities of each expression."
    _add_common_options(parser)
    parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="image file")
    parser.add_argument("--json", action="store_true", help="print one JSON object per image and line")
    parser.add_argument("--annotate", type=Path, metavar="OUT.png", help="write the image with boxes and labels")


def _add_config(parser: argparse.ArgumentParser) -> None:
    """Add the two actions of the command, `check` and `show`."""
    parser.description = "Check or print the configuration that results from file, environment and flags."
    for action in _add_actions(
        parser,
        check="report whether the configuration can be used",
        show="print every key with its meaning, range and value, as TOML",
    ):
        _add_source_option(action)
        _add_broker_option(action)


def _add_homeassistant(parser: argparse.ArgumentParser) -> None:
    """Add the two actions of the command, `show` and `remove`."""
    parser.description = "Print or remove the retained message that announces this sensor to Home Assistant."
    for action in _add_actions(
        parser,
        show="print the announcement as JSON, with its topic",
        remove="remove the announcement from the broker; Home Assistant then removes the device",
    ):
        _add_broker_option(action)


def _add_summary(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.description = (
        "Print what the place saw, from the file in the state folder: visits, how long somebody was in view, and what "
        "was shown, by local time. The running hour is in it from its end on."
    )
    _add_common_options(parser)
    parser.add_argument(
        "--days", type=positive_int, default=7, metavar="N", help="last N days, today included (default: %(default)s)"
    )
    parser.add_argument(
        "--by",
        choices=("day", "hour", "minute"),
        default="day",
        help="period of a line (default: %(default)s); minutes are kept for two days, and have no figures by emotion",
    )
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write all figures to FILE instead")


def _add_bench(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.description = (
        "Measure every stage of the sensor on this machine, beside a plain loop that searches each whole frame and "
        "beside one run of the network alone."
    )
    _add_common_options(parser)
    _add_source_option(parser)
    _add_broker_option(parser)
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--frames", type=positive_int, metavar="N", help=f"frames to count (default: {BENCH_FRAMES})")
    length.add_argument("--seconds", type=positive_int, metavar="S", help="seconds to measure, instead of --frames")
    parser.add_argument(
        "--threads",
        type=thread_numbers,
        metavar="N[,N...]",
        help="numbers of threads to measure (default: model.threads)",
    )
    parser.add_argument(
        "--starts",
        type=zero_or_positive_int,
        metavar="N",
        default=3,
        help="how often to start the whole program (default: %(default)s; 0: never)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the report to this file")
    parser.add_argument(
        "--compare", nargs=2, type=Path, metavar=("A.json", "B.json"), help="print two reports side by side instead"
    )


def _add_doctor(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.description = "Check every part of the installation by using it, and print what to do where one fails."
    _add_common_options(parser)
    _add_source_option(parser)
    _add_broker_option(parser)
    parts = parser.add_mutually_exclusive_group()
    parts.add_argument(
        "--skip",
        type=names_list,
        default=[],
        metavar="PART[,PART...]",
        help="leave these checks out, by the names that the output shows; source: the sensor runs and has the camera",
    )
    parts.add_argument(
        "--only", type=names_list, default=[], metavar="PART[,PART...]", help="run these checks and no others"
    )


def _add_service(parser: argparse.ArgumentParser) -> None:
    """Add the two actions of the command, `check` and `light`."""
    parser.description = "Check or equip the installed service; needs root."
    for action in _add_actions(
        parser,
        check="run doctor as the service: with its user, its limits and its credentials",
        light="let the service switch the LED that [indicator] led names",
    ):
        action.add_argument(
            "name",
            nargs="?",
            metavar="NAME",
            help="instance, as in emotion-edge@NAME.service; without it the single service",
        )


def _add_notice(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.description = (
        "Write a sign to print on A4, for those whom the camera sees: what is seen, what is kept, who is responsible. "
        "The texts of [notice] in the configuration are printed as they are, in the language that you write them in."
    )
    _add_common_options(parser)
    parser.add_argument(
        "--language", choices=list(LANGUAGES), default="en", help="language of the sign (default: %(default)s)"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="file to write: .pdf, .svg or .html")


def _add_archive(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.description = (
        "Keep the events, states, summaries and healths of all devices of a broker in a database, until SIGTERM or "
        "Ctrl-C. A message is acknowledged only once it is stored, so that a kill or a database that is away costs "
        "nothing."
    )
    _add_common_options(parser)
    _add_broker_option(parser)
    parser.add_argument(
        "--store",
        metavar="STORE",
        help="database: postgresql://USER@HOST/NAME without a password, or the path of an SQLite file (sets "
        "archive.store)",
    )
    parser.add_argument(
        "--name", metavar="NAME", help="name of this archiver, of which its client id is made (sets archive.name)"
    )
    parser.add_argument(
        "--group", metavar="NAME", help="share the messages with the archivers of this group (sets archive.group)"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--gaps", action="store_true", help="print the events that are missing instead; exit code 1 if there are any"
    )
    what.add_argument(
        "--export", type=Path, metavar="FILE", help="write the events to FILE instead, as .parquet or .csv"
    )
    parser.add_argument("--since", metavar="TIME", help="with --export: from this day or time on, in UTC")
    parser.add_argument("--until", metavar="TIME", help="with --export: up to this day or time, which is excluded")


def _add_log_level(parser: argparse.ArgumentParser) -> None:
    """Add `--log-level`."""
    parser.add_argument(
        "--log-level", choices=_LEVELS, default="info", help="lowest level logged to standard error (default: info)"
    )


def _add_setup(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.description = (
        "Ask for camera and broker, try both, write the configuration of the service, check every part and start the "
        "service. A configuration that is there keeps its comments and everything that is not asked. The options "
        "answer the questions, so that it works without a terminal too."
    )
    _add_log_level(parser)
    parser.add_argument(
        "name", nargs="?", metavar="NAME", help="instance of the service, for a further camera, as in emotion-edge@NAME"
    )
    parser.add_argument("--source", metavar="URI", help="camera or other source of frames")
    parser.add_argument("--mqtt", metavar="URL", help='broker, such as mqtt://HOST; "none" for none')
    parser.add_argument("--username", metavar="NAME", help="user name at the broker")
    parser.add_argument("--password-file", type=Path, metavar="FILE", help="file that holds the broker's password")
    parser.add_argument(
        "--home-assistant",
        action=argparse.BooleanOptionalAction,
        help="whether the sensor announces itself to Home Assistant",
    )
    parser.add_argument(
        "--preview-port", type=_port, metavar="PORT", help="serve the preview page on this port; 0: do not serve it"
    )
    parser.add_argument("--yes", action="store_true", help="ask nothing: take the default of every question")
    parser.add_argument(
        "--no-check",
        action="store_true",
        help="open no camera, connect to no broker, run no check: for a device that is prepared elsewhere",
    )
    parser.add_argument(
        "--root",
        type=_folder,
        metavar="DIR",
        help="write below DIR in place of /, such as an image that is mounted, and start nothing",
    )


def _port(text: str) -> int:
    """Parse an argument that is a TCP port or 0."""
    number = zero_or_positive_int(text)
    if number > _LAST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 1 to {_LAST_PORT}, or 0")
    return number


def _folder(text: str) -> Path:
    """Parse an argument that is an existing folder."""
    folder = Path(text)
    if not folder.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is no folder")
    return folder.resolve()


def _add_cameras(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.description = (
        "List the cameras of this machine, each with its line for the configuration, and say why other video nodes are "
        "no cameras. Exit code 1 where there is no camera."
    )
    _add_common_options(parser)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--json", action="store_true", help="print one JSON object")
    what.add_argument(
        "--device-of",
        metavar="URI",
        help="print only the device files that a sensor with this source may have open, one on a line; none for a "
        "source that is no camera of this machine",
    )


class _HelpfulParser(argparse.ArgumentParser):
    """Parses as its base class; shows the whole help where a command or an action is missing."""

    def error(self, message: str) -> NoReturn:
        """Print the help or the usage, and the error; exit with 2. `message` is that of argparse."""
        missing = {"required: COMMAND": "a command", "required: ACTION": "an action"}
        what = next((what for end, what in missing.items() if message.endswith(end)), None)
        if what is None:
            super().error(message)
        self.print_help(sys.stderr)
        self.exit(_EXIT_USAGE, f"\n{self.prog}: error: {what} is missing: the list above has all\n")


class _WholeParser(_HelpfulParser):
    """Parses the whole command line; says where options belong that stand before the command."""

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]  # noqa: ANN401
        """Parse as the base class does. Exit with 2 for an option before the command that only commands have."""
        given = list(sys.argv[1:] if args is None else args)
        if given and given[0].partition("=")[0] in _OPTIONS_OF_COMMANDS:
            self.error(f"{given[0]} belongs behind the command, as in `{self.prog} run {given[0]} ...`")
        return super().parse_args(given, namespace)


class _Command(NamedTuple):
    """A subcommand: its line in `--help`, and the function that adds description and arguments to its parser."""

    summary: str
    add: Callable[[argparse.ArgumentParser], None]


_COMMANDS: Final = {
    "setup": _Command("ask for camera and broker, write the configuration, start the service", _add_setup),
    "run": _Command("run the sensor: read a source and publish events", _add_run),
    "watch": _Command("print the events of all devices as they arrive", _add_watch),
    "fleet": _Command("show every device that the broker knows, the worst first", _add_fleet),
    "classify": _Command("classify the faces in image files", _add_classify),
    "config": _Command("check or print the configuration", _add_config),
    "summary": _Command("print visits, time in view and expressions of the last days", _add_summary),
    "homeassistant": _Command("print or remove the announcement to Home Assistant", _add_homeassistant),
    "bench": _Command("measure latency and processor time on this machine", _add_bench),
    "doctor": _Command("check every part of the installation", _add_doctor),
    "cameras": _Command("list the cameras of this machine, and why other video nodes are none", _add_cameras),
    "service": _Command("check or equip the installed service (needs root)", _add_service),
    "notice": _Command("write the printable sign for those who are seen", _add_notice),
    "archive": _Command("keep the events of all devices in a database", _add_archive),
}


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line; `command` is the chosen subcommand."""
    whole = _WholeParser(
        prog="emotion-edge", description="Emotion sensor: reads a camera and publishes events over MQTT."
    )
    whole.add_argument("--version", action="version", version=f"emotion-edge {__version__}")
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_HelpfulParser)
    for name, command in _COMMANDS.items():
        command.add(commands.add_parser(name, help=command.summary))
    return whole
