"""`emotion-edge config`: checks or prints the configuration that file, environment and flags result in."""

import argparse
import sys

from edge.commands.common import add_broker_option, add_common_options, add_source_option
from edge.config.credentials import read_password
from edge.config.loader import to_toml
from edge.config.schema import Config, MqttConfig


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the two actions of the command, `check` and `show`."""
    parser.description = "Check or print the configuration that results from file, environment and flags."
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for action, summary in (
        ("check", "report whether the configuration can be used"),
        ("show", "print every key with its meaning, range and value, as TOML"),
    ):
        action_parser = actions.add_parser(action, help=summary)
        add_common_options(action_parser)
        add_source_option(action_parser)
        add_broker_option(action_parser)


def run(arguments: argparse.Namespace, config: Config) -> int:
    """Check or print the configuration; returns the exit code. Raises EdgeError where the check fails."""
    if arguments.action == "show":
        sys.stdout.write(to_toml(config) + secret_note(config.mqtt))
        return 0
    # The check loads OpenCV and the model, which `show` does not need.
    from edge.daemon.check import check  # noqa: PLC0415

    check(config)
    sys.stdout.write("the configuration can be used\n")
    return 0


def secret_note(mqtt: MqttConfig) -> str:
    """Return a TOML comment on whether a password was found; it never holds the password."""
    if not mqtt.url:
        return ""
    found = "(redacted)" if read_password(mqtt) else "none found"
    return f"\n# mqtt password: {found}\n"
