"""`emotion-edge fleet` on a real pseudo-terminal: paging, keys, live changes, and the terminal as it was afterwards."""

import contextlib

import pytest

from support.fleet import now_messages
from support.mqtt import Subscriber
from support.terminal import on_terminal


@pytest.fixture
def publish(broker):
    with contextlib.closing(Subscriber(broker.port)) as client:

        def send(name, published):
            for kind, payload in published.items():
                client.publish(f"emotion-edge/{name}/{kind}", payload, retain=True)

        for number in range(30):
            send(f"cam-{number}", now_messages())
        yield send


def names(screen):
    return [line.split()[0] for line in screen[3:-1] if line.strip()]


def test_watch_shows_what_changes_pages_filters_and_gives_the_terminal_back(broker, publish):
    with on_terminal("fleet", "--watch", "--mqtt", broker.url, size=(80, 14)) as terminal:
        screen = terminal.wait_screen(r"30 devices: 30 online, 0 stopped, 0 offline; none with problems")
        assert names(screen) == [f"cam-{number}" for number in range(10)]
        assert [line for line in screen if len(line) > 80] == []
        assert not terminal.echoes

        publish("cam-17", {"status": b"offline"})
        screen = terminal.wait_screen("29 online, 0 stopped, 1 offline; 1 with problems")
        assert names(screen)[0] == "cam-17"
        assert "offline, last heard" in screen[3]

        terminal.press(" ")
        terminal.wait_screen("11-20 of 30")
        terminal.press("\x1b[5~")
        terminal.wait_screen("1-10 of 30")
        terminal.resize(140, 40)
        screen = terminal.wait_screen("1-30 of 30")
        assert "model" in screen[2]
        terminal.press("/cam-2?\r")
        screen = terminal.wait_screen("1-10 of 10 .* only")
        assert names(screen) == [f"cam-{number}" for number in range(20, 30)]

        terminal.press("\x1b")
        terminal.wait_screen("1-30 of 30 .* q quit$")
        terminal.press("q")
        assert terminal.end() == 1
        assert terminal.raw.endswith("\x1b[?25h\x1b[?1049l")
        assert terminal.echoes


@pytest.mark.usefixtures("publish")
def test_more_devices_than_lines_are_paged_and_fewer_are_printed(broker):
    with on_terminal("fleet", "--mqtt", broker.url, size=(100, 20)) as terminal:
        terminal.wait_screen("1-16 of 30")
        terminal.press("n")
        terminal.wait_screen("15-30 of 30")
        terminal.press("q")
        assert terminal.end() == 0
    with on_terminal("fleet", "--mqtt", broker.url, "--filter", "cam-1?", size=(100, 20)) as terminal:
        assert terminal.end() == 0
    assert terminal.screens == []
    assert terminal.lines[-1] == "10 of 30 devices: 10 online, 0 stopped, 0 offline; none with problems"
    assert all(len(line) <= 100 for line in terminal.lines)


def test_ctrl_c_ends_the_screen_that_waits_for_a_broker_with_the_exit_code_of_what_is_shown(broker, publish):
    publish("cam-3", now_messages(throttled=True))
    with on_terminal("fleet", "--watch", "--mqtt", broker.url, size=(80, 24)) as terminal:
        terminal.wait_screen("1 with problems")
        broker.stop()
        terminal.wait_screen("the connection to the broker is lost")
        terminal.press("G")
        terminal.wait_screen("11-30 of 30")
        terminal.press_ctrl_c()
        assert terminal.end() == 1
        assert terminal.echoes
    assert "Traceback" not in terminal.text


def test_broker_that_cannot_be_reached_is_one_sentence_on_the_terminal_as_it_was():
    with on_terminal("fleet", "--watch", "--mqtt", "mqtt://127.0.0.1:1", size=(80, 24)) as terminal:
        assert terminal.end() == 1
    assert terminal.lines[-1].rpartition("\x1b[?1049l")[2].startswith("emotion-edge: ")
    assert "cannot be reached" in terminal.lines[-1]
