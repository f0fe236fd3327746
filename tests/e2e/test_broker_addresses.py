"""The program with brokers that are not there yet, several addresses, and a network that is not up."""

import os
import shutil
import signal
import socket
import subprocess
import sys

import pytest

from support.mqtt import on_disk, wait_until
from support.program import COMMAND, environment, kill, run

SHORT = "scripted:neutral=1,happy=1.5,none=0.5?seed=5"
ENDLESS = "scripted:happy=1,none=1?seed=5&loop=1"


@pytest.fixture
def started_without_network():
    """Starts the program in a network namespace that has only an unused loopback interface."""
    processes = []

    def start(*arguments, **changes):
        processes.append(
            subprocess.Popen(
                ["unshare", "--net", *COMMAND, *arguments],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=environment(**changes),
            )
        )
        return processes[-1]

    yield start
    for process in processes:
        kill(process)


def test_fallback_from_the_environment_gets_the_events(broker, subscribe):
    subscriber = subscribe(broker)
    result = run(
        "run",
        "--source",
        SHORT,
        "--fast",
        EMOTION_EDGE_MQTT_URL="ws://127.0.0.1:1/hunter2",
        EMOTION_EDGE_MQTT_FALLBACK_URLS=f"mqtt://no-such-host.invalid, tcp://127.0.0.1:{broker.port}",
        EMOTION_EDGE_MQTT_CLIENT_ID="hall-camera",
    )
    assert result.returncode == 0, result.stderr
    subscriber.wait(lambda: subscriber.statuses[-1:] == ["stopped"])
    assert subscriber.seqs == list(range(1, len(subscriber.seqs) + 1))
    assert "the broker at 127.0.0.1:1 cannot be reached" in result.stderr
    assert f"the broker at 127.0.0.1:{broker.port} is used instead" in result.stderr
    assert "hunter" not in result.stderr
    assert "as hall-camera (p5" in broker.log()


def test_mqtt_flag_names_one_broker(tmp_path):
    config = tmp_path / "config.toml"
    config.write_text('[mqtt]\nurl = "mqtt://a"\nfallback_urls = ["mqtt://b"]\n', encoding="utf-8")
    shown = run("config", "show", "--config", config, "--mqtt", "mqtt://c").stdout
    assert 'url = "mqtt://c"' in shown
    assert "fallback_urls = []" in shown


@pytest.mark.skipif(
    not sys.platform.startswith("linux") or os.geteuid() != 0 or shutil.which("unshare") is None,
    reason="a network of its own needs Linux, root and unshare",
)
def test_service_is_ready_and_records_events_before_the_network_is_up(started_without_network, tmp_path):
    """A board after a power cut: no name server can be asked."""
    state = tmp_path / "state"
    state.mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(60)
        process = started_without_network(
            "run",
            "--source",
            ENDLESS,
            "--mqtt",
            "mqtt://homeassistant.local",
            NOTIFY_SOCKET=str(tmp_path / "notify"),
            STATE_DIRECTORY=str(state),
            EMOTION_EDGE_DEVICE_ID="cam",
        )
        while not manager.recv(4096).startswith(b"READY=1"):
            pass
        wait_until(lambda: on_disk(state, tmp_path / "copy") or process.poll() is not None)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "homeassistant.local" in err
    assert "the network is probably not up" in err
    assert "they are kept in" in err
