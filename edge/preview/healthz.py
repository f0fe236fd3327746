"""Decides what `/healthz` answers: whether frames go through the pipeline, or why none do."""

import time
from collections.abc import Callable
from typing import Any, Final

from edge.capture.reconnect import STALL_MARGIN_SECONDS
from edge.frame_rate import MIN_FRAMES
from edge.messages.payloads import HealthPayload
from edge.preview.feed import Feed

_FILE_SECONDS: Final = 60.0
"""Limit without a frame for sources that are no cameras: a folder of pictures may show one in many seconds. Where three
of its frames take longer, that."""


class HealthProbe:
    """Answers health probes.

    `stall_seconds`: time without a frame after which a camera counts as stalled, where health has none. `live`: the
    source is a camera. `clock`: as `time.monotonic`.
    """

    def __init__(self, feed: Feed, *, stall_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._feed = feed
        self._stall_seconds = stall_seconds
        self._clock = clock
        self._began = clock()
        self.live = True

    def check(self, health: HealthPayload) -> tuple[int, dict[str, Any]]:
        """Return an HTTP status and the content of the JSON answer.

        200: a frame went through within the limit, or there is a known reason why none did: the source is being
        reopened, capture is paused, the source has ended. 503: frames should arrive, and none goes through.
        """
        timings = self._feed.timings
        silent_seconds = self._clock() - (timings[-1].monotonic if timings else self._began)
        limit = (health.source_stall_seconds or self._stall_seconds) + STALL_MARGIN_SECONDS
        if not self.live:
            limit = max(_FILE_SECONDS, MIN_FRAMES / health.source_fps if health.source_fps else 0.0)
        status, reason = "ok", None
        if health.paused:
            status = "paused"
        elif health.source in {"opening", "stalled", "lost"}:
            status, reason = "reconnecting", health.source_error
        elif health.source == "ended":
            status = "ended"
        elif silent_seconds > limit:
            status, reason = "stuck", f"no frame has gone through for {silent_seconds:.0f} s"
        content = {
            "status": status,
            "reason": reason,
            "seconds_since_frame": round(silent_seconds, 1) if timings else None,
            "source": health.source,
            "broker": health.broker,
        }
        return (503 if status == "stuck" else 200), content
