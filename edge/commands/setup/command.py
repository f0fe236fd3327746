"""`emotion-edge setup`: asks, tries what is chosen, writes the configuration, checks it, and starts the service.

Nothing is written before the last question is answered. From then on whatever interrupts it, Ctrl-C included, puts
files and service back as they were.

Exit codes:
    0: written, checked, and started where there is a service
    1: camera or broker cannot be used, or nothing was to be written; or a check failed: the configuration is written
       then, and nothing is started
    2: an option, or the configuration that is there, cannot be used
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge.capture.cameras.find import find_cameras
from edge.commands.cameras.command import device_files
from edge.commands.setup.answer_form import broker_address, check_option
from edge.commands.setup.brokers import find_brokers, try_broker
from edge.commands.setup.camera import try_camera
from edge.commands.setup.changes import CONFIG_MODE, SECRET_MODE, Changes, undone_when_interrupted
from edge.commands.setup.dialogue import Dialogue, on_terminal
from edge.commands.setup.place import (
    Place,
    configuration_of,
    existing_configuration,
    may_write,
    own_password,
    read_password,
    refuse_what_is_in_the_way,
    stored_password,
)
from edge.commands.setup.questions import USERNAME_WITHOUT_BROKER, Given, Questions, Tools
from edge.commands.setup.service_control import ServiceControl
from edge.commands.setup.text import Answers, configuration_with, new_configuration, shown_changes
from edge.config.credentials import PASSWORD_VARIABLE
from edge.config.schema import Config
from edge.errors import ConfigError, SourceError
from edge.system.open_files import programs_with
from edge.system.service import named_service

_STOPPED: Final = 1


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be written. `before`: the text that is there, None without one. `password`: None: it stays."""

    before: str | None
    after: str
    password: str | None

    @property
    def changes_nothing(self) -> bool:
        """Whether the files hold it all already."""
        return self.before == self.after and self.password is None


def run(arguments: argparse.Namespace, config: Config) -> int:
    """Set up a service; returns the exit code. Raises EdgeError."""
    del config  # that of the service counts, and not that of this process
    place = Place(named_service(arguments.name), arguments.root or Path("/"))
    dialogue = on_terminal(yes=arguments.yes)
    try:
        return set_up(arguments, dialogue, place, ServiceControl(place.service))
    except KeyboardInterrupt:
        dialogue.say("\nStopped. Everything is as it was.")
        raise


def set_up(
    arguments: argparse.Namespace,
    dialogue: Dialogue,
    place: Place,
    control: ServiceControl,
    tools: Tools | None = None,
) -> int:
    """Ask, write, check and start; returns the exit code. Raises EdgeError, and leaves everything as it was then.

    `tools`: how cameras and brokers are found and tried, by default really.
    """
    given = _given(arguments)
    refuse_what_is_in_the_way(place)
    before, config = existing_configuration(place)
    is_writable = may_write(place.config_file) and may_write(place.password_file)
    _begin(dialogue, place, is_writable=is_writable)
    questions = Questions(
        dialogue,
        given,
        tools or _tools(control, check=not arguments.no_check),
        config,
        is_new=before is None or before == new_configuration(place.service),
        stored_password=stored_password(place),
    )
    source, broker = questions.camera(), questions.broker()
    drops_file = broker.password is not None and bool(config.mqtt.password_file)
    answers = Answers(source, broker, questions.home_assistant(broker), arguments.preview_port, drops_file)
    after = configuration_with(answers, place, before)
    planned = configuration_of(after, place)
    plan = Plan(before, after, None if broker.password == own_password(place) else broker.password)
    _show(dialogue, place, plan)
    # What is connected here says nothing about the device that another root is for.
    waits = bool(broker.url) and not questions.has_camera and arguments.root is None
    if waits:
        dialogue.say("No camera is connected: with a broker the service will not start until one is.")
    if not is_writable:
        dialogue.say("Nothing was written, because that needs root: type the same command behind sudo.")
        return _STOPPED
    if not _is_agreed(arguments, dialogue, control, plan, waits=waits):
        dialogue.say("Nothing was changed.")
        return _STOPPED
    changes = Changes()
    with undone_when_interrupted(changes, control.undo):
        _write(dialogue, place, changes, plan)
        if arguments.root is not None:
            return 0
        code = _check_and_start(dialogue, place, control, check=not arguments.no_check)
    if code == 0:
        _say_where_events_are(dialogue, place, control, planned)
    return code


def _begin(dialogue: Dialogue, place: Place, *, is_writable: bool) -> None:
    name = f" {place.service.name}" * bool(place.service.name)
    dialogue.say(f"This sets up the sensor{name}. Enter takes what is in brackets. Ctrl-C ends it and changes nothing.")
    if not is_writable:
        dialogue.say(
            f"You may not write {place.config_file}. So the configuration is only shown in the end; to have it written "
            f"and the service started, type: sudo emotion-edge setup{name}"
        )
    dialogue.say()


def _show(dialogue: Dialogue, place: Place, plan: Plan) -> None:
    dialogue.say()
    if plan.before == plan.after:
        dialogue.say(f"{place.config_file} stays as it is.")
    else:
        what = "New configuration" if plan.before is None else "Changes of the configuration"
        dialogue.say(f"{what} {place.config_file}:")
        for line in shown_changes(plan.before, plan.after):
            dialogue.say(line)
    if plan.password is not None:
        dialogue.say(f"The password goes into {place.password_file}, which only root can read.")


def _is_agreed(
    arguments: argparse.Namespace, dialogue: Dialogue, control: ServiceControl, plan: Plan, *, waits: bool
) -> bool:
    """Ask the last question. `waits`: the service will not start, so that only --yes or an explicit yes goes on."""
    if plan.changes_nothing and arguments.root is not None:
        dialogue.say("Nothing is to be written.")
        return True
    if plan.changes_nothing:
        start = "Start" if arguments.no_check else "Check every part, and start"
        question = f"{start} the service{' again' * control.is_running}?"
    else:
        question = "Write this, and start the service?" if arguments.root is None else "Write this?"
        if waits and arguments.yes:
            dialogue.say("It is written all the same, because --yes was given.")
    return dialogue.confirm(question, "--yes", default=arguments.yes or not waits)


def _write(dialogue: Dialogue, place: Place, changes: Changes, plan: Plan) -> None:
    if plan.password is not None:
        changes.write(place.password_file, plan.password.encode(), SECRET_MODE)
    if plan.before == plan.after:
        return
    if plan.before is not None:
        dialogue.say(f"The configuration as it was is kept in {changes.keep_copy(place.config_file)}.")
    changes.write(place.config_file, plan.after.encode(), CONFIG_MODE)
    dialogue.say(f"{place.config_file} is written.")


def _check_and_start(dialogue: Dialogue, place: Place, control: ServiceControl, *, check: bool) -> int:
    unit, file = place.service.unit, place.config_file
    if check:
        dialogue.say("Checking every part:")
        if not control.check(file, stored_password(place)):
            begin, verb = "Nothing was started.", "enable --now"
            if control.is_running:
                begin, verb = f"The service {unit} runs, and goes on with the configuration as it was.", "restart"
            dialogue.say(f"{begin} Repair what is marked FAIL, then type: sudo systemctl {verb} {unit}")
            return _STOPPED
    if not control.is_installed:
        dialogue.say(f"There is no service {unit} here. To run the sensor: emotion-edge run --config {file}")
        return 0
    dialogue.say(f"Starting the service {unit} ...")
    problem = control.start()
    if problem is not None:
        dialogue.say(f"The service {unit} does not start: {problem} (sudo journalctl -u {unit} shows more)")
        return _STOPPED
    dialogue.say(f"The service {unit} runs, and starts with this device from now on: systemctl status {unit}")
    return 0


def _say_where_events_are(dialogue: Dialogue, place: Place, control: ServiceControl, config: Config) -> None:
    if not config.mqtt.url:
        if control.is_installed:
            dialogue.say(f"To see its events: sudo journalctl -u {place.service.unit} -f")
        return
    dialogue.say(f"To see its events: emotion-edge watch --config {place.config_file}")
    if config.mqtt.username and not config.mqtt.password_file and stored_password(place) is not None:
        dialogue.say("watch cannot read the stored password. Type the password before, in the same terminal:")
        dialogue.say(f'  read -rsp "Broker password: " {PASSWORD_VARIABLE} && export {PASSWORD_VARIABLE}')


def _given(arguments: argparse.Namespace) -> Given:
    check_option("--source", arguments.source)
    check_option("--mqtt", arguments.mqtt)
    check_option("--username", arguments.username)
    url = None if arguments.mqtt is None else broker_address(arguments.mqtt, option="--mqtt")
    if url == "" and arguments.username:
        raise ConfigError(USERNAME_WITHOUT_BROKER)
    password = None
    if arguments.password_file is not None:
        if not arguments.username:
            raise ConfigError("--password-file needs --username: a broker takes a password only with a user name")
        password = read_password(arguments.password_file, "--password-file")
    return Given(arguments.source, url, arguments.username, password, arguments.home_assistant)


def _tools(control: ServiceControl, *, check: bool) -> Tools:
    def holds(uri: str) -> bool:
        try:
            files = device_files(uri)
        except SourceError:
            return False
        return control.is_active and any(programs_with(file) for file in files)

    return Tools(find_cameras, find_brokers, holds, try_camera if check else None, try_broker if check else None)
