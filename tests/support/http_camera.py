"""A network camera on the loopback: the scripted actor as Motion JPEG over HTTP, for whoever knows its password."""

import http.server
import itertools
import threading
import time

import cv2

from edge.capture.open import make_source
from edge.capture.source import SourceOptions

USER, PASSWORD = "viewer", "hunter2-of-the-camera"
FPS = 10
_LOOK_SECONDS = 60.0


def pictures(script, count):
    """Draw the first frames of a script; return them as JPEG."""
    source = make_source(script, SourceOptions())
    source.open()
    frames = (source.read() for _ in range(count))
    return [cv2.imencode(".jpg", frame.luma)[1].tobytes() for frame in frames if frame is not None]


class HttpCamera:
    """Serves pictures in a loop, each time from the first; counts who watches. While `away` nobody gets any."""

    def __init__(self, script="scripted:happy=3?seed=5", count=30):
        self.watchers = 0
        self.watched = 0
        self.away = False
        jpegs = pictures(script, count)
        camera = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                if camera.away:
                    self.send_error(503)
                    return
                camera.watchers += 1
                camera.watched += 1
                try:
                    self.send_response(200)
                    self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                    self.end_headers()
                    for jpeg in itertools.takewhile(lambda _: not camera.away, itertools.cycle(jpegs)):
                        head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                        self.wfile.write(head.encode() + jpeg + b"\r\n")
                        time.sleep(1 / FPS)
                except OSError:
                    pass  # nobody watches any more
                finally:
                    camera.watchers -= 1

            def log_message(self, format, *args):  # noqa: A002 - as above
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.uri = f"http://{USER}:{PASSWORD}@127.0.0.1:{self._server.server_port}/stream.mjpg"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(_LOOK_SECONDS)
