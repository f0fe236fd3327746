"""A camera changes the size of its picture while the whole program runs."""

import json
import time

import cv2
import numpy as np
import pytest

from support.http_camera import render_jpegs
from support.program import run
from support.scripted_camera import ScriptedCamera, answer

FPS = 20
FRAMES = 60


@pytest.fixture
def camera():
    """Serve someone who stays in view: at first in 640x480, then in 320x240."""
    large = render_jpegs("scripted:happy=9?seed=1", FRAMES)
    pictures = [cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE) for jpeg in large]
    small = [cv2.resize(picture, (320, 240), interpolation=cv2.INTER_AREA) for picture in pictures]
    parts = [*large, *(cv2.imencode(".jpg", picture)[1].tobytes() for picture in small)]

    def reply(_request, send):
        send(answer(kind="multipart/x-mixed-replace;boundary=frame", length=False))
        for jpeg in parts:
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            send(head.encode() + jpeg + b"\r\n")
            time.sleep(1 / FPS)

    served = ScriptedCamera(reply)
    yield served
    served.close()


def test_person_in_view_is_one_person_before_and_one_after_the_change(camera):
    result = run("run", "--source", f"http://127.0.0.1:{camera.port}/", "--max-frames", str(2 * FRAMES - 10))
    assert result.returncode == 0, result.stderr
    events = [json.loads(line) for line in result.stdout.splitlines()]
    sequence = [(event["type"], event["face"]["track"]) for event in events if event["type"] != "emotion_changed"]
    assert sequence == [("face_appeared", 1), ("face_left", 1), ("face_appeared", 2), ("face_left", 2)]
    boxes = [event["face"]["box"] for event in events]
    assert max(abs(box["width"] - boxes[0]["width"]) for box in boxes) < 0.1, "boxes are shares of their own picture"
    assert (
        result.stderr.count("the picture of the source is now 320x240 (was 640x480): every face is taken as new") == 1
    )
