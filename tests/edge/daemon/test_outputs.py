"""Covers what the outputs publish anew once the clock was set."""

import io

from edge.daemon.outputs import Outputs
from edge.messages.payload_builder import PayloadBuilder
from edge.messages.payloads import StatePayload
from edge.preview.interface import NullPreview
from edge.sinks.jsonlines import JsonLinesSink
from support.mqtt import SettableClock, health, seconds_off


class StateSink(JsonLinesSink):
    """Keeps the states, as a broker keeps the last one."""

    def __init__(self) -> None:
        super().__init__(io.StringIO())
        self.states: list[StatePayload] = []

    def state(self, payload: StatePayload) -> None:
        self.states.append(payload)


def test_state_without_a_face_is_published_again_once_the_clock_was_set() -> None:
    """It is retained, and nothing else would replace it until a face appears."""
    clock = SettableClock(error_seconds=-1e8)
    sink = StateSink()
    outputs = Outputs(sink, NullPreview(), None, PayloadBuilder("boot", ("happy",), {}), clock.clock)
    outputs.publish_empty_state(paused=True)
    outputs.publish_health(health())
    assert len(sink.states) == 1
    assert seconds_off(sink.states[0].time) > 1e7
    clock.error_seconds = 0.0
    outputs.publish_health(health())
    assert seconds_off(sink.states[1].time) < 30
    assert (sink.states[1].paused, sink.states[1].present) == (True, False)
    outputs.publish_health(health())
    assert len(sink.states) == 2
