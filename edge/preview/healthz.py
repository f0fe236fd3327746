"""Whether the sensor does its work, for a probe that asks from outside."""

import time
from typing import Any, Final

from edge.capture.reconnect import STALL_MARGIN_SECONDS
from edge.messages.payloads import HealthPayload
from edge.preview.feed import Feed

_FILE_SECONDS: Final = 60.0
"""Pictures may be shown as slowly as one in many seconds."""


class HealthProbe:
    """Says whether frames go through the line, or why none do."""

    def __init__(self, window: Feed, *, stall_seconds: float) -> None:
        self._window = window
        self._stall_seconds = stall_seconds
        self._began = time.monotonic()
        self.live = True

    def answer(self, health: HealthPayload) -> tuple[int, dict[str, Any]]:
        """Return an HTTP status, and what to say.

        200: a frame went through lately; the source is known to be away, and is being opened again; the
        sensor was paused; the source has ended. 503: the source gives frames, as far as is known, and
        none goes through.
        """
        recent = self._window.recent
        silent = time.monotonic() - (recent[-1].monotonic if recent else self._began)
        limit = self._stall_seconds + STALL_MARGIN_SECONDS if self.live else _FILE_SECONDS
        status, reason = "ok", None
        if health.paused:
            status = "paused"
        elif health.source in {"opening", "stalled", "lost"}:
            status, reason = "reconnecting", health.source_error
        elif health.source == "ended":
            status = "ended"
        elif silent > limit:
            status, reason = "stuck", f"no frame has gone through for {silent:.0f} s"
        said = {
            "status": status,
            "reason": reason,
            "seconds_since_frame": round(silent, 1) if recent else None,
            "source": health.source,
            "broker": health.broker,
        }
        return (503 if status == "stuck" else 200), said
