"""Checks of boot, events, and of the check of the installed service."""

from .actor_frames import EMOTIONS
from .device import DeviceError
from .rig import CONFIG, UNIT, Rig, ensure

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


def starts(rig: Rig) -> str:
    """With a broker configured the service reports READY and is online."""
    url = f"mqtt://{rig.device.host}:{rig.observer.broker.port}"
    uri = rig.device.uri.replace("&", r"\&")  # sed's own sign
    position = rig.observer.position
    rig.device.run_checked(
        f'sed -i \'s|^url = .*|url = "{url}"|; s|^uri = .*|uri = "{uri}"|\' {CONFIG}; '
        f"echo '{_SLOW_DEVICE_SETTINGS}' >>{CONFIG}"
    )
    # Returns once systemd has received READY=1.
    rig.device.run_checked(f"systemctl restart {UNIT}", 180)
    ensure(rig.unit_property("ActiveState") == "active", "the service is not active")
    rig.device.wait("the device publishes 'online'", 60, lambda: rig.observer.status_seen("online", position))
    rig.wait_for_health(position, "ok")
    # The first line of all says that there are no frames yet.
    rig.device.wait("the status line has a rate", 60, lambda: "frames per second" in rig.unit_property("StatusText"))
    return f"systemctl status: {rig.unit_property('StatusText')}"


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
    """`emotion-edge service check` fails on a password file that root alone can read, and leaves the service alone."""
    pid, before = rig.unit_property("MainPID"), rig.device.run_checked(f"cat {CONFIG}")
    rig.device.run_checked(
        "install -m 600 /dev/null /root/password && echo secret >/root/password; "
        f'sed -i \'s|^username = .*|username = "sensor"\\npassword_file = "/root/password"|\' {CONFIG}'
    )
    done = rig.device.run("emotion-edge service check 2>&1", 300)
    rig.device.run_checked(f"cat >{CONFIG} <<'END'\n{before}\nEND")
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAIL ")]
    ensure(done.returncode == 1 and len(failed) == 1 and "cannot be read" in failed[0], done.stdout)
    # The actor is nobody's: only a camera is left to the service.
    wanted = rig.device.uri.startswith("v4l2:")
    left = [line for line in done.stdout.splitlines() if "has what these checks would open" in line]
    ensure(any("source" in line for line in left) is wanted, f"left to the running service: {done.stdout}")
    ensure(rig.unit_property("MainPID") == pid, "the service was restarted")
    return " ".join(failed[0].split()[1:])
