import io

import pytest

from edge.commands.setup.dialogue import Dialogue
from edge.errors import ConfigError
from edge.system.files import escape_what_cannot_be_shown

NOT_UTF8 = UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")


def dialogue(*answers):
    """Return a dialogue with these answers, and the stream on which it shows what it says."""
    remaining = iter(answers)

    def read(_):
        answer = next(remaining)
        if isinstance(answer, Exception):
            raise answer
        return answer

    stream = io.StringIO()
    return Dialogue(asks=True, takes_defaults=False, stream=stream, read_line=read, read_secret=read), stream


@pytest.mark.parametrize(
    ("typed", "fault"),
    [
        (NOT_UTF8, "is not UTF-8 text"),
        ("\udcff", "is not UTF-8 text"),
        ("\x1b[A", "holds a control character"),
        ("x\x7f", "holds a control character"),
    ],
)
def test_answer_that_is_no_plain_text_is_asked_for_again(typed, fault):
    asking, stream = dialogue(typed, "right\n")
    assert asking.ask("User name", "x", "--username NAME") == "right"
    assert stream.getvalue() == f"The answer {fault}. Please type it again.\n"


@pytest.mark.parametrize("typed", [NOT_UTF8, "\udcff"])
def test_password_that_is_not_utf8_is_asked_for_again(typed):
    asking, stream = dialogue(typed, "s3cret €")
    assert asking.secret("Password", "--password-file FILE") == "s3cret €"
    assert stream.getvalue() == "The answer is not UTF-8 text. Please type it again.\n"


def test_number_is_a_choice_or_taken_as_it_is_or_asked_for_again():
    asking, stream = dialogue("0", "77", "9" * 5000, "2")
    assert asking.choose("Cameras:", ["a", "b"], "Which one?", "--source URI") == 1
    assert stream.getvalue().splitlines()[3:] == [f"There is no choice {n}." for n in ("0", "77", "9" * 5000)]
    asking, _ = dialogue("6", "7")
    assert asking.choose("Cameras:", ["a"], "Which one?", "--source URI", takes_number=lambda n: n == 7) == "7"


@pytest.mark.parametrize(
    ("option", "end"),
    [("--yes", r"\): give --yes$"), ("--mqtt URL", r"\): give --mqtt URL, or --yes for the default$")],
)
def test_missing_answer_names_its_option(option, end):
    with pytest.raises(ConfigError, match=end):
        Dialogue(asks=False, takes_defaults=False).confirm("Write this?", option, default=True)


def test_terminal_that_knows_ascii_alone_gets_escapes():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    escape_what_cannot_be_shown(stream)
    Dialogue(asks=True, takes_defaults=False, stream=stream).say('username = "€\udcff"')
    assert stream.buffer.getvalue() == b'username = "\\u20ac\\udcff"\n'
