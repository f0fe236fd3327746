"""A network camera on the loopback interface: serves the scripted actor as Motion JPEG over HTTP."""

import http.server
import itertools
import threading
import time

import cv2

from edge.capture.open import create_source
from edge.capture.source import SourceOptions

USER, PASSWORD = "viewer", "hunter2-of-the-camera"
FPS = 10
_JOIN_SECONDS = 60.0


def render_jpegs(script, count):
    """Return the first frames of a script as JPEG."""
    source = create_source(script, SourceOptions())
    source.open()
    frames = (source.read() for _ in range(count))
    return [cv2.imencode(".jpg", frame.luma)[1].tobytes() for frame in frames if frame is not None]


class HttpCamera:
    """Serves a loop of images, to each client from the first one. While `away` it answers 503.

    `watchers` is the number of connected clients, `watched` that of all clients so far.
    """

    def __init__(self, script="scripted:happy=3?seed=5", count=30):
        self.watchers = 0
        self.watched = 0
        self.away = False
        jpegs = render_jpegs(script, count)
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
                    pass  # the client has disconnected
                finally:
                    camera.watchers -= 1

            def log_message(self, format, *args):  # noqa: A002 - the name that http.server uses
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.uri_with_secret_in_path = (
            f"http://127.0.0.1:{self._server.server_port}/user={USER}&password={PASSWORD}&channel=1"
        )
        self.uri = f"http://{USER}:{PASSWORD}@127.0.0.1:{self._server.server_port}/stream.mjpg"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(_JOIN_SECONDS)
