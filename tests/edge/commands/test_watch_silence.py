"""What `watch` says where nothing arrives."""

import math

from edge.commands.watch_silence import Silence
from support.mqtt import health


def test_first_silence_says_what_may_be_wrong_and_later_ones_that_it_lasts() -> None:
    silence = Silence("home/emotion", None, 100.0)
    assert silence.line(104.9) is None
    line = silence.line(105.0)
    assert line is not None
    assert line.startswith("nothing on home/emotion/+/... within 5 s: no sensor has published to this broker. Check ")
    assert "mqtt.base_topic is home/emotion" in line
    assert silence.line(119.9) is None
    assert silence.line(120.0) == "still nothing on home/emotion/+/... after 20 s"


def test_later_silence_says_what_each_device_does() -> None:
    silence = Silence("emotion-edge", None, 0.0)
    silence.received("b\n", health(faces=2, fps=12.0), retained=False)
    silence.received("a", "offline", retained=True)
    silence.received("c", health(), retained=True)
    silence.printed(1.0)
    assert silence.line(15.9) is None
    assert silence.line(16.0) == (
        "no new event; a: offline; b�: 12.0 frames a second, 2 faces in view; c: no health yet"
    )
    for number in range(9):
        silence.received(f"d{number}", "online", retained=False)
    assert str(silence.line(31.0)).endswith("; and 7 more")


def test_file_gets_the_first_explanation_and_no_signs_of_life() -> None:
    silence = Silence("emotion-edge", "cam", 0.0, quiet_seconds=math.inf)
    assert str(silence.line(5.0)).startswith("nothing on emotion-edge/cam/... within 5 s: no sensor with the id cam ")
    assert silence.line(1e9) is None
