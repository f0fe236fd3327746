import argparse
from pathlib import Path

import pytest

from edge.capture.cameras.find import FoundCameras
from edge.capture.cameras.judgement import V4l2Camera
from edge.capture.cameras.video_nodes import VideoNode
from edge.commands.setup.brokers import BrokerTrial, FoundBroker
from edge.commands.setup.camera import CameraVerdict
from edge.commands.setup.command import set_up
from edge.commands.setup.dialogue import Dialogue
from edge.commands.setup.place import Place
from edge.commands.setup.questions import Tools
from edge.errors import SourceError
from edge.system.service import Service
from support.service_programs import FakeSystemctl

OPTIONS = {
    "source": None,
    "mqtt": None,
    "username": None,
    "password_file": None,
    "home_assistant": None,
    "preview_port": None,
    "no_check": False,
    "root": None,
}
WEBCAM = V4l2Camera(VideoNode(Path("/dev/video0"), card="Webcam"), "usb-Webcam-index0")


class SetUp:
    """Setup on a machine of the test, with a person who gives `answers`; an exception among them is raised.

    `asked`: the questions, `said`: all that was printed. `brokers`: credentials by URL, None where anybody may connect.
    """

    def __init__(self, folder, capsys):
        self.folder, self._capsys = folder, capsys
        self.systemctl = FakeSystemctl(folder)
        self.systemctl.share_service(exit_code=0)
        self.service = Service()
        self.cameras = [WEBCAM]
        self.unusable, self.held = set(), set()
        self.brokers = {}
        self.homes = set()
        self.asked, self.tried, self.said = [], [], ""

    @property
    def place(self):
        return Place(self.service, self.folder)

    @property
    def config(self):
        return self.place.config_file

    def run(self, *answers, asks=True, yes=False, **options):
        remaining = iter(answers)

        def read(question):
            self.asked.append(question)
            answer = next(remaining)
            if isinstance(answer, BaseException):
                raise answer
            return answer

        dialogue = Dialogue(asks=asks, takes_defaults=yes, read_line=read, read_secret=read)
        arguments = argparse.Namespace(**OPTIONS | options, yes=yes)
        try:
            return set_up(arguments, dialogue, self.place, self.systemctl.control(self.service), self.tools())
        finally:
            self.said = self._capsys.readouterr().out
            assert list(remaining) == [], "answers to which there was no question"

    def tools(self):
        found = [FoundBroker(url, *self._place_of(url)) for url in self.brokers]
        return Tools(
            lambda: FoundCameras((), tuple(self.cameras)),
            lambda: found,
            lambda uri: uri in self.held,
            self.try_camera,
            self.try_broker,
        )

    def _place_of(self, url):
        verdict = BrokerTrial("open" if self.brokers[url] is None else "asks")
        return ("Home Assistant" if url in self.homes else "on this machine"), verdict

    def try_camera(self, config):
        uri = config.source.uri
        self.tried.append(uri)
        if uri in self.unusable:
            raise SourceError(f"The camera {uri} cannot be opened")
        return CameraVerdict((640, 480), 120.0, 1, 192.0, uri)

    def try_broker(self, mqtt, password):
        self.tried.append((mqtt.url, mqtt.username, password))
        if mqtt.url not in self.brokers:
            return BrokerTrial("refuses", f"no broker at {mqtt.url}")
        wanted = self.brokers[mqtt.url]
        return BrokerTrial("open" if wanted in {None, (mqtt.username, password)} else "asks", "Not authorized")


@pytest.fixture
def setup(tmp_path, capsys):
    return SetUp(tmp_path, capsys)
