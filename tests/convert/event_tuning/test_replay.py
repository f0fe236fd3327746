"""Replays of recorded tracks, against the pipeline's own events."""

import itertools

import numpy as np
import pytest

pytest.importorskip("ai_edge_litert", reason="the model is run by ai-edge-litert")

from convert.event_tuning import scenes
from convert.event_tuning.ground_truth import TrueExpression
from convert.event_tuning.replay import RecordedTrack, replay, scheduled, smoothed
from edge.config.schema import Config, EventsConfig
from edge.types import EventKind, Frame
from edge.vision.detection.detector import Detector
from edge.vision.pipeline import Pipeline
from support.brief_scene import BRIEF

LABELS = ("happy", "neutral", "sad")
TRUTH = (TrueExpression("neutral", 0.0), TrueExpression("happy", 4.0), TrueExpression("sad", 8.0))


def test_replay_gives_the_events_of_the_pipeline(classifier):
    pipeline = Pipeline(Config(), Detector(Config().detector), classifier)
    events = [
        event
        for number, (seconds, image) in enumerate(scenes.render_frames(BRIEF))
        if number % 2 == 0
        for event in pipeline.step(Frame(number, seconds, image, 0.0, 0.0)).events
    ]
    (track,) = scenes.record_scene(BRIEF, itertools.islice(scenes.render_frames(BRIEF), 0, None, 2), classifier)
    unknown_below = classifier.manifest.thresholds.unknown_below
    on_device = scheduled(track, classifier.labels, EventsConfig(), unknown_below)
    assert on_device.classified.sum() < track.classified.sum()
    announced = replay(on_device, classifier.labels, EventsConfig(), unknown_below)
    assert announced == [(event.frame.seconds, event.face.label) for event in events]
    assert [event.kind for event in events] == [EventKind.FACE_APPEARED, EventKind.EMOTION_CHANGED]


def noisy_track():
    rng = np.random.default_rng(4)
    predictions = rng.dirichlet((0.6, 0.6, 0.6), 200).astype(np.float32)
    predictions[60:140] = predictions[60:140] * 0.4 + np.float32([0.6, 0, 0])
    classified = rng.random(200) > 0.1
    classified[:5] = True
    return RecordedTrack("noise", TRUTH, np.arange(200) / 12.5, predictions, classified, 4)


def test_smoothing_beforehand_gives_the_same_events():
    track = noisy_track()
    config = EventsConfig(smoothing_seconds=0.3, dwell_seconds=0.3, margin=0.05)
    unsmoothed = EventsConfig(smoothing_seconds=0.0, dwell_seconds=0.3, margin=0.05)
    events = replay(track, LABELS, config, 0.4)
    assert len(events) > 3
    assert replay(smoothed(track, LABELS, 0.3), LABELS, unsmoothed, 0.4) == events
