"""Checks of the way in and the way out: boot, install, events, upgrade, removal."""

from .actor_frames import EMOTIONS
from .bench import CONFIG, CURRENT, INSTALL, UNIT, Bench, ensure
from .emulator import HOST, DeviceError

_DOCTOR_LINES = 6

_UNIT_SECONDS = {"TimeoutStartSec": 90, "WatchdogSec": 30}
"""The unit's own limits, which are for a Pi: here they are as much longer as everything else."""

_STRETCHED = """
[tracker]
lost_seconds = 10

[budget]
latency_ms = 10000

[detector]
min_face = 0.3
"""
"""For a processor that reads one or two frames a second, where a Pi reads fifteen and more.

A face that is missed once would have left, the ladder of the budget would be at its end at once, and the
search for small faces, of which the script has none, would take most of the time.
"""


def boots(bench: Bench) -> str:
    """The device boots."""
    bench.device.start()
    return bench.boot_is_clean()


def plays(bench: Bench) -> str:
    """The kernel's virtual camera plays the actor."""
    bench.device.tell("mount -o ro /dev/vdb /mnt && sh /mnt/setup", 300)
    bench.device.wait("the actor plays", 60, lambda: bench.device.run("systemctl is-active actor").returncode == 0)
    name = bench.device.tell("v4l2-ctl -d /dev/video0 --info | sed -n 's/.*Card type *: //p'")
    return f"{name} on Linux {bench.device.tell('uname -r')}"


def installs(bench: Bench) -> str:
    """systemd/install --offline, on a device that never had it."""
    folder = f"/etc/systemd/system/{UNIT}.service.d"
    limits = "\n".join(f"{key}={round(value * bench.device.patience)}" for key, value in _UNIT_SECONDS.items())
    bench.device.tell(f"mkdir -p {folder} && echo '[Service]\n{limits}' >{folder}/slow.conf")
    said = bench.device.tell(f"{INSTALL} --offline /root/wheels 2>&1", 1800)
    doctor = [line for line in said.splitlines() if line.startswith(("ok ", "FAIL "))]
    ensure(len(doctor) >= _DOCTOR_LINES and all(line.startswith("ok ") for line in doctor), said)
    ensure('"v4l2:/dev/video0"' in bench.device.tell(f"cat {CONFIG}"), f"{CONFIG} does not name the camera")
    return " / ".join(" ".join(line.split()[2:]) for line in doctor)


def starts(bench: Bench) -> str:
    """Told of the broker, the service gets READY and is online."""
    url = f"mqtt://{HOST}:{bench.outside.broker.port}"
    mark = bench.outside.mark
    bench.device.tell(f"sed -i 's|^url = .*|url = \"{url}\"|' {CONFIG}; echo '{_STRETCHED}' >>{CONFIG}")
    # Returns once READY=1 has come.
    bench.device.tell(f"systemctl restart {UNIT}", 180)
    ensure(bench.show("ActiveState") == "active", "the service is not active")
    bench.device.wait("the device says 'online'", 60, lambda: bench.outside.said("online", mark))
    bench.wait_for_health(mark, "ok")
    status = bench.show("StatusText")
    ensure("frames per second" in status, f"the status line is {status!r}")
    return f"systemctl status: {status}"


def sees(bench: Bench) -> str:
    """Events of the actor: a face appears, shows each scripted emotion, and leaves."""
    mark = bench.outside.mark
    wanted = {"face_appeared", "face_left", *EMOTIONS}

    def missing() -> set[str]:
        events = bench.outside.events(mark)
        return wanted - {event["type"] for event in events} - {event["emotion"] for event in events}

    try:
        took = bench.device.wait("all of the script was told", 600, lambda: not missing())
    except DeviceError as error:
        raise DeviceError(f"{error}; missing: {', '.join(sorted(missing()))}") from error
    events = bench.outside.events(mark)
    shown = ", ".join(sorted({event["emotion"] for event in events}))
    return f"after {took:.0f} s and {len(events)} events ({shown}), {bench.health(0)['fps']:.1f} frames per second"


def upgrades(bench: Bench) -> str:
    """Installed again, it upgrades, keeps the configuration, and goes on."""
    before, old = bench.device.tell(f"cat {CONFIG}"), bench.device.tell(f"readlink {CURRENT}")
    bench.device.tell(f"{INSTALL} --offline /root/wheels 2>&1", 1800)
    mark = bench.outside.mark
    new = bench.device.tell(f"readlink {CURRENT}")
    ensure(new != old, f"{old} is still in force")
    ensure(bench.there(old), f"{old} was not kept to go back to")
    ensure(bench.device.tell(f"cat {CONFIG}") == before, "the configuration was changed")
    ensure(bench.show("ActiveState") == "active", "the service is not active")
    bench.wait_for_event(mark)
    return f"from {old.rpartition('/')[2]} to {new.rpartition('/')[2]}"


def uninstalls(bench: Bench) -> str:
    """Uninstalled, it says good-bye, and leaves configuration and state."""
    mark = bench.outside.mark
    bench.device.tell(f"{INSTALL} --uninstall", 120)
    bench.device.wait("the device says 'stopped'", 30, lambda: bench.outside.said("stopped", mark))
    for gone in ("/opt/emotion-edge", f"/etc/systemd/system/{UNIT}.service", "/usr/local/bin/emotion-edge"):
        ensure(not bench.there(gone), f"{gone} is still there")
    for kept in (CONFIG, "/var/lib/private/emotion-edge"):
        ensure(bench.there(kept), f"{kept} was removed")
    return "stopped, program gone"


def purges(bench: Bench) -> str:
    """Purged, nothing of it is left; the device shuts down in good order."""
    bench.device.tell(f"{INSTALL} --purge", 120)
    drop_ins = f"/etc/systemd/system/{UNIT}.service.d"
    for gone in ("/etc/emotion-edge", drop_ins, "/var/lib/private/emotion-edge", "/var/lib/emotion-edge"):
        ensure(not bench.there(gone), f"{gone} is still there")
    bench.device.power_off()
    return "off"
