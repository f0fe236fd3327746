"""Where setup writes: below another root never outside it, and never over what is no file."""

import os
import socket

import pytest

from edge.commands.setup.place import Place, refuse_what_is_in_the_way, stored_password
from edge.errors import ConfigError
from edge.system.service import Service


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "image"
    (folder / "etc").mkdir(parents=True)
    return folder


@pytest.mark.parametrize(
    ("links", "reached"),
    [
        ({}, "etc/emotion-edge/config.toml"),
        ({"etc/emotion-edge": "/data/conf"}, "data/conf/config.toml"),
        ({"etc/emotion-edge": "../data"}, "data/config.toml"),
        ({"etc/emotion-edge": "../../../../data"}, "data/config.toml"),
        ({"etc/emotion-edge": "/one", "one": "two"}, "two/config.toml"),
        ({"etc/emotion-edge": "/", "config.toml": "/etc/../real.toml"}, "real.toml"),
    ],
)
def test_links_below_another_root_never_lead_out_of_it(root, links, reached):
    for link, target in links.items():
        (root / link).symlink_to(target)
    assert Place(Service(), root).config_file == root / reached


def test_links_in_a_circle_are_refused(root):
    (root / "etc/emotion-edge").symlink_to("/etc/other")
    (root / "etc/other").symlink_to("emotion-edge")
    with pytest.raises(ConfigError, match=r"^the links of /etc/emotion-edge/config\.toml below .* lead in a circle"):
        refuse_what_is_in_the_way(Place(Service(), root))


def test_what_is_in_the_way_is_named_and_never_opened(root):
    place, folder = Place(Service(), root), root / "etc/emotion-edge"
    refuse_what_is_in_the_way(place)
    folder.write_text("x")
    with pytest.raises(
        ConfigError, match=f"^{folder} is a file, but must be a folder: move it away, and set up again$"
    ):
        refuse_what_is_in_the_way(place)
    folder.unlink()
    (root / "etc/credstore").mkdir()
    for file in (place.config_file, place.password_file):
        file.parent.mkdir(exist_ok=True)
        os.mkfifo(file)
        with pytest.raises(ConfigError, match=f"^{file} is a pipe, but must be a file"):
            refuse_what_is_in_the_way(place)
        assert stored_password(place) is None
        file.unlink()
    file.mkdir()
    with pytest.raises(ConfigError, match=f"^{file} is a folder, but must be a file"):
        refuse_what_is_in_the_way(place)
    with socket.socket(socket.AF_UNIX) as listening, pytest.MonkeyPatch.context() as patch:
        patch.chdir(place.config_file.parent)  # the path of a socket has 108 characters at most
        listening.bind("config.toml")
        with pytest.raises(ConfigError, match="is a socket, but must be a file"):
            refuse_what_is_in_the_way(place)
