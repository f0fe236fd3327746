"""`emotion-edge fleet apply`: publishes a signed document stage by stage, and goes back where too many devices fail.

Exit codes:
    0: the last stage is done, or was published and no device is there that follows documents
    1: too many devices of a stage failed, and what was before is published again; or somebody else has published a
        document meanwhile, which stays
    2: the file, the key or the counter cannot be used; nothing was published
    130: Ctrl-C or SIGTERM; what was published last stays, and the last line says what that is
"""

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from edge.commands.common import write_line
from edge.commands.fleet.document_file import DocumentFile, DocumentFileError
from edge.commands.fleet.ledger import Entry, Ledger
from edge.commands.fleet.link import FleetLink
from edge.commands.fleet.progress import Stage, outcome_of
from edge.commands.fleet.signing import Signed, Signer, Verify, next_counter, plan_before, read_retained, verifier
from edge.commands.interrupt import interrupt_once
from edge.config.schema import Config
from edge.desired.document import read_document
from edge.desired.errors import RefusedError
from edge.desired.signature import find_program
from edge.errors import EXIT_INTERRUPTED, BrokerError, ConfigError
from edge.logs.setup import print_error
from edge.messages.desired import DesiredDocument, Plan
from edge.messages.text import count, printable
from edge.messages.topics import ONLINE

_POLL_SECONDS: Final = 0.2
_LINE_SECONDS: Final = 60.0
"""Interval at which a stage says where it stands though nothing has changed."""
_APPEAR_SECONDS: Final = 3.0
"""Time for which a stage waits for devices to say anything before it counts as about nobody."""
_APPEAR_UNKNOWN_SECONDS: Final = 30.0
"""The same where there are devices of which nothing is known yet: they say it once they have taken the document."""
_LOST_SECONDS: Final = 5.0
"""Time after which the broker must have sent back what was published: it keeps it for this subscriber as well."""
_BACK_SECONDS: Final = 120.0
"""Longest time that is waited for devices to take what was before."""
_ALL: Final = 100.0


@dataclass(frozen=True, slots=True)
class Options:
    """How to roll out. `stop_at`: share of a stage's devices that may fail. `settle_seconds`: time of a stage."""

    stages: tuple[float, ...]
    stop_at: float
    settle_seconds: float


def run(arguments: argparse.Namespace, config: Config) -> int:
    """Do what the command line asks for until interrupted; returns the exit code."""
    interrupt_once()
    return apply(arguments, config)


def apply(arguments: argparse.Namespace, config: Config) -> int:
    """Do what the command line asks for; returns the exit code. Raises EdgeError."""
    find_program()
    if arguments.status:
        verify = None if arguments.key is None and arguments.signers is None else _verifier(arguments)
        with FleetLink(config.mqtt, lambda line: _say(sys.stderr, line)) as link:
            return _Status(link, config.mqtt.base_topic, verify, sys.stdout).show()
    if arguments.file is None and not arguments.withdraw:
        raise ConfigError("fleet apply needs the document: `emotion-edge fleet apply FILE --key KEY`, or --withdraw")
    if arguments.key is None:
        raise ConfigError("fleet apply needs --key KEY: the private key that the devices' allowed_signers name")
    try:
        plan = Plan(name="withdrawn") if arguments.withdraw else _plan_of(arguments.file)
    except DocumentFileError as error:
        for mistake in error.mistakes:
            print_error(mistake)
        return error.exit_code
    options = Options(
        stages=(_ALL,) if arguments.withdraw else tuple(arguments.stages),
        stop_at=arguments.stop_at,
        settle_seconds=60 * arguments.settle,
    )
    ledger = Ledger(config.mqtt.base_topic)
    with FleetLink(config.mqtt, lambda line: _say(sys.stdout, line)) as link:
        before, counters = _before(arguments, config.mqtt.base_topic, link, ledger.entry())
        counter = next_counter(counters, arguments.counter)
        _check_devices(link, counter)
        signer = Signer(config.mqtt.base_topic, arguments.key, counter, ledger)
        # All at once, so that a passphrase is asked for now and not in an hour, and the way back needs no key.
        stages = signer.stages(plan, options.stages, plan_before(before))
        back = signer.way_back(plan_before(before), plan)
        return RollOut(link, signer, stages, back, options, _verifier(arguments), sys.stdout).run()


def _plan_of(file: Path) -> Plan:
    content = DocumentFile(file)
    return Plan(name=content.name, assignments=content.assignments)


def _verifier(arguments: argparse.Namespace) -> Verify:
    return verifier(arguments.key, arguments.signers, arguments.identity)


def _before(
    arguments: argparse.Namespace, base: str, link: FleetLink, entry: Entry
) -> tuple[DesiredDocument | None, list[int]]:
    """Return the document in force, and the counters that were used. Raises ConfigError where that is not certain."""
    counters = [entry.counter]
    if link.retained is None:
        if entry.document is None or arguments.discard:
            return None, counters
        # The broker has lost it, and devices go on with it.
        return read_document(entry.document.encode(), base), counters
    try:
        document = read_retained(link.retained, base, _verifier(arguments))
    except RefusedError as error:
        if arguments.discard:
            return None, counters
        raise ConfigError(
            f"the document that the broker keeps is not to be trusted: {error}; name who may have signed it with "
            "--signers FILE, or replace it with --discard"
        ) from None
    return document, [*counters, document.counter]


def _check_devices(link: FleetLink, counter: int) -> None:
    """Raise ConfigError where a device has accepted a counter that is not below the next one."""
    ahead = {name: one.desired.counter for name, one in link.devices.items() if one.desired is not None}
    highest = max(ahead.values(), default=0)
    if highest >= counter:
        name = printable(max(ahead, key=ahead.__getitem__))
        raise ConfigError(
            f"the device {name} has accepted the counter {highest}, and the next one would be {counter}, which it "
            f"refuses: with --counter {highest + 1} it follows, if you know who signed that one"
        )


def _say(stream: TextIO, line: str) -> None:
    write_line(stream, f"{time.strftime('%H:%M:%S')} {line}")


class _ReplacedError(Exception):
    """Somebody else has published a document; the text says which."""


class RollOut:
    """Publishes stages and follows them. `back`: what is published for all where one fails. `verify`: of documents."""

    def __init__(  # noqa: PLR0913 - the parts of one roll-out
        self,
        link: FleetLink,
        signer: Signer,
        stages: list[Signed],
        back: Signed,
        options: Options,
        verify: Verify,
        stream: TextIO,
    ) -> None:
        self._link, self._signer, self._stages, self._back = link, signer, stages, back
        self._options, self._verify, self._stream = options, verify, stream
        self._at: Signed | None = None
        self._published_at = 0.0
        self._checked: bytes | None = None
        self._said: set[str] = set()
        plan = back.published.plan
        holds = plan.assignments or plan.before is not None
        self._before = "what was published before" if holds else "their own configuration"

    def run(self) -> int:
        """Roll out; returns the exit code."""
        try:
            return self._run()
        except KeyboardInterrupt:
            self._say_where()
            return EXIT_INTERRUPTED
        except _ReplacedError as error:
            self._say(f"stopped: {error}; it stays, and nothing more is published")
            return 1
        except (BrokerError, ConfigError):  # ConfigError: the ledger cannot be written any more
            self._say_where()
            raise

    def _run(self) -> int:
        following = sum(one.follows for one in self._link.devices.values())
        known = count(len(self._link.devices), "device")
        self._say(f"{known} known to the broker, {following} of them there and following documents")
        if not following:
            self._say(
                "nobody is watched at first: a stage that nobody is seen to follow counts as done, and a device that "
                "takes the document later stops nothing"
            )
        self._say(
            "a stage takes as long as its devices watch what is new (desired.watch_seconds, ten minutes by default); "
            "each change is a line, and without one a line a minute says where it stands"
        )
        for signed in self._stages:
            if not self._stage(signed):
                self._go_back(signed)
                return 1
        self._say(f"done: {self._name(self._stages[-1])} holds for {self._stages[-1].published.plan.percent:g} %")
        return 0

    def _stage(self, signed: Signed) -> bool:
        """Publish a stage and follow it; returns whether the roll-out may go on."""
        self._publish(signed)
        stage = Stage(signed.published)
        began = time.monotonic()
        said_at, said = began, ""
        while True:
            self._follow(signed)
            now, known = time.monotonic(), self._link.devices
            stage.look(known)
            self._say_failures(stage)
            summary = stage.summary(known)
            if summary != said or now - said_at >= _LINE_SECONDS:
                said_at, said = now, summary
                self._say(f"stage {signed.published.plan.percent:g} %: {summary}")
            elapsed, settle_seconds = now - began, self._options.settle_seconds
            late = elapsed >= settle_seconds
            unknown = any(one.status == ONLINE and not one.described for one in known.values())
            if unknown and elapsed < min(_APPEAR_UNKNOWN_SECONDS, settle_seconds):
                continue  # the first that is heard of is not yet a share of the stage
            if stage.has_failed(known, self._options.stop_at, late=late):
                return False
            waited = bool(stage.devices) or elapsed >= min(_APPEAR_SECONDS, settle_seconds)
            if late or (waited and stage.is_done(known)):
                return True

    def _publish(self, signed: Signed) -> None:
        self._signer.note(signed, reserved=self._back.published.counter)
        self._link.publish(signed.payload)
        self._at, self._published_at = signed, time.monotonic()
        self._say(f"published: {self._name(signed)} for {signed.published.plan.percent:g} % of the devices")

    def _follow(self, signed: Signed) -> None:
        """Take what arrives, and look whether the broker still has what was published. Raises _ReplacedError."""
        self._link.poll(_POLL_SECONDS)
        retained = self._link.retained
        if retained == signed.payload:
            return
        if retained is not None and retained != self._checked:
            self._check_other(retained, signed.published.counter)
            self._checked = retained
        if time.monotonic() - self._published_at < _LOST_SECONDS:
            return
        # A broker that crashes may forget what it has acknowledged: mosquitto saves each half hour.
        self._say("the broker does not have the document any more; it is published again")
        self._link.publish(signed.payload)
        self._published_at = time.monotonic()

    def _check_other(self, retained: bytes, counter: int) -> None:
        """Raise _ReplacedError where devices would take what the broker has in place of what was published."""
        try:
            other = read_retained(retained, self._signer.base, self._verify)
        except RefusedError:
            return
        if other.counter >= counter:
            raise _ReplacedError(
                f"somebody else has published the document {other.plan.name!r} with the counter {other.counter}"
            )

    def _say_failures(self, stage: Stage) -> None:
        for name, outcome, what in stage.outcomes(self._link.devices):
            line = f"{printable(name)} failed: {printable(what)}"
            if outcome == "failed" and line not in self._said:
                self._said.add(line)
                self._say(line)

    def _go_back(self, failed: Signed) -> None:
        """Publish what was before for all, and wait for those that are there to take it."""
        self._say(
            f"stopped at {failed.published.plan.percent:g} %: more than {100 * self._options.stop_at:g} % of the "
            f"devices of the stage failed; all go back to {self._before}"
        )
        self._publish(self._back)
        following = {name for name, one in self._link.devices.items() if one.follows}
        deadline = time.monotonic() + _BACK_SECONDS
        while time.monotonic() < deadline:
            self._follow(self._back)
            waiting = [
                name
                for name in following
                if outcome_of(self._link.devices[name], self._back.published)[0] == "under way"
            ]
            if not waiting:
                break
        else:
            self._say(f"not back yet: {', '.join(sorted(map(printable, waiting)))}")
        self._say(f"back: {len(following) - len(waiting)} of {len(following)} devices run {self._before}")

    def _say_where(self) -> None:
        """Say what is published, for whoever ends the command on the way."""
        if self._at is None:
            self._say("nothing was published")
            return
        plan = self._at.published.plan
        self._say(
            f"left as it is: {self._name(self._at)} is published for {plan.percent:g} % of the devices and stays so; "
            "`emotion-edge fleet apply FILE --stages 100` goes on, and the file from before goes back"
        )

    def _name(self, signed: Signed) -> str:
        return f"document {signed.published.plan.name!r} with the counter {signed.published.counter}"

    def _say(self, line: str) -> None:
        _say(self._stream, line)


class _Status:
    """Prints the document in force, and what devices make of it. `verify`: None where nobody was named."""

    def __init__(self, link: FleetLink, base: str, verify: Verify | None, stream: TextIO) -> None:
        self._link, self._base, self._verify, self._stream = link, base, verify, stream

    def show(self) -> int:
        """Print a line for the document and one for each device; returns 1 where a device has failed, else 0."""
        if self._link.retained is None:
            write_line(self._stream, "the broker keeps no document")
        else:
            try:
                document = read_retained(self._link.retained, self._base, self._verify or (lambda *_: None))
            except RefusedError as error:
                write_line(self._stream, f"the document that the broker keeps is not to be trusted: {error}")
            else:
                plan = document.plan
                checked = "signed" if self._verify is not None else "signature not checked (--signers FILE checks it)"
                write_line(
                    self._stream,
                    f"document {plan.name!r} with the counter {document.counter} of {document.time}, for "
                    f"{plan.percent:g} % of the devices; {checked}",
                )
        failed = 0
        for name, one in sorted(self._link.devices.items()):
            info = one.desired
            if info is None:
                write_line(self._stream, f"{printable(name)}: follows no documents ({one.status or 'unknown'})")
                continue
            failed += info.step in {"failed", "went_back", "refused"}
            what = f"{info.document or 'no document'}, counter {info.counter}: {info.step.replace('_', ' ')}"
            reason = f" ({info.reason})" if info.reason else ""
            refused = f"; {info.refused} refused, the last because {info.refused_reason}" if info.refused else ""
            write_line(self._stream, printable(f"{name}: {what}{reason}{refused} [{one.status or 'unknown'}]"))
        return 1 if failed else 0
