"""Checks of what the installed service tells of its place: zones, valence, settings over MQTT and summaries."""

import csv
import io
import json
from typing import Any, Final

from edge.config.schema import Config

from .rig import CONFIG, UNIT, Rig, ensure

_IN, _OUT = "picture", "corner"
_SETTING: Final = "events.dwell_seconds"
_CONFIGURED: Final = Config().events.dwell_seconds
_SET: Final = _CONFIGURED + 0.25
_TABLES: Final = f"""
[zones]
{_IN} = [[0, 0], [1, 0], [1, 1], [0, 1]]
{_OUT} = [[0, 0], [0.05, 0], [0.05, 0.05]]

[requests]
settable = ["events"]
"""
"""A zone in which every face lies, and one in which none does, because the actor's face is wider than it."""
_SUMMARY: Final = (
    "env STATE_DIRECTORY=/var/lib/emotion-edge emotion-edge summary --config /etc/emotion-edge/config.toml"
)


def settings(rig: Rig) -> str:
    """A reload adds zones and lets requests set; what a request sets survives a stop and a start of the service."""
    device = rig.device
    position = rig.observer.position
    device.run_checked(f"printf '%s\\n' '{_TABLES}' >>{CONFIG} && systemctl reload {UNIT}")
    device.wait("info has the zones", 120, lambda: list(_info(rig, position).get("zones", ())) == [_IN, _OUT])
    before = _info(rig, position)
    ensure(before["settings"][_SETTING] == {"value": _CONFIGURED, "set": False}, f"settings: {before['settings']}")

    position = rig.observer.position
    rig.request("set", {"settings": {_SETTING: _SET}})
    device.wait("the request is answered", 60, lambda: rig.observer.last("response", position))
    answer = rig.observer.last("response", position)
    ensure(answer["status"] == "ok", answer["error"])
    device.run_checked(f"systemctl stop {UNIT}", 120)
    device.run_checked(f"systemctl start {UNIT}", 180)
    device.wait(
        "info of the new start", 120, lambda: _info(rig, position).get("boot_id") not in (None, before["boot_id"])
    )
    after = _info(rig, position)["settings"][_SETTING]
    ensure(after == {"value": _SET, "set": True}, f"after the start {_SETTING} is {after}")
    stored = json.loads(device.run_checked("cat /var/lib/private/emotion-edge/settings-*.json"))
    return f"{_SETTING} is {after['value']} after the start; the file has {stored['settings']}"


def summaries(rig: Rig) -> str:
    """Events carry zone and valence, and `emotion-edge summary` counts the visits that the events tell."""
    device, observer = rig.device, rig.observer
    device.run_checked(f"systemctl stop {UNIT}", 120)
    earlier = _total(rig)
    position = observer.position
    device.run_checked(f"systemctl start {UNIT}", 180)

    def valence_of(emotion: str) -> list[float]:
        # Without those of `face_left`, whose emotion may be an earlier one than that of the last reading.
        shown = [one for one in observer.events(position) if one["type"] != "face_left" and one["emotion"] == emotion]
        return [one["valence"] for one in shown if one["valence"] is not None]

    device.wait(
        "a face was happy and sad, and left",
        600,
        lambda: valence_of("happy") and valence_of("sad") and _count(rig, position, "face_left"),
    )
    device.run_checked(f"systemctl stop {UNIT}", 120)
    events, later = observer.events(position), _total(rig)
    table = device.run_checked(_SUMMARY, 120)
    device.run_checked(f"systemctl start {UNIT}", 180)

    zones = {tuple(one["face"]["zones"]) for one in events}
    ensure(zones == {(_IN,)}, f"the zones of the events are {zones}")
    happy, sad = valence_of("happy"), valence_of("sad")
    ensure(-1 <= max(sad) < 0 < min(happy) <= 1, f"valence of happy is {happy}, of sad {sad}")
    visits, appeared = later["visits"] - earlier["visits"], _count(rig, position, "face_appeared")
    ensure(visits == appeared, f"the summary has {visits:g} visits more, but {appeared} faces appeared")
    present = later["present_seconds"] - earlier["present_seconds"]
    ensure(0 < present <= later["looked_seconds"] - earlier["looked_seconds"], f"present for {present} s: {table}")
    rig.wait_for_health(observer.position, "ok")
    remark = f"{appeared} visit(s) of {present:.0f} s; valence {sad[0]:+.2f} (sad), {happy[0]:+.2f} (happy)"
    return f"{remark}; {' / '.join(table.splitlines())}"


def _info(rig: Rig, since: int) -> dict[str, Any]:
    found = rig.observer.last("info", since)
    return found if isinstance(found, dict) else {}


def _count(rig: Rig, since: int, kind: str) -> int:
    return sum(event["type"] == kind for event in rig.observer.events(since))


def _total(rig: Rig) -> dict[str, float]:
    """Return the sums of all hours that the device's file has. Without a file the command fails, and this with it."""
    rig.device.run_checked(f"{_SUMMARY} --days 2 --by hour --csv /run/summary.csv", 120)
    rows = list(csv.DictReader(io.StringIO(rig.device.run_checked("cat /run/summary.csv"))))
    return {key: sum(float(row[key]) for row in rows) for key in ("visits", "present_seconds", "looked_seconds")}
