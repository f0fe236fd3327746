"""The scripted actor with a tilted head, through source, detector, tracker and classifier."""

import functools

import numpy as np
import pytest

from edge.capture.open import create_source
from edge.capture.scripted.script import EMOTIONS, parse_script
from edge.capture.source import SourceOptions
from edge.config.schema import Config
from edge.types import EventKind
from edge.vision.classification.classifier import Classifier
from edge.vision.classification.manifest import find_model
from edge.vision.detection.detector import Detector
from edge.vision.pipeline import Pipeline

SETTLED_SECONDS = 1.0
FPS = 12


@functools.cache
def parts():
    return Detector(Config().detector), Classifier(find_model("normal"))


def play(uri):
    """Return the events of a script, and in each frame its time and the faces in view."""
    detector, classifier = parts()
    pipeline, source = Pipeline(Config(), detector, classifier), create_source(uri, SourceOptions())
    source.open()
    results = []
    while (frame := source.read()) is not None:
        results.append(pipeline.step(frame))
    events = [event for result in results for event in result.events]
    assert [event.kind for event in pipeline.finish()] == [EventKind.FACE_LEFT], "one track"
    return events, [(result.frame.seconds, result.faces) for result in results]


@pytest.mark.parametrize(("tilt", "most_seconds"), [(0, 0.4), (-45, 1.0), (-30, 1.0), (30, 1.0), (45, 1.0)])
def test_tilted_actor_is_announced_with_the_roll(tilt, most_seconds):
    events, frames = play(f"scripted:happy=2?fps={FPS}&tilt={tilt}")
    (appeared,) = events
    assert (appeared.kind, appeared.face.label) == (EventKind.FACE_APPEARED, "happy")
    assert appeared.frame.seconds <= most_seconds
    rolls = [face.roll_degrees for seconds, faces in frames for face in faces if seconds >= SETTLED_SECONDS]
    assert len(rolls) >= FPS - 1
    assert np.quantile(np.abs(np.array(rolls) - tilt), 0.9) <= 10


def test_actor_who_tilts_to_and_fro_keeps_one_track_and_shows_every_emotion():
    uri = f"scripted:{','.join(f'{emotion}=1.7' for emotion in EMOTIONS)}?fps={FPS}&tilt=-45..45"
    events, frames = play(uri)
    assert [event.kind for event in events] == [EventKind.FACE_APPEARED] + [EventKind.EMOTION_CHANGED] * 6
    assert [event.face.label for event in events] == list(EMOTIONS)
    assert {face.track_id for _, faces in frames for face in faces} == {1}
    script = parse_script(uri)
    errors = [abs(face.roll_degrees - script.tilt_at(seconds)) for seconds, faces in frames for face in faces]
    assert len(errors) >= 0.95 * (len(frames) - FPS)
    assert np.mean(errors) <= 15, "the roll follows half a second behind, at up to 45 degrees a second"
