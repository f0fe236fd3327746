from pathlib import Path

import pytest

from edge.config.mqtt_schema import MqttConfig
from edge.config.state_dir import outbox_file
from edge.errors import ConfigError
from support.mqtt import OUTBOX


@pytest.mark.parametrize(
    ("directory", "environ", "file"),
    [
        ("", {"STATE_DIRECTORY": "/s:/t", "XDG_STATE_HOME": "/x"}, f"/s/{OUTBOX}"),
        ("", {"XDG_STATE_HOME": "/x"}, f"/x/emotion-edge/{OUTBOX}"),
        ("", {"XDG_STATE_HOME": "relative"}, f"{Path.home()}/.local/state/emotion-edge/{OUTBOX}"),
        ("/mine", {"STATE_DIRECTORY": "/s"}, f"/mine/{OUTBOX}"),
        ("~/mine", {}, f"{Path.home()}/mine/{OUTBOX}"),
    ],
)
def test_outbox_is_in_configured_else_service_else_home_folder(
    directory: str, environ: dict[str, str], file: str
) -> None:
    assert outbox_file(MqttConfig(outbox_directory=directory), "cam", environ) == Path(file)


@pytest.mark.parametrize("directory", ["state", "/dev/null", "~no-such-user/state"])
def test_outbox_directory_that_is_no_full_path_of_a_folder_is_refused(directory: str) -> None:
    with pytest.raises(ConfigError, match=rf"mqtt\.outbox_directory is '{directory}', but must be the full path"):
        outbox_file(MqttConfig(outbox_directory=directory), "cam", {})
    assert outbox_file(MqttConfig(outbox_directory="none"), "cam", {}) is None


def test_folder_that_cannot_be_searched_is_left_to_the_outbox_to_report() -> None:
    too_long = f"/{'a' * 300}"  # raises as a folder without permission does, for root too
    assert outbox_file(MqttConfig(outbox_directory=too_long), "cam", {}) == Path(too_long, OUTBOX)
