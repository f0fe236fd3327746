"""Checks of failures on a device: of the process, the camera and the power."""

import time
from typing import Final

from support.faults import check

from .light import is_lit
from .rig import UNIT, Rig, ensure

_KEPT_EVENTS: Final = 5
"""Events on the disk before the power is cut: more than one run of the script gives."""

_SYNC_SECONDS: Final = 10
"""Wait before the power cut: the copy that was read may hold a commit that has not reached the disk."""


def killed(rig: Rig) -> str:
    """The service restarts after kill -9."""
    return _comes_back(rig, "KILL", "status=9/KILL")


def hung(rig: Rig) -> str:
    """The watchdog restarts the service after kill -STOP."""
    return _comes_back(rig, "STOP", "Watchdog timeout")


def unplugged(rig: Rig) -> str:
    """The service survives that the camera is removed and returns."""
    device, observer = rig.device, rig.observer
    pid, position = rig.unit_property("MainPID"), observer.position
    device.run_checked("echo vivid.0 >/sys/bus/platform/drivers/vivid/unbind")

    def outage_reported() -> bool:
        health = rig.health(position)
        return health is not None and health["source"] in ("lost", "stalled")

    device.wait("health reports that the camera is gone", 120, outage_reported)

    def no_face_present() -> bool:
        state = observer.last("state", position)
        return state is None or not state["present"]

    # The frame in progress is published first.
    device.wait("no face is present without a camera", 5, no_face_present)
    # Succeeds only once no process has the device open.
    device.wait("the module can be removed", 120, lambda: device.run("rmmod vivid").returncode == 0)
    position = observer.position
    device.run_checked("modprobe vivid")
    rig.wait_for_health(position, "ok")
    took = rig.wait_for_event(observer.position)
    ensure(rig.unit_property("MainPID") == pid, "the service was restarted instead of reopening the camera")
    reopened = rig.health(position)["source_reopened"]
    return f"reopened {reopened} time(s) by the same process, an event after {took:.0f} s"


def power_cut(rig: Rig) -> str:
    """A power cut loses no acknowledged event, and the device boots without errors."""
    device, observer = rig.emulator, rig.observer
    rig.wait_for_event(observer.position)
    position = observer.position
    device.power_cut()
    device.wait("the broker publishes 'offline' for the device", 120, lambda: observer.status_seen("offline", position))
    before, position = observer.highest_seqs(), observer.position
    device.start()
    remark = rig.boot_is_clean()
    rig.wait_for_event(position)
    check(observer.witness.arrivals, before)
    ensure(is_lit(rig), "the light is off after the boot: its rule was not applied")
    return f"{remark}; {sum(before.values())} events of {len(before)} starts until then, none missing"


def power_cut_alone(rig: Rig) -> str:
    """A power cut while the broker is unavailable loses no event on the disk."""
    device, observer = rig.emulator, rig.observer
    before = observer.highest_seqs()
    observer.broker.stop()
    kept: list[tuple[str, int]] = []

    def enough() -> bool:
        kept[:] = rig.outbox_events()
        return len(kept) >= _KEPT_EVENTS

    waited = device.wait(f"{_KEPT_EVENTS} events wait on the disk", 900, enough)
    time.sleep(_SYNC_SECONDS)
    device.power_cut()
    device.start()
    remark = rig.boot_is_clean()
    ensure(rig.unit_property("ActiveState") == "active", "the service is not active without its broker")
    observer.broker.start()
    accepted = before | {boot: max(seq, before.get(boot, 0)) for boot, seq in kept}

    def arrived() -> bool:
        seqs = observer.highest_seqs()
        return all(seqs.get(boot, 0) >= seq for boot, seq in accepted.items())

    device.wait("all of them have arrived", 180, arrived)
    arrivals = observer.witness.arrivals
    check(arrivals, accepted)
    unmarked = set(kept) - {(arrival.boot_id, arrival.seq) for arrival in arrivals if arrival.marked}
    ensure(not unmarked, f"not marked as replayed: {sorted(unmarked)}")
    return f"{remark}; the {len(kept)} events of {waited:.0f} s arrived, in order and marked as replayed"


def complete(rig: Rig) -> str:
    """Over all starts no event is missing, out of order, or repeated without a mark."""
    seqs = rig.observer.highest_seqs()
    check(rig.observer.witness.arrivals, seqs)
    code, findings = rig.observer.end_watch()
    ensure(code == 0, f"watch --verify gives {code}: {' / '.join(findings)}")
    return f"{sum(seqs.values())} events of {len(seqs)} starts; watch --verify reports the same"


def _comes_back(rig: Rig, signal: str, in_the_journal: str) -> str:
    pid, restarts = rig.unit_property("MainPID"), int(rig.unit_property("NRestarts"))
    seqs = rig.observer.highest_seqs()
    began = rig.device.run_checked("date +@%s")
    rig.device.run_checked(f"kill -{signal} {pid}")
    # Watchdog timeout, a stop that the process does not receive (TimeoutStopSec), a delay, and a start.
    took = rig.device.wait(
        "the service was restarted and is READY",
        240,
        lambda: int(rig.unit_property("NRestarts")) > restarts and rig.unit_property("ActiveState") == "active",
    )
    ensure(rig.unit_property("MainPID") not in (pid, "0"), "the service has no new process")
    # The stacks of all threads follow the line.
    output = rig.device.run_checked(f"journalctl -q -u {UNIT} --since {began} --no-pager -o cat")
    ensure(in_the_journal in output, f"the journal does not hold '{in_the_journal}': {output[-2000:]}")
    rig.device.wait("an event of the new start arrives", 300, lambda: rig.observer.highest_seqs().keys() - seqs.keys())
    return f"READY again after {took:.0f} s"
