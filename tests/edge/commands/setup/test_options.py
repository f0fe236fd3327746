"""Setup without a terminal: options answer every question, and what is missing or cannot be used is one sentence."""

import tomllib
from pathlib import Path

import pytest

from edge.capture.cameras.find import FoundCameras
from edge.commands.setup.questions import Tools
from edge.errors import BrokerError, ConfigError, SourceError

LOCAL, HOME = "mqtt://localhost", "mqtt://homeassistant.local"


def values(file):
    return tomllib.loads(file.read_text())


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({}, "--source URI"),
        ({"source": "auto:"}, "--mqtt URL"),
        ({"source": "auto:", "mqtt": LOCAL}, "--username NAME"),
        ({"source": "auto:", "mqtt": LOCAL, "username": "sensor"}, "--password-file FILE"),
        ({"source": "auto:", "mqtt": HOME}, "--home-assistant"),
        ({"source": "auto:", "mqtt": "none"}, "--yes"),
        ({"yes": True, "mqtt": LOCAL, "username": "sensor"}, "--password-file FILE"),
    ],
)
def test_what_is_missing_without_a_terminal_is_named_by_its_option(setup, options, named):
    setup.brokers = {LOCAL: ("sensor", "s3cret"), HOME: None}
    with pytest.raises(ConfigError, match=r"^without a terminal nothing can be asked") as caught:
        setup.run(asks=False, **options)
    assert named in str(caught.value)
    assert not setup.config.exists()


def test_options_answer_everything(setup, tmp_path):
    setup.brokers = {LOCAL: ("sensor", "s3cret")}
    (tmp_path / "password").write_text("s3cret\n")
    options = {"source": "scripted:", "mqtt": LOCAL, "username": "sensor", "password_file": tmp_path / "password"}
    assert setup.run(asks=False, yes=True, home_assistant=True, **options) == 0
    assert values(setup.config)["homeassistant"] == {"enabled": True}
    assert setup.place.password_file.read_text() == "s3cret"


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"source": "bad:"}, SourceError, "The camera bad: cannot be opened"),
        ({"source": "auto:", "mqtt": "mqtt://nowhere"}, BrokerError, "no broker at mqtt://nowhere"),
        ({"source": "auto:", "mqtt": "none", "home_assistant": True}, ConfigError, "--home-assistant needs a broker"),
        ({"password_file": Path("/x")}, ConfigError, "--password-file needs --username"),
        ({"username": "a", "password_file": Path("/x")}, ConfigError, "--password-file /x cannot be read"),
        ({"mqtt": "none", "username": "me"}, ConfigError, "--username needs a broker: give --mqtt URL"),
        ({"username": "me"}, ConfigError, "--username needs a broker: give --mqtt URL"),
        ({"source": "v4l2:\udcff"}, ConfigError, r"--source 'v4l2:\\udcff' is not UTF-8 text: give one line of plain"),
        ({"mqtt": "mqtt://\udcff"}, ConfigError, r"--mqtt 'mqtt://\\udcff' is not UTF-8 text"),
        ({"username": "\udcff"}, ConfigError, r"--username '\\udcff' is not UTF-8 text"),
        ({"username": "a\x7f"}, ConfigError, r"--username 'a\\x7f' holds a control character"),
        ({"no_check": True, "source": "nonsense"}, SourceError, 'The source "nonsense" does not exist'),
        ({"no_check": True, "source": "auto:foo"}, SourceError, 'The source "auto:foo" is of no known kind'),
        ({"no_check": True, "mqtt": "http://h"}, ConfigError, "--mqtt = 'http://h' must be mqtt://HOST:PORT"),
        ({"no_check": True, "mqtt": "77"}, ConfigError, "--mqtt = '77' must be mqtt://HOST:PORT"),
        (
            {"no_check": True, "mqtt": "mqtt://u:secret@h"},
            ConfigError,
            "--mqtt must hold neither user name nor password: give --username NAME and --password-file FILE$",
        ),
        ({"username": "a", "password_file": Path("/dev/null")}, ConfigError, "--password-file /dev/null is empty"),
    ],
)
def test_option_that_cannot_be_used_is_one_sentence(setup, options, error, message):
    setup.unusable = {"bad:"}
    if options.get("no_check"):
        setup.tools = lambda: Tools(lambda: FoundCameras((), ()), list, lambda _: False, None, None)
    with pytest.raises(error, match=f"^{message}"):
        setup.run(asks=False, yes=True, **options)
    assert not setup.config.exists()


def test_wrong_password_of_an_option_is_not_asked_for_again(setup, tmp_path):
    setup.brokers = {LOCAL: ("sensor", "s3cret")}
    (tmp_path / "password").write_text("wrong")
    options = {"source": "auto:", "mqtt": LOCAL, "username": "sensor", "password_file": tmp_path / "password"}
    with pytest.raises(BrokerError, match=r"^Not authorized$"):
        setup.run(**options)
