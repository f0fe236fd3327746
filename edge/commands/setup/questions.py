"""Asks for the camera, the broker and Home Assistant, and tries what is chosen until it can be used.

Six questions at most: camera, broker, user name, password, Home Assistant, and whether to write it all.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from edge.capture.auto import AUTO
from edge.capture.cameras.find import FoundCameras
from edge.commands.setup.answer_form import broker_address, check_source
from edge.commands.setup.brokers import HOME_ASSISTANT_HOST, BrokerTrial, FoundBroker
from edge.commands.setup.camera import CameraVerdict
from edge.commands.setup.dialogue import Dialogue, StoppedError
from edge.config.credentials import shown_broker_url
from edge.config.mqtt_schema import MqttConfig
from edge.config.schema import Config
from edge.errors import BrokerError, ConfigError, EdgeError, SourceError
from edge.redact import redacted

USERNAME_WITHOUT_BROKER: Final = "--username needs a broker: give --mqtt URL, or leave --username out"
MOST_TRIES: Final = 3
"""Passwords that are asked for before setup gives up, as `sudo` does."""


@dataclass(frozen=True, slots=True)
class Given:
    """What options answer; None: not given. `broker`: its address, "" for no broker."""

    source: str | None = None
    broker: str | None = None
    username: str | None = None
    password: str | None = None
    home_assistant: bool | None = None


@dataclass(frozen=True, slots=True)
class Tools:
    """How cameras and brokers are found and tried; None: they are not tried.

    `holds`: the service runs and has the camera of this source.
    """

    find_cameras: Callable[[], FoundCameras]
    find_brokers: Callable[[], list[FoundBroker]]
    holds: Callable[[str], bool]
    try_camera: Callable[[Config], CameraVerdict] | None
    try_broker: Callable[[MqttConfig, str | None], BrokerTrial] | None


@dataclass(frozen=True, slots=True)
class BrokerAnswer:
    """The chosen broker. `password`: one to be stored, None: none, or the stored one stays."""

    url: str = ""
    username: str = ""
    password: str | None = None
    is_home_assistant: bool = False


class Questions:
    """Asks through `dialogue`. `config`: what is configured already, whose values are the defaults.

    `is_new`: nobody has configured it yet. `stored_password`: what the service's file holds, or None.
    """

    def __init__(  # noqa: PLR0913 - what is known before the first question
        self,
        dialogue: Dialogue,
        given: Given,
        tools: Tools,
        config: Config,
        *,
        is_new: bool,
        stored_password: str | None,
    ) -> None:
        self._dialogue = dialogue
        self._given = given
        self._tools = tools
        self._config = config
        self._is_new = is_new
        self._stored_password = stored_password
        self._has_camera = True

    @property
    def has_camera(self) -> bool:
        """Whether there is a camera for the chosen source; False where `auto:` was tried and found none."""
        return self._has_camera

    def camera(self) -> str:
        """Return the source, after a picture of it was seen. Raises EdgeError without a terminal."""
        if self._given.source is not None:
            self._try(self._given.source)
            return self._given.source
        current = self._config.source.uri
        self._dialogue.check("which camera", "--source URI")
        self._dialogue.say("Looking for cameras ...")
        found = self._tools.find_cameras()
        choices = self._camera_choices(found, current)
        question = "Which one, or the address of a network camera (rtsp://... or http://...)?"
        lines = [line for _, line in choices]
        default = 0 if self._is_new else next(n for n, (uri, _) in enumerate(choices) if uri == current)
        while True:
            answer = self._dialogue.choose(
                "Cameras:", lines, question, "--source URI", default=default, takes_number=_is_node
            )
            uri = choices[answer][0] if isinstance(answer, int) else answer
            try:
                self._try(uri)
            except StoppedError:
                raise
            except EdgeError as error:
                if not self._dialogue.asks:
                    raise
                self._dialogue.say(str(error))
            else:
                return uri

    def _camera_choices(self, found: FoundCameras, current: str) -> list[tuple[str, str]]:
        """Return what can be chosen: a source, and its line."""
        choices = [
            (one.uri, f"{one.model or 'Ribbon camera'} on the ribbon connector ({one.uri})") for one in found.ribbon
        ]
        choices += [(one.uri, f"{one.node.card or 'Camera'} ({one.uri})") for one in found.v4l2]
        automatic = "the first camera that is found at each start"
        if not choices:
            automatic = "none yet: the first camera that is connected"
        choices.append((AUTO, f"{automatic} ({AUTO})"))
        if not self._is_new and current not in [uri for uri, _ in choices]:
            choices.insert(0, (current, f"as configured ({redacted(current)})"))
        return choices

    def _try(self, uri: str) -> None:
        """Open the source and say what is seen. Raises EdgeError."""
        say = self._dialogue.say
        source = msgspec.structs.replace(self._config.source, uri=uri)
        config = msgspec.structs.replace(self._config, source=source)
        self._has_camera = True
        if self._tools.try_camera is None:
            check_source(uri)
            return
        say(f"Opening {redacted(uri)} ...")
        try:
            verdict = self._tools.try_camera(config)
        except SourceError:
            if self._tools.holds(uri):
                say("The service runs and has this camera, so that no picture was looked at here.")
                return
            if uri == AUTO and not self._tools.find_cameras().uris:
                self._say_that_none_is_connected()
                return
            raise
        if verdict.uri.startswith("scripted:") and uri == AUTO:
            self._say_that_none_is_connected()
            return
        say(verdict.in_words)

    def _say_that_none_is_connected(self) -> None:
        self._has_camera = False
        self._dialogue.say(
            "No camera is connected yet. Without a broker the built-in actor plays until one is. With a broker the "
            "service starts only once a camera is connected: to try it with the actor, type scripted: as the camera."
        )

    def broker(self) -> BrokerAnswer:
        """Return the broker, after a connection to it was made. Raises EdgeError."""
        if self._given.broker is not None:
            url = self._given.broker
            return self._credentials(url, HOME_ASSISTANT_HOST in url) if url else self._no_broker()
        return self._choose_broker()

    def _no_broker(self) -> BrokerAnswer:
        if self._given.username:
            raise ConfigError(USERNAME_WITHOUT_BROKER)
        return BrokerAnswer()

    def _choose_broker(self) -> BrokerAnswer:
        dialogue, current = self._dialogue, self._config.mqtt.url
        dialogue.check("which broker", "--mqtt URL")
        dialogue.say("Looking for MQTT brokers (at most 8 s) ...")
        found = self._tools.find_brokers()
        choices = [(one.url, one.in_words) for one in found]
        if current and current not in [url for url, _ in choices]:
            choices.insert(0, (current, f"as configured ({shown_broker_url(current)})"))
        choices.append(("", "none: events are written to the journal"))
        default = next((n for n, (url, _) in enumerate(choices) if url == current), 0) if current else 0
        while True:
            lines = [line for _, line in choices]
            question = "Which one, or an address such as mqtt://192.168.1.5?"
            answer = dialogue.choose("MQTT brokers:", lines, question, "--mqtt URL", default=default)
            try:
                url = choices[answer][0] if isinstance(answer, int) else broker_address(answer)
                if not url:
                    return self._no_broker()
                is_home = any(one.url == url and one.is_home_assistant for one in found) or HOME_ASSISTANT_HOST in url
                return self._credentials(url, is_home)
            except StoppedError:
                raise
            except EdgeError as error:
                if not dialogue.asks:
                    raise
                dialogue.say(str(error))

    def _credentials(self, url: str, is_home_assistant: bool) -> BrokerAnswer:  # noqa: FBT001 - the name says it
        """Return the broker with the credentials that it accepts, which are asked for only where it wants some."""
        mqtt = msgspec.structs.replace(self._config.mqtt, url=url)
        stored = self._stored_password if url == self._config.mqtt.url else None
        name = self._given.username
        if name is None and url == self._config.mqtt.url:
            name = self._config.mqtt.username
        trial = self._connect(mqtt, name or "", self._given.password or stored)
        if trial.verdict == "open":
            return self._accepted(url, name or "", self._given.password, is_home_assistant)
        if trial.verdict == "refuses" or (name and self._given.password is not None):
            raise BrokerError(trial.reason)
        return self._ask_credentials(mqtt, name or "", is_home_assistant)

    def _ask_credentials(self, mqtt: MqttConfig, name: str, is_home_assistant: bool) -> BrokerAnswer:  # noqa: FBT001
        dialogue = self._dialogue
        dialogue.say(f"The broker at {shown_broker_url(mqtt.url)} wants a user name and a password.")
        if is_home_assistant:
            dialogue.say(
                "With Home Assistant's Mosquitto these are a user's of Home Assistant: make one for the sensor "
                "(Settings, People, Users)."
            )
        trial = BrokerTrial("asks")
        for _ in range(MOST_TRIES):
            name = self._given.username or dialogue.ask("User name", name or "emotion-edge", "--username NAME")
            password = self._given.password or dialogue.secret("Password", "--password-file FILE")
            trial = self._connect(mqtt, name, password)
            if trial.verdict == "open":
                return self._accepted(mqtt.url, name, password, is_home_assistant)
            dialogue.say(trial.reason)
            if self._given.password is not None and self._given.username is not None:
                break
        raise BrokerError(trial.reason)

    def _connect(self, mqtt: MqttConfig, name: str, password: str | None) -> BrokerTrial:
        if self._tools.try_broker is None:
            return BrokerTrial("open")
        # A password without a name cannot be sent, and one in a file would be sent before the one that was typed.
        file = mqtt.password_file if password is None else ""
        mqtt = msgspec.structs.replace(mqtt, username=name, password_file=file if name else "")
        return self._tools.try_broker(mqtt, password if name else None)

    def _accepted(self, url: str, name: str, password: str | None, is_home_assistant: bool) -> BrokerAnswer:  # noqa: FBT001
        if self._tools.try_broker is not None:
            self._dialogue.say(f"The broker at {shown_broker_url(url)} accepts the connection.")
        return BrokerAnswer(url, name, password, is_home_assistant)

    def home_assistant(self, broker: BrokerAnswer) -> bool:
        """Return whether the sensor announces itself to Home Assistant; without a broker it cannot."""
        if self._given.home_assistant is not None:
            if self._given.home_assistant and not broker.url:
                raise ConfigError("--home-assistant needs a broker: give --mqtt URL")
            return self._given.home_assistant
        if not broker.url:
            return self._config.homeassistant.enabled
        default = self._config.homeassistant.enabled or broker.is_home_assistant
        return self._dialogue.confirm("Announce the sensor to Home Assistant?", "--home-assistant", default=default)


def _is_node(number: int) -> bool:
    """Return whether a number means a video node, /dev/videoNUMBER."""
    return Path(f"/dev/video{number}").exists()
