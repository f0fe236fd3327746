"""The Home Assistant add-on: its description, and its options and the Supervisor's broker as the sensor's environment.

No Supervisor is here: an HTTP server answers as its API is documented (developers.home-assistant.io, services).
"""

import contextlib
import http.server
import importlib.util
import json
import threading
from pathlib import Path

import pytest
import yaml

from edge.config.loader import load

ROOT = Path(__file__).parents[1]
ADDON = ROOT / "distribution" / "home-assistant-addon"
CONFIG = yaml.safe_load((ADDON / "config.yaml").read_text(encoding="utf-8"))
TOKEN = "token-of-the-supervisor"  # noqa: S105 - of a server that runs for a second
MQTT = {"addon": "core_mosquitto", "host": "core-mosquitto", "port": "1883", "ssl": False, "username": "addons",
        "password": "p@ss:w/rd", "protocol": "3.1.1"}  # fmt: skip

_spec = importlib.util.spec_from_file_location("addon_run", ADDON / "run.py")
run = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(run)


@contextlib.contextmanager
def supervisor(status, answer):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            allowed = self.headers["Authorization"] == f"Bearer {TOKEN}" and self.path == "/services/mqtt"
            body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status if allowed else 401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def loaded(options, **environ):
    """Return the configuration that the sensor loads in the add-on, as the options give it."""
    made = run.environment(options, {"SUPERVISOR_TOKEN": TOKEN, **environ}, has_file=False)
    assert "SUPERVISOR_TOKEN" not in made
    assert made["STATE_DIRECTORY"] == "/data/emotion-edge"
    return load(None, made), made


@pytest.mark.parametrize(
    ("port", "ssl", "url"), [("1883", False, "mqtt://core-mosquitto:1883"), (8883, True, "mqtts://core-mosquitto:8883")]
)
def test_broker_of_the_supervisor_is_used(port, ssl, url):
    with supervisor(200, {"result": "ok", "data": {**MQTT, "port": port, "ssl": ssl}}) as address:
        options = run.broker_of(TOKEN, address)
    config, made = loaded({"announce": True} | options)
    assert (config.mqtt.url, config.mqtt.username) == (url, "addons")
    assert made["EMOTION_EDGE_MQTT_PASSWORD"] == MQTT["password"]
    assert config.homeassistant.enabled


@pytest.mark.parametrize(
    ("status", "answer", "reason"),
    [
        (400, {"result": "error", "message": "Service not enabled"}, "Service not enabled"),
        (502, b"<html>", "HTTP status 502"),
        (200, {"result": "ok", "data": {}}, "its answer cannot be used"),
        (200, b"[]", "its answer cannot be used"),
        (200, {"result": "ok", "data": {**MQTT, "port": "http"}}, "its answer cannot be used"),
    ],
)
def test_supervisor_without_a_broker_is_one_sentence(status, answer, reason):
    with supervisor(status, answer) as address, pytest.raises(run.AddonError) as refused:
        run.broker_of(TOKEN, address)
    assert str(refused.value).startswith(f"Home Assistant hands out no broker ({reason}")
    assert str(refused.value).endswith("install the add-on Mosquitto broker, or set the option mqtt_url")
    assert "\n" not in str(refused.value)


def test_supervisor_that_does_not_answer_is_named():
    with supervisor(200, {}) as address:
        pass
    with pytest.raises(run.AddonError, match=f"{address} does not answer"):
        run.broker_of(TOKEN, address)


@pytest.mark.parametrize("text", [None, "", "[]", "{"])
def test_options_that_cannot_be_read_are_refused(tmp_path, text):
    file = tmp_path / "options.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(run.AddonError, match="must be the options that the Supervisor writes"):
        run.read_options(file)


def test_options_become_keys_and_empty_ones_are_left_to_the_file():
    given = {"source": "rtsp://camera/stream", "mqtt_url": "mqtt://hall", "mqtt_username": "me", "mqtt_password": "",
             "device_id": "hall", "device_name": "Hall", "announce": False, "log_level": "debug"}  # fmt: skip
    assert given.keys() == CONFIG["schema"].keys()
    config, made = loaded(given)
    assert (config.source.uri, config.mqtt.url, config.mqtt.username) == ("rtsp://camera/stream", "mqtt://hall", "me")
    assert (config.device.id, config.device.name, config.homeassistant.enabled) == ("hall", "Hall", False)
    assert "EMOTION_EDGE_MQTT_PASSWORD" not in made
    assert run.environment({}, {}, has_file=True)["EMOTION_EDGE_CONFIG"] == "/config/config.toml"


def test_description_names_options_that_are_explained_and_have_a_schema():
    translated = yaml.safe_load((ADDON / "translations" / "en.yaml").read_text(encoding="utf-8"))["configuration"]
    assert translated.keys() == CONFIG["schema"].keys()
    assert CONFIG["options"].keys() <= CONFIG["schema"].keys()
    for name, kind in CONFIG["schema"].items():
        assert name in CONFIG["options"] or kind.endswith("?"), "an option without a default must be optional"
    documented = (ADDON / "DOCS.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in documented for name in CONFIG["schema"])
    assert set(CONFIG) <= {
        "name", "version", "slug", "description", "arch", "startup", "boot", "stage", "services", "video", "tmpfs",
        "map", "timeout", "options", "schema",
    }  # fmt: skip
