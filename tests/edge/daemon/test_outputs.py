"""Covers what the outputs publish anew once the clock was set, and where the summary goes."""

import io
from collections.abc import Sequence

import pytest

from edge.config.schema import Config
from edge.daemon.outputs import Outputs
from edge.messages.payload_builder import PayloadBuilder
from edge.messages.payloads import StatePayload
from edge.messages.summary import PeriodSummary, SummaryPayload
from edge.preview.interface import NullPreview
from edge.sinks.jsonlines import JsonLinesSink
from edge.summary.recorder import Recorder
from support.mqtt import SettableClock, health, seconds_off


class StateSink(JsonLinesSink):
    """Keeps the states, as a broker keeps the last one."""

    def __init__(self) -> None:
        super().__init__(io.StringIO())
        self.states: list[StatePayload] = []

    def state(self, payload: StatePayload) -> None:
        self.states.append(payload)


class SummarySink(JsonLinesSink):
    """Keeps the summaries."""

    def __init__(self) -> None:
        super().__init__(io.StringIO())
        self.summaries: list[SummaryPayload] = []

    def summary(self, payload: SummaryPayload) -> None:
        self.summaries.append(payload)


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


class Page(NullPreview):
    """Keeps the hours that it is given. `wants_hours`: whether a page shows them."""

    def __init__(self, *, wants_hours: bool) -> None:
        self.wants_hours = wants_hours
        self.hours: Sequence[PeriodSummary] = ()

    def set_hours(self, hours: Sequence[PeriodSummary]) -> None:
        self.hours = hours


@pytest.mark.parametrize("page", [True, False])
def test_summary_goes_to_the_broker_and_its_hours_to_a_page(page: bool) -> None:  # noqa: FBT001
    sink, preview = SummarySink(), Page(wants_hours=page)
    payloads = PayloadBuilder("boot", ("happy",), {})
    recorder = Recorder(Config(), ("happy",), payloads.valence, None)
    outputs = Outputs(sink, preview, None, payloads, recorder=recorder)
    outputs.start(live=True)
    outputs.publish_summary()
    assert [one.day.visits for one in sink.summaries] == [0]
    assert len(preview.hours) == 24 * page
    outputs.finish_summary()
    assert len(sink.summaries) == 2


def test_file_that_is_played_faster_than_it_passes_has_no_summary() -> None:
    sink = SummarySink()
    payloads = PayloadBuilder("boot", ("happy",), {})
    outputs = Outputs(
        sink, NullPreview(), None, payloads, recorder=Recorder(Config(), ("happy",), payloads.valence, None)
    )
    outputs.start(live=False, real_time=False)
    outputs.count_time(looking=True)
    outputs.finish_summary()
    assert sink.summaries == []
