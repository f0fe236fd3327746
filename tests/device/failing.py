"""Checks of what goes wrong on a device: the process, the camera, the power."""

import time
from typing import Final

from support.faults import check

from .bench import UNIT, Bench, ensure

_KEPT_EVENTS: Final = 5
"""Events that must wait on the disk before the power is cut: more than one run of the script gives."""

_SYNC_SECONDS: Final = 10
"""The copy that was looked at may be of a commit that is still on its way to the disk."""


def killed(bench: Bench) -> str:
    """kill -9 brings it back."""
    return _comes_back(bench, "KILL", "status=9/KILL")


def hung(bench: Bench) -> str:
    """kill -STOP is caught by the watchdog."""
    return _comes_back(bench, "STOP", "Watchdog timeout")


def unplugged(bench: Bench) -> str:
    """The camera's module pulled and put back is survived."""
    device, outside = bench.device, bench.outside
    pid, mark = bench.show("MainPID"), outside.mark
    device.tell("echo vivid.0 >/sys/bus/platform/drivers/vivid/unbind")

    def known() -> bool:
        health = bench.health(mark)
        return health is not None and health["source"] in ("lost", "stalled")

    device.wait("the sensor says that its camera is gone", 120, known)

    def left() -> bool:
        state = outside.last("state", mark)
        return state is None or not state["present"]

    # The frame that was on its way is told of first.
    device.wait("nobody is in view of a camera that is gone", 5, left)
    # Succeeds only once nobody holds the device.
    device.wait("the module can be removed", 120, lambda: device.run("rmmod vivid").returncode == 0)
    mark = outside.mark
    device.tell("modprobe vivid")
    bench.wait_for_health(mark, "ok")
    took = bench.wait_for_event(outside.mark)
    ensure(bench.show("MainPID") == pid, "it was started anew, instead of opening the camera again")
    return (
        f"opened again {bench.health(mark)['source_reopened']} time(s) by the same process, an event after {took:.0f} s"
    )


def power_cut(bench: Bench) -> str:
    """A power cut loses no event that was acknowledged, and it boots clean."""
    device, outside = bench.device, bench.outside
    bench.wait_for_event(outside.mark)
    mark = outside.mark
    device.power_cut()
    device.wait("the broker says 'offline' for it", 120, lambda: outside.said("offline", mark))
    before, mark = outside.heard(), outside.mark
    device.start()
    remark = bench.boot_is_clean()
    bench.wait_for_event(mark)
    check(outside.witness.arrivals, before)
    return f"{remark}; {sum(before.values())} events of {len(before)} starts until then, none missing"


def power_cut_alone(bench: Bench) -> str:
    """A power cut while the broker is away loses no event that was on the disk."""
    device, outside = bench.device, bench.outside
    before = outside.heard()
    outside.broker.stop()
    kept: list[tuple[str, int]] = []

    def enough() -> bool:
        kept[:] = bench.outbox()
        return len(kept) >= _KEPT_EVENTS

    waited = device.wait(f"{_KEPT_EVENTS} events wait on the disk", 900, enough)
    time.sleep(_SYNC_SECONDS)
    device.power_cut()
    device.start()
    remark = bench.boot_is_clean()
    ensure(bench.show("ActiveState") == "active", "the service is not active without its broker")
    outside.broker.start()
    accepted = before | {boot: max(seq, before.get(boot, 0)) for boot, seq in kept}

    def arrived() -> bool:
        heard = outside.heard()
        return all(heard.get(boot, 0) >= seq for boot, seq in accepted.items())

    device.wait("all of them have come", 180, arrived)
    arrivals = outside.witness.arrivals
    check(arrivals, accepted)
    unmarked = set(kept) - {(arrival.boot_id, arrival.seq) for arrival in arrivals if arrival.marked}
    ensure(not unmarked, f"not marked as replayed: {sorted(unmarked)}")
    return f"{remark}; the {len(kept)} events of {waited:.0f} s came, in order and marked as replayed"


def complete(bench: Bench) -> str:
    """Over all starts no event is missing, out of order, or repeated without a mark."""
    heard = bench.outside.heard()
    check(bench.outside.witness.arrivals, heard)
    code, findings = bench.outside.end_watch()
    ensure(code == 0, f"watch --verify gives {code}: {' / '.join(findings)}")
    return f"{sum(heard.values())} events of {len(heard)} starts; watch --verify agrees"


def _comes_back(bench: Bench, signal: str, in_the_journal: str) -> str:
    pid, restarts = bench.show("MainPID"), int(bench.show("NRestarts"))
    heard = bench.outside.heard()
    began = bench.device.tell("date +@%s")
    bench.device.tell(f"kill -{signal} {pid}")
    # Watchdog, a stop that a process cannot hear (TimeoutStopSec), a pause, and a start.
    took = bench.device.wait(
        "it was started anew and is READY",
        240,
        lambda: int(bench.show("NRestarts")) > restarts and bench.show("ActiveState") == "active",
    )
    ensure(bench.show("MainPID") not in (pid, "0"), "it has no new process")
    # Between it and the end are the stacks of all threads.
    said = bench.device.tell(f"journalctl -q -u {UNIT} --since {began} --no-pager -o cat")
    ensure(in_the_journal in said, f"the journal does not say '{in_the_journal}': {said[-2000:]}")
    bench.device.wait("an event of the new start comes", 300, lambda: bench.outside.heard().keys() - heard.keys())
    return f"READY again after {took:.0f} s"
