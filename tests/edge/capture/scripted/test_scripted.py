import contextlib
import itertools
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.capture.open import create_source
from edge.capture.scripted.renderer import Pose, Renderer, pose_at
from edge.capture.scripted.script import (
    EMOTIONS,
    MORPH_SECONDS,
    NO_ACTOR,
    TILT_PERIOD_SECONDS,
    Segment,
    parse_script,
    source_in_words,
)
from edge.capture.scripted.source import ScriptedSource
from edge.capture.scripted.sprite import ACTOR_PNG
from edge.capture.source import SourceOptions
from edge.daemon.actor_pictures import TEST_FACE
from edge.errors import SourceError
from support.sources import write_strip


@pytest.fixture(scope="module")
def strip(tmp_path_factory):
    return write_strip(tmp_path_factory.mktemp("actor") / "strip.png")


def read_frames(uri, strip, count=None):
    source = ScriptedSource(parse_script(uri), SourceOptions(), strip)
    source.open()
    frames = []
    while (count is None or len(frames) < count) and (frame := source.read()) is not None:
        frames.append(frame)
    source.close()
    return frames


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("scripted:", "the built-in actor"),
        ("Scripted:happy=1", "the built-in actor (Scripted:happy=1)"),
        ("v4l2:/dev/video0", "v4l2:/dev/video0"),
        ("clip.mp4", "clip.mp4"),
    ],
)
def test_no_text_ends_in_the_bare_name_of_the_actors_address(uri, words):
    assert source_in_words(uri) == words


def test_script_is_parsed():
    script = parse_script("scripted:neutral=3,happy=4.5,none=.5?seed=7&fps=10&loop=1")
    assert script.segments == (Segment("neutral", 0, 3), Segment("happy", 3, 7.5), Segment("none", 7.5, 8))
    assert (script.seed, script.fps, script.loop, script.frames) == (7, 10, True, 80)


def test_default_script_shows_six_changes_in_about_twenty_seconds():
    script = parse_script("scripted:")
    emotions = [segment.emotion for segment in script.segments]
    assert emotions[-1] == NO_ACTOR
    assert 18 <= script.duration_seconds <= 24
    assert len(emotions) - 2 >= 6
    assert len(set(emotions) - {NO_ACTOR}) >= 5
    assert all(earlier != later for earlier, later in itertools.pairwise(emotions))
    assert (script.fps, script.loop) == (15, False)


@pytest.mark.parametrize(
    ("uri", "named", "expected"),
    [
        ("scripted:joy=3", '"joy"', "angry, disgust"),
        ("scripted:Happy=3", '"Happy"', "happy"),
        ("scripted:happy=3,,sad=2", '""', "angry"),
        ("scripted:happy=3,", '""', "angry"),
        ("scripted:happy", 'happy for ""', "happy=3"),
        ("scripted:happy=", 'happy for ""', "happy=3"),
        ("scripted:happy=x", 'happy for "x"', "above 0"),
        ("scripted:happy=-3", 'happy for "-3"', "above 0"),
        ("scripted:happy=0", 'happy for "0"', "above 0"),
        ("scripted:happy=nan", 'happy for "nan"', "above 0"),
        ("scripted:happy=1e9", 'happy for "1e9"', "above 0"),
        ("scripted:happy=99999", "99999 seconds", "at most 86400"),
        ("scripted:happy=3?speed=2", '"speed"', "seed, fps, loop, tilt"),
        ("scripted:happy=3?fps=0", 'fps="0"', "from 1 to 120"),
        ("scripted:happy=3?fps=x", 'fps="x"', "from 1 to 120"),
        ("scripted:happy=3?seed=-1", 'seed="-1"', "whole number"),
        ("scripted:happy=3?seed=1.5", 'seed="1.5"', "whole number"),
        ("scripted:happy=3?seed=9999999999", 'seed="9999999999"', "4294967295"),
        ("scripted:happy=3?loop=2", 'loop="2"', "without end"),
        ("scripted:happy=3?tilt=", 'tilt=""', "an angle from -90 to 90 degrees, as in 30, or two, as in -45..45"),
        ("scripted:happy=3?tilt=left", 'tilt="left"', "from -90 to 90 degrees"),
        ("scripted:happy=3?tilt=91", 'tilt="91"', "from -90 to 90 degrees"),
        ("scripted:happy=3?tilt=--5", 'tilt="--5"', "from -90 to 90 degrees"),
        ("scripted:happy=3?tilt=-45..", 'tilt="-45.."', "as in -45..45"),
        ("scripted:happy=3?tilt=-45..100", 'tilt="-45..100"', "from -90 to 90 degrees"),
        ("scripted:happy=3?tilt=-45..0..45", 'tilt="-45..0..45"', "as in -45..45"),
        ("scripted:happy=3?tilt=-45-45", 'tilt="-45-45"', "as in -45..45"),
        ("scripted:happy=3?fps=5&fps=6", '"fps" twice', "once"),
    ],
)
def test_error_in_a_script_is_one_sentence(uri, named, expected):
    with pytest.raises(SourceError) as caught:
        create_source(uri, SourceOptions())
    assert named in str(caught.value)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


PARTS = st.lists(st.tuples(st.sampled_from((*EMOTIONS, NO_ACTOR)), st.integers(1, 4000)), min_size=1, max_size=9)


@given(PARTS, st.integers(0, 2**32 - 1), st.integers(1, 120), st.booleans())
def test_any_valid_script_is_parsed_to_its_segments(parts, seed, fps, loop):
    body = ",".join(f"{emotion}={hundredths / 100}" for emotion, hundredths in parts)
    script = parse_script(f"scripted:{body}?seed={seed}&fps={fps}&loop={loop:d}")
    assert [segment.emotion for segment in script.segments] == [emotion for emotion, _ in parts]
    assert script.segments[0].start_seconds == 0
    for earlier, later in itertools.pairwise(script.segments):
        assert earlier.end_seconds == later.start_seconds
    assert script.duration_seconds == pytest.approx(sum(hundredths for _, hundredths in parts) / 100)
    assert (script.seed, script.fps, script.loop) == (seed, fps, loop)
    for index, segment in enumerate(script.segments):
        assert script.index_at(segment.start_seconds) == index


@given(st.text(max_size=40))
def test_any_text_is_parsed_or_refused_with_source_error(text):
    with contextlib.suppress(SourceError):
        assert parse_script("scripted:" + text).duration_seconds > 0


@given(PARTS, st.floats(0, 400))
def test_pose_is_in_range_and_settles_after_the_morph(parts, seconds):
    script = parse_script("scripted:" + ",".join(f"{emotion}={hundredths / 100}" for emotion, hundredths in parts))
    segment = script.segments[script.index_at(seconds)]
    pose = pose_at(script, seconds)
    assert 0 <= pose.mix <= 256
    assert 0 <= pose.opacity <= 256
    if seconds >= segment.start_seconds + MORPH_SECONDS:
        assert pose.opacity == (0 if segment.emotion == NO_ACTOR else 256)
        if segment.emotion != NO_ACTOR:
            assert (pose.emotion, pose.mix) == (segment.emotion, 256)


def test_emotions_and_presence_change_smoothly():
    script = parse_script("scripted:neutral=1,happy=1,none=1,sad=1")
    assert pose_at(script, 0) == Pose("neutral", "neutral", 0, 256)
    assert pose_at(script, 1) == Pose("neutral", "happy", 0, 256)
    assert pose_at(script, 1 + MORPH_SECONDS / 2) == Pose("neutral", "happy", 128, 256)
    assert pose_at(script, 2) == Pose("happy", "happy", 256, 256)
    assert pose_at(script, 2 + MORPH_SECONDS / 2).opacity == 128
    assert pose_at(script, 3) == Pose("sad", "sad", 256, 0)
    assert pose_at(script, 0, repeated=True) == Pose("sad", "neutral", 0, 256)


SUMS = [874600395, 3856043194, 1206549951, 2206770703, 4231418617, 290375953, 3834210548, 1116724490]


def test_pixels_are_the_same_everywhere(strip):
    """The sums were computed once: another processor, numpy or OpenCV must give the same."""
    sums = [zlib.crc32(frame.luma) for frame in read_frames("scripted:fear=0.4,happy=0.6,none=0.6?fps=5&seed=3", strip)]
    assert sums == SUMS


def test_seed_determines_the_pixels(strip):
    first, again, other = (read_frames(f"scripted:happy=1?seed={seed}", strip, 2) for seed in (1, 1, 2))
    assert np.array_equal(first[1].luma, again[1].luma)
    assert (first[1].luma != other[1].luma).mean() > 0.5


ANGLES = st.integers(-900, 900).map(lambda tenths: tenths / 10)


@given(ANGLES, ANGLES)
def test_any_tilt_is_parsed_and_moves_between_its_angles(first, second):
    assert parse_script(f"scripted:happy=3?tilt={first}").tilt_at(1.7) == first
    script = parse_script(f"scripted:happy=3?tilt={first}..{second}")
    period = TILT_PERIOD_SECONDS
    times = (0, period / 2, period, 1.5 * period)
    assert [script.tilt_at(seconds) for seconds in times] == pytest.approx([first, second, first, second])
    tilts = np.array([script.tilt_at(number / 20) for number in range(200)])
    assert min(first, second) - 1e-9 <= tilts.min() <= tilts.max() <= max(first, second) + 1e-9
    assert np.abs(np.diff(tilts)).max() * 20 <= abs(second - first) * 4 / period + 1e-9


def test_script_without_a_tilt_is_upright():
    assert parse_script("scripted:happy=3").tilt_at(2.0) == 0


TILTED_SUMS = [3769809371, 3378959733, 1756890733, 1464478849, 2883892995, 2088850587, 556270981, 795413838, 1515739512]


def test_pixels_of_a_tilted_head_are_the_same_everywhere(strip):
    """The sums were computed once: another processor, numpy or OpenCV must give the same."""
    frames = read_frames("scripted:fear=0.4,happy=0.8,none=0.6?fps=5&seed=3&tilt=-60..35", strip)
    assert [zlib.crc32(frame.luma) for frame in frames] == TILTED_SUMS


@pytest.mark.parametrize("tilt", [-90, -45, 20, 45, 90])
def test_tilted_head_turned_back_about_the_neck_is_the_upright_one(tilt):
    """The shoulders stay where they are."""
    pose, renderer = Pose("happy", "happy", 256, 256), Renderer(1)
    upright, tilted = (renderer.draw(pose, 0, 15.0, degrees).astype(np.float32) for degrees in (0.0, tilt))
    assert np.array_equal(upright[420:], tilted[420:])
    neck = TEST_FACE.centre[0], TEST_FACE.centre[1] + 0.45 * TEST_FACE.width  # to some pixels
    back = cv2.warpAffine(tilted, cv2.getRotationMatrix2D(neck, tilt, 1.0), upright.shape[::-1])  # anticlockwise
    left, top = 245, 150
    likeness = cv2.matchTemplate(back, upright[top:270, left:360], cv2.TM_CCOEFF_NORMED)
    _, best, _, (x, y) = cv2.minMaxLoc(likeness)
    assert best > 0.95
    assert abs(x - left) + abs(y - top) < 40


def test_noise_has_the_strength_of_a_sensors(strip):
    one, two = (frame.luma.astype(int) for frame in read_frames("scripted:none=1", strip, 2))
    assert 3 < (two - one).std() < 6
    assert abs((two - one).mean()) < 0.1


def test_frames_have_the_scripts_rate_and_length(strip):
    frames = read_frames("scripted:happy=0.5,none=0.5?fps=10", strip)
    assert [frame.number for frame in frames] == list(range(10))
    assert [frame.seconds for frame in frames] == pytest.approx([number / 10 for number in range(10)])


def test_loop_continues_after_the_last_segment(strip):
    frames = read_frames("scripted:happy=0.2,none=0.2?fps=10&loop=1", strip, 11)
    assert [frame.number for frame in frames] == list(range(11))
    assert frames[-1].seconds == pytest.approx(1.0)


@pytest.mark.parametrize("content", [None, b"", b"not an image", "small"])
def test_error_names_the_missing_or_damaged_actor_image(tmp_path, content):
    path = tmp_path / "actor.png"
    if content == "small":
        cv2.imwrite(str(path), np.zeros((48, 48), np.uint8))
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceError, match=r"actor\.png.*336x48"):
        Renderer(1, path)


@pytest.fixture(scope="module")
def cascade():
    folder = getattr(getattr(cv2, "data", None), "haarcascades", "/usr/share/opencv4/haarcascades/")
    loaded = cv2.CascadeClassifier(folder + "haarcascade_frontalface_default.xml")
    if loaded.empty():
        pytest.skip(f"no cascade in {folder}")
    return loaded


def faces_in(cascade, luma):
    return cascade.detectMultiScale(luma, 1.1, 5, minSize=(80, 80))


def test_cascade_finds_the_actor_and_no_other_face(cascade):
    if not ACTOR_PNG.exists():
        pytest.skip(f"{ACTOR_PNG.name} is made by emotion-convert and is not there yet")
    body = ",".join(f"{emotion}=1" for emotion in EMOTIONS)
    script = parse_script(f"scripted:{body},none=1?fps=4")
    for frame in read_frames(script.uri, ACTOR_PNG):
        found = faces_in(cascade, frame.luma)
        pose = pose_at(script, frame.seconds)
        if pose.opacity == 0:
            assert len(found) == 0
        elif pose.opacity == 256:
            ((x, y, width, height),) = found
            assert 150 <= width <= 260
            assert abs(x + width / 2 - 320) < 60
            assert abs(y + height / 2 - 205) < 40


@pytest.mark.parametrize("seed", range(1, 9))
def test_cascade_finds_no_face_in_the_background(cascade, strip, seed):
    (frame,) = read_frames(f"scripted:none=1?seed={seed}", strip, 1)
    assert len(faces_in(cascade, frame.luma)) == 0
