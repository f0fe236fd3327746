"""What a person reads who runs the commands on a terminal: times, what is done, signs of life, what has ended."""

import re
import signal

from support.terminal import on_terminal

TIME = r"\d\d:\d\d:\d\d "
EVENT = "face_appeared"


def log_lines(terminal):
    """Return the lines of the log: all but the events."""
    return [line.removeprefix("^C") for line in terminal.lines if not line.startswith(("{", "^C{"))]


def test_run_says_what_plays_what_has_ended_and_that_all_is_written():
    with on_terminal("run", "--fast", "--max-frames", 20) as terminal:
        assert terminal.end() == 0
    lines = log_lines(terminal)
    assert all(re.match(TIME, line) for line in lines), terminal.text
    assert "edge." not in "".join(lines), "no logger's name"
    text = re.sub(TIME, "", "\n".join(lines))
    assert text.startswith("starting: source the built-in actor, model normal, broker none\n")
    assert "\nwarning: no source set: playing the built-in actor, not a camera; set source.uri in the " in text
    assert "--source picamera:0\n" in text
    assert "\nno broker set: events are written to standard output as JSON Lines; --mqtt sets one\n" in text
    assert text.endswith("stopped by --max-frames: 20 frames, 2 events, all written to standard output")


def test_ctrl_c_ends_run_with_what_the_broker_has_acknowledged(broker):
    with on_terminal("run", "--source", "scripted:happy=60", "--mqtt", broker.url) as terminal:
        terminal.wait("Ctrl-C stops the sensor")
        # The first sign of life is in time for whoever wonders after 15 s.
        terminal.wait(r"running: \d+ frames, \d+\.\d a second, 1 face in view, 1 event so far, broker connected")
        terminal.press_ctrl_c()
        assert terminal.end() == 0
    assert "no source set" not in terminal.text
    assert "events are published on emotion-edge/" in terminal.text
    assert EVENT not in terminal.text
    assert re.search(r"stopped by Ctrl-C: \d+ frames, 2 events, all acknowledged by the broker\n$", terminal.text)


def test_sigterm_while_the_broker_is_away_says_where_the_events_wait(make_broker):
    broker = make_broker()
    broker.reserve()
    settings = {"EMOTION_EDGE_MQTT_DRAIN_SECONDS": "0"}
    with on_terminal("run", "--source", "scripted:happy=1", "--fast", "--mqtt", broker.url, **settings) as terminal:
        terminal.wait("waiting for the broker to acknowledge 2 event")
        terminal.process.send_signal(signal.SIGTERM)
        assert terminal.end() == 0
    assert re.search(
        r"2 event\(s\) are not acknowledged yet; they are kept in /\S+ for the next start\n", terminal.text
    )
    assert "the source has ended: 15 frames, 2 events; 2 kept on disk for the next start\n" in terminal.text


def test_watch_says_what_it_waits_for_and_what_may_be_wrong(broker):
    with on_terminal("watch", "--mqtt", broker.url, "--device", "cam") as terminal:
        terminal.wait(
            TIME + r"connected to the broker at 127.0.0.1:\d+; waiting for messages of the sensor cam; Ctrl-C"
        )
        terminal.wait(r"nothing on emotion-edge/cam/... within 5 s: no sensor with the id cam has published to this")
        terminal.press_ctrl_c()
        assert terminal.end() == 0
    assert "Traceback" not in terminal.text
