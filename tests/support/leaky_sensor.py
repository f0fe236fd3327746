"""The real program with a sabotage: it leaks images to every possible place, to test the search for them."""

import base64
import logging
import os
import socket
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from msgspec import structs

import edge.mqtt.connection
import edge.vision.pipeline
from edge.cli import main
from edge.messages.payload_builder import PayloadBuilder

LEAKED = 20
"""Number of the frame that is leaked."""

_step = edge.vision.pipeline.Pipeline.step
_event = PayloadBuilder.event
_publish = edge.mqtt.connection.Connection.publish
outlets = []
last = leaked = np.zeros((1, 1), np.uint8)


def step(self, frame):
    """Leak the frame to disk, shared memory and log."""
    global last, leaked  # noqa: PLW0603 - sabotage
    last = frame.luma
    if frame.number == LEAKED:
        leaked = frame.luma
        jpeg = cv2.imencode(".jpg", frame.luma)[1].tobytes()
        logging.getLogger("edge.vision.pipeline").debug("frame %s", base64.b64encode(jpeg).decode())
        outlets.append(tempfile.TemporaryFile(dir="/dev/shm"))  # noqa: SIM115 - it stays open
        outlets.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        outlets[-1].connect(("127.0.0.1", 9))
        Path("frame.npy").write_bytes(frame.luma.tobytes())
        Path(os.environ["XDG_STATE_HOME"], "last.jpg").write_bytes(jpeg)
        with tempfile.NamedTemporaryFile(delete=False) as file:
            file.write(cv2.imencode(".webp", frame.luma)[1].tobytes())
    return _step(self, frame)


def event(self, decided):
    """Leak a small image into the event, and with it into the outbox."""
    small = cv2.resize(last, (32, 32))
    text = base64.b64encode(cv2.imencode(".png", small)[1].tobytes()).decode()
    return structs.replace(_event(self, decided), emotion=text)


def publish(self, message):
    """Leak a row of raw pixels of that frame behind a payload."""
    if message.topic.endswith("/health"):
        message = replace(message, payload=message.payload + leaked[len(leaked) // 2].tobytes())
    return _publish(self, message)


if __name__ == "__main__":
    edge.vision.pipeline.Pipeline.step = step
    PayloadBuilder.event = event
    edge.mqtt.connection.Connection.publish = publish
    sys.exit(main())
