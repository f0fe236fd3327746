"""Serves what probes ask for, beside the page or without it: `/healthz` and `/metrics`."""

from collections.abc import Callable

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from edge.messages.payloads import HealthPayload
from edge.preview.auth import PreviewAccess
from edge.preview.feed import Feed
from edge.preview.healthz import HealthProbe
from edge.preview.metrics import Metrics
from edge.preview.middleware import SecurityMiddleware
from edge.preview.stream import Stream


class Probes:
    """Handlers of the probes. Neither answer holds a picture.

    `feed`, `stream`: what the metrics count. `health` returns the sensor's health now.
    """

    def __init__(self, probe: HealthProbe, feed: Feed, stream: Stream, health: Callable[[], HealthPayload]) -> None:
        self._probe, self._health = probe, health
        self._metrics = Metrics(feed, stream, health)

    def app(self, access: PreviewAccess) -> ASGIApp:
        """Return the ASGI application that serves nothing else, behind the security middleware."""
        return SecurityMiddleware(Starlette(routes=self.routes()), access)

    def routes(self) -> list[Route]:
        """Return the routes, for an application that serves more."""
        return [Route("/healthz", self.healthz), Route("/metrics", self.metrics)]

    async def healthz(self, _: Request) -> Response:
        """Answer a health probe."""
        status, content = self._probe.check(self._health())
        return Response(msgspec.json.encode(content), status, media_type="application/json")

    async def metrics(self, request: Request) -> Response:
        """Serve the metrics to Prometheus."""
        body, content_type = self._metrics.exposition(request.headers.get("accept", ""))
        return Response(body, headers={"Content-Type": content_type})
