"""Areas that the page applies: who may, what is taken, and what is answered."""

import asyncio
import json
from concurrent.futures import Future
from typing import Any

import pytest
from starlette.requests import Request

from edge.config.mqtt_schema import RequestsConfig
from edge.control.handler import RequestHandler
from edge.control.pause_file import PauseFile
from edge.messages.response import ResponsePayload
from edge.messages.topics import Topics
from edge.preview.areas import AreaWriter
from support.preview import TOKEN

ZONES = {"door": [[0, 0], [1, 0], [1, 1]]}
JSON = {"Content_Type": "application/json"}
BEARER = {"Authorization": f"Bearer {TOKEN}"}


class Sensor:
    """Takes requests as the sensor does. `error`: what it answers."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.error: str | None = None

    def submit(self, name: str, fields: Any) -> "Future[ResponsePayload]":
        self.requests.append((name, fields))
        response: Future[ResponsePayload] = Future()
        status = "ok" if self.error is None else "error"
        response.set_result(
            ResponsePayload(
                time="2026-11-27T00:00:00.000Z",
                status=status,
                error=self.error,
                transaction=None,
                paused=False,
                health=None,
                config=None,
            )
        )
        return response


@pytest.fixture
def sensor() -> Sensor:
    return Sensor()


@pytest.fixture
def guarded(make_site, sensor, monkeypatch):
    """A page that needs the token."""
    monkeypatch.setenv("EMOTION_EDGE_PREVIEW_TOKEN", TOKEN)
    return make_site(server={"submit": sensor.submit})


def post(site: Any, content: Any, **headers: str) -> tuple[int, str | None]:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    answer = site.request("POST", "/areas", body, **(JSON | headers))
    return answer.status, answer.json["error"] if answer.body.startswith(b"{") else answer.body.decode()


def test_areas_are_applied_only_with_the_token(guarded, make_site, sensor, monkeypatch) -> None:
    assert post(guarded, {"set": {"zones": ZONES}}, **BEARER) == (200, None)
    assert post(guarded, {"reset": ["masks", "zones"]}, **BEARER) == (200, None)
    requests = [("set", {"settings": {"zones": ZONES}}), ("reset", {"keys": ["masks", "zones"]})]
    assert sensor.requests == requests
    assert post(guarded, {"set": {"zones": ZONES}})[0] == 401
    assert post(guarded, {"set": {"zones": ZONES}}, Authorization="Bearer 0000000000000000")[0] == 401
    # A page of another site, also with the cookie of a browser that is logged in.
    assert post(guarded, {"set": {"zones": ZONES}}, Origin="http://evil.example", **BEARER)[0] == 403
    assert post(guarded, {"set": {"zones": ZONES}}, Sec_Fetch_Site="cross-site", **BEARER)[0] == 403
    assert guarded.request("GET", "/areas", **BEARER).status == 405
    monkeypatch.delenv("EMOTION_EDGE_PREVIEW_TOKEN")
    open_site = make_site(server={"submit": sensor.submit})
    status, error = post(open_site, {"set": {"zones": ZONES}})
    assert status == 403
    assert error.startswith("Not applied: this page has no token")
    assert (open_site.stream.can_apply_areas, guarded.stream.can_apply_areas) == (False, True)
    assert sensor.requests == requests


def test_what_the_sensor_refuses_is_shown(guarded, sensor) -> None:
    sensor.error = "masks may not be set by a request: requests.settable in the configuration is empty"
    assert post(guarded, {"set": {"masks": {}}}, **BEARER) == (400, f"Not applied: {sensor.error}.")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"\xff", 400),
        (b"[" * 50_000, 400),
        (b"x" * 70_000, 413),
        ({}, 400),
        ({"set": {}}, 400),
        ({"set": []}, 400),
        ({"set": {"events.margin": 0.1}}, 400),
        ({"set": {"zones": ZONES, "labels": {}}}, 400),
        ({"set": {"zones": ZONES}, "reset": ["zones"]}, 400),
        ({"reset": []}, 400),
        ({"reset": ["events.margin"]}, 400),
        ({"reset": [["zones"]]}, 400),
    ],
)
def test_other_bodies_are_refused(guarded, sensor, body, status) -> None:
    found, error = post(guarded, body, **BEARER)
    assert found == status
    assert error.startswith("Not ")
    assert sensor.requests == []


def test_other_types_and_floods_are_refused(guarded, sensor) -> None:
    # A form of another site can send this type without asking.
    assert post(guarded, {"set": {"zones": {}}}, Content_Type="text/plain", **BEARER)[0] == 415
    statuses = [post(guarded, {"set": {"zones": {}}}, **BEARER)[0] for _ in range(8)]
    assert statuses[:5] == [200] * 5
    assert 429 in statuses[5:]
    assert len(sensor.requests) == statuses.count(200)


class Blocked:
    """A sensor that takes requests up only when it is told to."""

    paused = False

    def __init__(self) -> None:
        self.handler = RequestHandler(
            RequestsConfig(settable=["zones"]), Topics("emotion-edge", "cam"), PauseFile(None)
        )

    def take_up(self) -> None:
        self.handler.process_pending(self, self.handler.settings.config)

    def apply_settings(self, change: Any) -> Any:
        change.store()
        return change.config


def test_request_that_the_page_no_longer_waits_for_is_executed_all_the_same() -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": json.dumps({"set": {"zones": ZONES}}).encode(), "more_body": False}

    blocked = Blocked()
    writer = AreaWriter(blocked.handler.submit, has_token=True, answer_seconds=0.01)
    headers = [(b"content-type", b"application/json")]
    answer = asyncio.run(writer.handle(Request({"type": "http", "method": "POST", "headers": headers}, receive)))
    assert answer.status_code == 504
    assert json.loads(answer.body)["error"].startswith("The sensor has not answered yet")
    blocked.take_up()
    assert blocked.handler.settings.config.zones == {"door": [(0, 0), (1, 0), (1, 1)]}


def test_page_cannot_apply_where_the_sensor_takes_no_requests() -> None:
    assert not AreaWriter(None, has_token=True).can_apply
