"""Asks on a plain terminal: every question has a default in brackets, which Enter takes.

Without a terminal nothing is asked: an option gives the answer, `--yes` takes the defaults, and what is missing is an
error that names the option.
"""

import getpass
import sys
from collections.abc import Callable, Sequence
from typing import Final, TextIO

from edge.commands.setup.answer_form import find_fault
from edge.errors import ConfigError, EdgeError
from edge.logs.setup import is_terminal
from edge.system.files import escape_what_cannot_be_shown

_YES: Final = frozenset({"y", "yes"})
_NO: Final = frozenset({"n", "no"})
_MOST_DIGITS: Final = 4
"""Of a number that is a choice or a video node; longer ones are no number of either."""


class StoppedError(EdgeError):
    """The answers ended before the questions did, as with Ctrl-D."""


class Dialogue:
    """Asks a person. `asks`: there is a terminal, and nothing is to be taken for granted (`--yes`).

    `takes_defaults`: without a terminal, a question that has a default is answered with it.
    """

    def __init__(
        self,
        *,
        asks: bool,
        takes_defaults: bool,
        stream: TextIO | None = None,
        read_line: Callable[[str], str] | None = None,
        read_secret: Callable[[str], str] = getpass.getpass,
    ) -> None:
        self.asks = asks
        self._takes_defaults = takes_defaults
        self._stream = stream or sys.stdout
        self._read_line = read_line or self._ask_terminal
        self._read_secret = read_secret

    def say(self, text: str = "") -> None:
        """Print a line, at once: what follows may take seconds."""
        self._stream.write(f"{text}\n")
        self._stream.flush()

    def check(self, what: str, option: str) -> None:
        """Raise ConfigError where neither a person nor a default can answer. `what`: the question in two words."""
        if not self.asks and not self._takes_defaults:
            raise _missing(what, option, has_default=True)

    def ask(self, question: str, default: str, option: str) -> str:
        """Return an answer in one line; `default` for an empty one. `option`: gives it without a terminal.

        Raises ConfigError without a terminal.
        """
        if not self.asks:
            self.check(question, option)
            return default
        while True:
            answer = self._read(f"{question} [{default}]: ").strip()
            fault = find_fault(answer)
            if fault is None:
                return answer or default
            self.say(f"The answer {fault}. Please type it again.")

    def confirm(self, question: str, option: str, *, default: bool) -> bool:
        """Return whether the answer is yes."""
        if not self.asks:
            self.check(question, option)
            return default
        while True:
            answer = self._read(f"{question} [{'Y/n' if default else 'y/N'}]: ").strip().lower()
            if answer in _YES | _NO | {""}:
                return answer in _YES if answer else default
            self.say("Please answer y for yes or n for no.")

    def secret(self, question: str, option: str) -> str:
        """Return an answer that the terminal does not show."""
        if not self.asks:
            raise _missing(question, option, has_default=False)
        while True:
            secret = self._read(f"{question} (nothing is shown while you type): ", self._read_secret)
            try:
                secret.encode()
            except UnicodeEncodeError:
                self.say("The answer is not UTF-8 text. Please type it again.")
            else:
                return secret

    def choose(  # noqa: PLR0913 - the parts of one question
        self,
        title: str,
        choices: Sequence[str],
        question: str,
        option: str,
        *,
        default: int = 0,
        takes_number: Callable[[int], bool] = lambda _: False,
    ) -> int | str:
        """Show numbered choices, and return the index of the chosen one, or another text that was typed.

        `takes_number`: whether a number that is no choice is an answer nevertheless.
        """
        self.say(title)
        for number, choice in enumerate(choices, 1):
            self.say(f"  {number}  {choice}")
        while True:
            answer = self.ask(question, str(default + 1), option)
            if not (answer.isascii() and answer.isdigit()):
                return answer
            if len(answer) <= _MOST_DIGITS:
                if 1 <= int(answer) <= len(choices):
                    return int(answer) - 1
                if takes_number(int(answer)):
                    return answer
            self.say(f"There is no choice {answer}.")

    def _read(self, prompt: str, read: Callable[[str], str] | None = None) -> str:
        while True:
            try:
                return (read or self._read_line)(prompt)
            except EOFError:
                self.say()
                raise _stopped() from None
            except UnicodeDecodeError:
                # Of a terminal that sends another encoding than the locale's. What was typed is gone.
                self.say("The answer is not UTF-8 text. Please type it again.")

    def _ask_terminal(self, prompt: str) -> str:
        """Show a question and return the line that is typed.

        Not by `input`, which writes to file descriptor 2: that one is the log's (edge.logs.native).
        """
        self._stream.write(prompt)
        self._stream.flush()
        line = sys.stdin.readline()
        if not line:
            raise EOFError
        return line


def on_terminal(*, yes: bool) -> Dialogue:
    """Return the dialogue of this process. `yes`: every default is taken, and nothing is asked."""
    escape_what_cannot_be_shown(sys.stdout)
    is_there = is_terminal(sys.stdin) and is_terminal(sys.stdout)
    return Dialogue(asks=is_there and not yes, takes_defaults=yes)


def _missing(question: str, option: str, *, has_default: bool) -> ConfigError:
    also = ", or --yes for the default" if has_default and option != "--yes" else ""
    return ConfigError(f"without a terminal nothing can be asked ({question}): give {option}{also}")


def _stopped() -> StoppedError:
    return StoppedError("the answers ended before the questions: nothing was changed")
