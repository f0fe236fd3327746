"""Checks of boot, installation, events, upgrade and removal."""

from .actor_frames import EMOTIONS
from .emulator import HOST, DeviceError
from .rig import CONFIG, CURRENT, INSTALL, UNIT, Rig, ensure

_DOCTOR_LINES = 6

_LIGHT_RULE = "/etc/udev/rules.d/60-emotion-edge-light.rules"
_UNIT_SECONDS = {"TimeoutStartSec": 90, "WatchdogSec": 30}
"""Time limits of the unit, which are for a Pi: multiplied by the same factor as all others."""

_SLOW_DEVICE_SETTINGS = """
[tracker]
lost_seconds = 10

[budget]
latency_ms = 10000

[detector]
min_face = 0.3
"""
"""Settings for a processor that handles one or two frames a second, where a Pi handles fifteen and more.

Otherwise a face that is missed once would leave, the budget would go to its last level at once, and the search for
small faces, of which the script has none, would take most of the time.
"""


def boots(rig: Rig) -> str:
    """The device boots."""
    rig.device.start()
    return rig.boot_is_clean()


def plays(rig: Rig) -> str:
    """The kernel's virtual camera plays the actor."""
    rig.device.run_checked("mount -o ro /dev/vdb /mnt && sh /mnt/setup", 300)
    rig.device.wait("the actor plays", 60, lambda: rig.device.run("systemctl is-active actor").returncode == 0)
    name = rig.device.run_checked("v4l2-ctl -d /dev/video0 --info | sed -n 's/.*Card type *: //p'")
    return f"{name} on Linux {rig.device.run_checked('uname -r')}"


def installs(rig: Rig) -> str:
    """systemd/install --offline succeeds on a device without the project."""
    folder = f"/etc/systemd/system/{UNIT}.service.d"
    limits = "\n".join(f"{key}={round(value * rig.device.timeout_factor)}" for key, value in _UNIT_SECONDS.items())
    rig.device.run_checked(f"mkdir -p {folder} && echo '[Service]\n{limits}' >{folder}/slow.conf")
    output = rig.device.run_checked(f"{INSTALL} --offline /root/wheels 2>&1", 1800)
    doctor = [line for line in output.splitlines() if line.startswith(("ok ", "FAIL "))]
    ensure(len(doctor) >= _DOCTOR_LINES and all(line.startswith("ok ") for line in doctor), output)
    ensure('"v4l2:/dev/video0"' in rig.device.run_checked(f"cat {CONFIG}"), f"{CONFIG} does not name the camera")
    return " / ".join(" ".join(line.split()[2:]) for line in doctor)


def starts(rig: Rig) -> str:
    """With a broker configured the service reports READY and is online."""
    url = f"mqtt://{HOST}:{rig.observer.broker.port}"
    position = rig.observer.position
    rig.device.run_checked(f"sed -i 's|^url = .*|url = \"{url}\"|' {CONFIG}; echo '{_SLOW_DEVICE_SETTINGS}' >>{CONFIG}")
    # Returns once systemd has received READY=1.
    rig.device.run_checked(f"systemctl restart {UNIT}", 180)
    ensure(rig.unit_property("ActiveState") == "active", "the service is not active")
    rig.device.wait("the device publishes 'online'", 60, lambda: rig.observer.status_seen("online", position))
    rig.wait_for_health(position, "ok")
    status = rig.unit_property("StatusText")
    ensure("frames per second" in status, f"the status line is {status!r}")
    return f"systemctl status: {status}"


def sees(rig: Rig) -> str:
    """Events of the actor: a face appears, shows each scripted emotion, and leaves."""
    position = rig.observer.position
    wanted = {"face_appeared", "face_left", *EMOTIONS}

    def missing() -> set[str]:
        events = rig.observer.events(position)
        return wanted - {event["type"] for event in events} - {event["emotion"] for event in events}

    try:
        took = rig.device.wait("events cover the whole script", 600, lambda: not missing())
    except DeviceError as error:
        raise DeviceError(f"{error}; missing: {', '.join(sorted(missing()))}") from error
    events = rig.observer.events(position)
    shown = ", ".join(sorted({event["emotion"] for event in events}))
    return f"after {took:.0f} s and {len(events)} events ({shown}), {rig.health(0)['fps']:.1f} frames per second"


def checks(rig: Rig) -> str:
    """systemd/install --check fails on a password file that root alone can read, and leaves the service alone."""
    pid, before = rig.unit_property("MainPID"), rig.device.run_checked(f"cat {CONFIG}")
    rig.device.run_checked(
        "install -m 600 /dev/null /root/password && echo secret >/root/password; "
        f'sed -i \'s|^username = .*|username = "sensor"\\npassword_file = "/root/password"|\' {CONFIG}'
    )
    done = rig.device.run(f"{INSTALL} --check 2>&1", 300)
    rig.device.run_checked(f"cat >{CONFIG} <<'END'\n{before}\nEND")
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAIL ")]
    ensure(done.returncode == 1 and len(failed) == 1 and "cannot be read" in failed[0], done.stdout)
    ensure(
        "source" in done.stdout.splitlines()[0], f"the camera of the running service was not left out: {done.stdout}"
    )
    ensure(rig.unit_property("MainPID") == pid, "the service was restarted")
    return " ".join(failed[0].split()[1:])


def refuses(rig: Rig) -> str:
    """Installing again with a configuration that cannot be used leaves the running service alone."""
    pid, version = rig.unit_property("MainPID"), rig.device.run_checked(f"readlink {CURRENT}")
    before = rig.device.run_checked(f"cat {CONFIG}")
    rig.device.run_checked(f"printf '\\n[nonsense]\\n' >>{CONFIG}")
    done = rig.device.run(f"{INSTALL} --offline /root/wheels 2>&1", 1800)
    rig.device.run_checked(f"cat >{CONFIG} <<'END'\n{before}\nEND")
    ensure(done.returncode == 1 and "nonsense" in done.stdout, done.stdout)
    ensure(rig.unit_property("MainPID") == pid, "the service was restarted")
    ensure(rig.unit_property("ActiveState") == "active", "the service is not active")
    ensure(rig.device.run_checked(f"readlink {CURRENT}") == version, "another version is in use")
    return done.stdout.splitlines()[-1]


def upgrades(rig: Rig) -> str:
    """Installing again upgrades, keeps the configuration, and events continue."""
    before, old = rig.device.run_checked(f"cat {CONFIG}"), rig.device.run_checked(f"readlink {CURRENT}")
    rig.device.run_checked(f"{INSTALL} --offline /root/wheels 2>&1", 1800)
    position = rig.observer.position
    new = rig.device.run_checked(f"readlink {CURRENT}")
    ensure(new != old, f"{old} is still in use")
    ensure(rig.exists(old), f"{old} was not kept for a downgrade")
    ensure(rig.device.run_checked(f"cat {CONFIG}") == before, "the configuration was changed")
    ensure(rig.unit_property("ActiveState") == "active", "the service is not active")
    rig.wait_for_event(position)
    return f"from {old.rpartition('/')[2]} to {new.rpartition('/')[2]}"


def uninstalls(rig: Rig) -> str:
    """Uninstalling publishes 'stopped' and keeps configuration and state."""
    position = rig.observer.position
    rig.device.run_checked(f"{INSTALL} --uninstall", 120)
    rig.device.wait("the device publishes 'stopped'", 30, lambda: rig.observer.status_seen("stopped", position))
    for gone in (
        "/opt/emotion-edge",
        f"/etc/systemd/system/{UNIT}.service",
        "/usr/local/bin/emotion-edge",
        _LIGHT_RULE,
    ):
        ensure(not rig.exists(gone), f"{gone} is still there")
    for kept in (CONFIG, "/var/lib/private/emotion-edge"):
        ensure(rig.exists(kept), f"{kept} was removed")
    return "stopped, program gone"


def purges(rig: Rig) -> str:
    """Purging leaves nothing behind but a mount point, which it names; the device shuts down."""
    state = "/var/lib/private/emotion-edge"
    rig.device.run_checked(f"mount --bind {state} {state}")
    output = rig.device.run_checked(f"{INSTALL} --purge", 120)
    ensure(f"{state} is a mount point" in output, output)
    rig.device.run_checked(f"umount {state} && rmdir {state}")
    drop_ins = f"/etc/systemd/system/{UNIT}.service.d"
    for gone in ("/etc/emotion-edge", drop_ins, "/var/lib/private/emotion-edge", "/var/lib/emotion-edge"):
        ensure(not rig.exists(gone), f"{gone} is still there")
    rig.device.power_off()
    return "off"
