"""`classify`, `config` and `doctor` as a person types them, each as a process of its own."""

import json
import os
import re

import cv2
import numpy as np
import pytest

from edge.capture.open import create_source
from edge.capture.source import SourceOptions
from edge.config.loader import load
from edge.config.schema import Config
from support import odd_pictures
from support.program import run
from support.sources import write_video

LOG_TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d "


@pytest.fixture
def photo(tmp_path):
    """An image file of the actor, happy."""
    source = create_source("scripted:happy=1?seed=2", SourceOptions())
    source.open()
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), source.read().luma)
    source.close()
    return path


def test_classify_prints_a_table(photo):
    result = run("classify", photo)
    assert result.returncode == 0, result.stderr
    assert "1 face" in result.stdout
    assert "happy" in result.stdout.splitlines()[-1]


def test_classify_prints_json_and_draws_the_boxes(photo, tmp_path):
    drawn = tmp_path / "drawn.png"
    result = run("classify", photo, "--json", "--annotate", drawn)
    assert result.returncode == 0, result.stderr
    (face,) = json.loads(result.stdout)["faces"]
    assert face["emotion"] == "happy"
    assert sum(face["probabilities"].values()) == pytest.approx(1, abs=0.001)
    before, after = cv2.imread(str(photo)), cv2.imread(str(drawn))
    assert before.shape == after.shape
    changed = np.argwhere((before != after).any(axis=2))
    width = before.shape[1]
    # The drawing lies around the box in the JSON.
    assert changed[:, 1].min() / width == pytest.approx(face["box"]["x"], abs=0.02)


def test_classify_of_an_image_without_a_face(tmp_path):
    path = tmp_path / "grey.png"
    cv2.imwrite(str(path), np.full((240, 320), 128, np.uint8))
    result = run("classify", path)
    assert result.returncode == 0
    assert "no face" in result.stdout


def test_classify_of_a_name_that_cannot_be_printed(photo, tmp_path):
    odd = tmp_path / os.fsdecode(b"odd\n\xe9.png")
    odd.write_bytes(photo.read_bytes())
    table = run("classify", odd, PYTHONIOENCODING="utf-8:strict")
    assert table.stdout.startswith(f"{tmp_path}/odd\\n\\udce9.png: 1 face\n"), table.stderr
    as_json = run("classify", odd, "--json", PYTHONIOENCODING="utf-8:strict")
    assert json.loads(as_json.stdout)["image"] == f"{tmp_path}/odd\n\\udce9.png"
    odd.write_bytes(b"")
    refused = run("classify", odd)
    assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 1)


def test_classify_annotates_one_image_of_a_known_format(photo, tmp_path):
    two = run("classify", photo, photo, "--annotate", tmp_path / "o.png")
    assert (two.returncode, "takes one image" in two.stderr) == (2, True)
    unknown = run("classify", photo, "--annotate", tmp_path / "o.nonsense")
    assert (unknown.returncode, "no image format" in unknown.stderr) == (2, True)


def test_classify_says_of_each_argument_that_is_no_picture_what_it_is(photo, tmp_path):
    clip = tmp_path / "clip.mp4"
    write_video(clip, 2)
    (tmp_path / "empty").mkdir()
    pattern = f"{tmp_path}/ph*.png"  # in quotes, or in a shell that does not expand it
    expected = {
        tmp_path / "no.jpg": f"{tmp_path}/no.jpg cannot be read: there is no such file in {tmp_path}",
        tmp_path / "no" / "a.jpg": f"there is no folder {tmp_path}/no",
        f"{tmp_path}/*.jpg": f"no file matches {tmp_path}/*.jpg",
        tmp_path / "empty": "No image in the folder",
        tmp_path: f"is a folder: name the images in it, as in {tmp_path}/*.png",
        clip: f"is a video, but classify takes pictures: `emotion-edge run --source {clip} --fast` reads it",
        "picamera:0": "picamera:0 is a camera, but classify takes picture files: `emotion-edge run --source",
        "0": "0 is a camera, but",
        "/dev/video7": "/dev/video7 is a camera, but",
        "scripted:": "scripted: is the built-in actor, but",
        "rtsp://me:s3cret-word@cam/x": "rtsp://***@cam/x is a network camera, but",
        "x" * 300: "File name too long",
    }
    result = run("classify", *expected, pattern)
    assert result.returncode == 1
    lines = result.stderr.splitlines()
    assert len(lines) == len(expected), result.stderr
    for line, part in zip(lines, expected.values(), strict=True):
        assert part in line
        assert "rtsp://..." not in line
        assert "s3cret" not in line
    assert f"{photo}: 1 face" in result.stdout


def test_output_of_config_show_can_be_loaded(tmp_path):
    result = run("config", "show", "--source", "0")
    assert result.returncode == 0, result.stderr
    path = tmp_path / "shown.toml"
    path.write_text(result.stdout, encoding="utf-8")
    shown = load(path, environ={})
    assert shown.source.uri == "0"
    assert shown.tracker == Config().tracker


def test_config_show_does_not_print_the_password():
    result = run(
        "config",
        "show",
        "--mqtt",
        "mqtt://127.0.0.1",
        EMOTION_EDGE_MQTT_USERNAME="sensor",
        EMOTION_EDGE_MQTT_PASSWORD="s3cret",
    )
    assert result.returncode == 0, result.stderr
    assert "s3cret" not in result.stdout + result.stderr
    assert "redacted" in result.stdout


def test_config_check_of_a_usable_configuration():
    result = run("config", "check")
    assert result.returncode == 0, result.stderr
    assert "can be used" in result.stdout


def test_doctor_checks_every_part(broker):
    result = run("doctor", "--source", "scripted:happy=1", "--mqtt", broker.url)
    lines = result.stdout.splitlines()
    assert result.returncode == 0, result.stdout + result.stderr
    parts = ["system", "priority", "interpreter", "model", "cascade", "source", "broker", "outbox"]
    assert [line.split()[1] for line in lines] == parts
    assert all(line.startswith("ok ") for line in lines)
    by_part = dict(zip(parts, lines, strict=True))
    assert "reads 7 of 7 test faces as what they show" in by_part["model"]
    assert "finds the face in the test picture, and the second cascade verifies it" in by_part["cascade"]
    assert "which is created at the first start" in by_part["outbox"]
    assert "priority" in by_part["priority"].partition("priority")[2]


def test_doctor_continues_after_a_failed_check(make_broker):
    broker = make_broker()
    broker.reserve()
    result = run("doctor", "--source", "v4l2:/dev/video99", "--mqtt", broker.url, EMOTION_EDGE_MODEL_NAME="tiny")
    assert result.returncode == 1
    failed = {line.split()[1] for line in result.stdout.splitlines() if line.startswith("FAIL")}
    assert failed == {"model", "source", "broker"}
    assert "Traceback" not in result.stderr


def test_classify_goes_on_after_bad_images_and_names_each(photo, tmp_path):
    """Of three bad files each has one line; what libpng writes about the damaged colour profile is not shown."""
    profile = tmp_path / "profile.png"
    profile.write_bytes(odd_pictures.with_damaged_colours(odd_pictures.png(odd_pictures.RAMP, 8, 0)))
    cut = tmp_path / "cut.png"
    cut.write_bytes(photo.read_bytes()[:20_000])
    heic = tmp_path / "phone.heic"
    heic.write_bytes(b"\0\0\0\x18ftypheic" + bytes(90))
    folder = tmp_path / "folder.png"
    folder.mkdir()
    result = run("classify", cut, photo, heic, folder, profile, tmp_path / "none.png", photo, "--json")
    assert result.returncode == 1
    shown = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(one["image"], len(one["faces"])) for one in shown] == [(str(photo), 1), (str(profile), 0), (str(photo), 1)]
    lines = result.stderr.splitlines()
    assert len(lines) == 4, result.stderr
    reasons = {cut: "cut off", heic: "HEIC", folder: "No image in the folder", tmp_path / "none.png": "no such file"}
    for line, (path, reason) in zip(lines, reasons.items(), strict=True):
        assert line.startswith("emotion-edge: ")
        assert str(path) in line
        assert reason in line


def test_classify_of_one_bad_image_draws_nothing(tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"\x89PNG\r\n\x1a\n")
    result = run("classify", bad, "--annotate", tmp_path / "out.png")
    assert result.returncode == 1
    assert not (tmp_path / "out.png").exists()


def test_run_shows_the_good_images_of_a_folder_and_fails_at_its_end(photo, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(9):
        (folder / f"{number}.png").write_bytes(photo.read_bytes())
    (folder / "0.png").write_bytes(odd_pictures.with_damaged_colours(photo.read_bytes()))
    (folder / "2.png").write_bytes(photo.read_bytes()[:20_000])
    settings = {"EMOTION_EDGE_SOURCE_FPS": "10"}
    result = run("run", "--source", folder, "--fast", **settings)
    assert result.returncode == 1
    events = [json.loads(line) for line in result.stdout.splitlines()]
    kinds = [event["type"] for event in events if "type" in event]
    assert kinds[0] == "face_appeared"
    assert kinds[-1] == "face_left"
    assert all(re.match(LOG_TIME, line) for line in result.stderr.splitlines()), result.stderr
    warnings = [line for line in result.stderr.splitlines() if re.match(LOG_TIME + "(warning|error): ", line)]
    assert len(warnings) == 2, result.stderr
    assert "2.png" in warnings[0]
    assert "1 of 9 images could not be read" in warnings[1]
    doctor = run("doctor", "--source", folder)
    assert doctor.returncode == 0
    assert all(re.match(LOG_TIME + "warning: .* it is left out$", line) for line in doctor.stderr.splitlines())
    for number in range(3, 9):
        (folder / f"{number}.png").unlink()
    warnings = [line for line in run("doctor", "--source", folder).stdout.splitlines() if line.startswith("warn")]
    assert any("1 of 3 images could not be read" in warning for warning in warnings)


def test_run_on_a_single_picture_says_why_no_face_can_appear(photo):
    result = run("run", "--source", photo, "--fast")
    assert result.returncode == 0
    assert result.stdout == ""
    assert "the source ended after 1 frame(s), and a face is announced once it was detected in 3" in result.stderr
