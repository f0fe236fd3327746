"""Devices with made-up messages, for the tests of `emotion-edge fleet`."""

import time
from typing import Any

from msgspec import structs

from edge.commands.fleet.devices import Device, Fleet
from edge.messages.payload_builder import timestamp
from edge.messages.payloads import LatencyPercentiles, Payload, encode
from edge.messages.topics import Kind
from support.mqtt import health, info, state

NOW_UNIX = 1_800_000_000.0


def running(now_unix: float = NOW_UNIX, **changes: Any) -> Payload:
    """Return the health of a device that does well; `changes` of it."""
    usual = {
        "time": timestamp(now_unix - 2.0),
        "uptime_seconds": 7200.0,
        "fps": 14.9,
        "latency_ms": LatencyPercentiles(p50=20.0, p95=31.0, p99=38.0, max=44.0),
        "within_budget": True,
        "temperature_c": 52.0,
    }
    return health(**(usual | changes))


def messages(now_unix: float = NOW_UNIX, status: str = "online", **changes: Any) -> dict[Kind, bytes]:
    """Return what a device publishes; `changes` of its health, and of its info where they begin with `info_`."""
    of_info = {key.removeprefix("info_"): value for key, value in changes.items() if key.startswith("info_")}
    of_health = {key: value for key, value in changes.items() if not key.startswith("info_")}
    described = structs.replace(info(), **({"version": "0.3.0", "health_interval_seconds": 10.0} | of_info))
    return {
        "status": status.encode(),
        "info": encode(described),
        "health": encode(running(now_unix, **of_health)),
        "state": encode(structs.replace(state(), time=timestamp(now_unix - 1.0))),
    }


def device(name: str = "cam", status: str = "online", **changes: Any) -> Device:
    """Return a device of which the broker had kept all messages."""
    fleet = Fleet()
    made = None
    for kind, payload in messages(status=status, **changes).items():
        made = fleet.take(name, kind, payload, NOW_UNIX, retained=True)
    assert made is not None
    return made


def now_messages(status: str = "online", **changes: Any) -> dict[Kind, bytes]:
    """Return what a device publishes just now."""
    return messages(time.time(), status, **changes)
