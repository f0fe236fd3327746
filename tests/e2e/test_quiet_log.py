"""The log of an outage in the whole program: camera and broker are away, and each is tried repeatedly."""

import http.server
import re
import signal
import threading
import time

import cv2

from support.held_port import HeldPort
from support.mqtt import wait_until
from support.program import start
from support.sources import numbered_picture

AWAY_SECONDS = 3.0
"""Some three attempts to connect, and two to open the camera."""


class Camera:
    """A network camera that streams JPEG images in one endless response. It keeps its port over a restart."""

    def __init__(self):
        self._held = HeldPort()
        self.port = self._held.number
        self.requests = 0

    def start(self):
        self.off = off = threading.Event()
        camera = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                camera.requests += 1
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                number = 0
                while not off.wait(0.05):
                    number += 1
                    image = cv2.imencode(".jpg", numbered_picture(number % 20))[1].tobytes()
                    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(image)}\r\n\r\n"
                    try:
                        self.wfile.write(head.encode() + image + b"\r\n")
                    except OSError:
                        return

            def log_message(self, *_arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def stop(self):
        self.off.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def test_outage_is_a_few_log_lines_whatever_the_number_of_attempts(broker, subscribe):
    camera = Camera()
    camera.start()
    subscriber = subscribe(broker)
    settings = {
        "EMOTION_EDGE_MQTT_RECONNECT_MAX_SECONDS": "1",
        "EMOTION_EDGE_HEALTH_INTERVAL_SECONDS": "0.5",
        "EMOTION_EDGE_BUDGET_PRIORITY": "normal",
        "EMOTION_EDGE_BUDGET_LATENCY_MS": "10000",
    }
    process = start("run", "--source", f"http://127.0.0.1:{camera.port}/", "--mqtt", broker.url, **settings)
    log = []
    reader = threading.Thread(target=lambda: log.extend(line.rstrip() for line in process.stderr))
    reader.start()
    try:
        subscriber.wait(lambda: any(seen.json["source"] == "ok" for seen in subscriber.of("health")))
        camera.stop()
        broker.stop()
        time.sleep(AWAY_SECONDS)
        camera.start()
        broker.start()
        wait_until(lambda: any("the source is back after" in line for line in log))
        wait_until(lambda: any(re.search(r"connected to the broker at .* after \d+ s", line) for line in log))
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
        reader.join()
        process.stdout.close()
        process.stderr.close()
        camera.stop()
    about_broker = [line for line in log if " the broker at " in line]
    about_source = [line for line in log if line not in about_broker and _is_about_source(line)]
    # Connected; lost; possibly one further reason; connected again.
    assert _levels(about_broker) in {"IWI", "IWWI"}, log
    # Lost; up to two further reasons; back.
    assert _levels(about_source) in {"WI", "WWI", "WWWI"}, log
    started, stopped = [line for line in log if line not in about_broker and line not in about_source]
    assert " sensor started: source http://127.0.0.1:" in started
    assert re.search(r" stopped by SIGTERM: \d+ frames, \d+ events?", stopped)
    assert len(log) == len(set(log))


def _is_about_source(line):
    return any(
        part in line for part in ("reopening is retried", "the source is still unavailable", "the source is back")
    )


def _levels(lines):
    return "".join("E" if " error: " in line else "W" if " warning: " in line else "I" for line in lines)
