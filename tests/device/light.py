"""Checks of the light: an LED on a pin of the emulated board, switched by the installed service alone."""

from .emulator import LED
from .rig import CONFIG, UNIT, Rig, ensure

_FOLDER = f"/sys/class/leds/{LED}"


def is_lit(rig: Rig) -> bool:
    """Return whether the pin of the LED is high, as the driver of the GPIO controller reads it back."""
    lines = rig.device.run_checked("cat /sys/kernel/debug/gpio").splitlines()
    (line,) = [line for line in lines if f"|{LED} " in line]
    return " out hi" in line


def light(rig: Rig) -> str:
    """The light is on exactly while the camera is open, and after a kill; the service may write nothing else there."""
    device = rig.device
    ensure(not is_lit(rig), "the light is on although none is configured")
    device.run_checked(f"printf '\\n[indicator]\\nled = \"{LED}\"\\n' >>{CONFIG}")
    # Without its right the service refuses the light, and says how to get it.
    refused = device.run("emotion-edge service check 2>&1", 300).stdout
    ensure("FAIL  light" in refused and "emotion-edge service light" in refused, refused)
    output = device.run_checked("emotion-edge service light 2>&1", 300)
    ensure("ok    light" in output, output)
    mode = device.run_checked(f"stat -c '%G %a' {_FOLDER}/brightness {_FOLDER}/trigger").splitlines()
    ensure(mode == ["video 664", "root 644"], f"the rights are {mode}")

    position = rig.observer.position
    device.run_checked(f"systemctl restart {UNIT}", 180)
    rig.wait_for_health(position, "ok")
    ensure(is_lit(rig), "the light is off while the camera is open")
    rig.request("pause")
    device.wait("the light is off during a pause", 60, lambda: not is_lit(rig))
    rig.request("resume")
    device.wait("the light is on after the pause", 60, lambda: is_lit(rig))
    device.run_checked(f"echo heartbeat >{_FOLDER}/trigger")
    device.wait(
        "the trigger is removed", 60, lambda: "[none]" in device.run_checked(f"cat {_FOLDER}/trigger") and is_lit(rig)
    )
    device.run_checked(f"systemctl stop {UNIT}", 120)
    ensure(not is_lit(rig), "the light is on after the service was stopped")

    _after_an_end(rig)

    device.run_checked(f"systemctl start {UNIT}", 180)
    device.wait("the light is on after a start", 60, lambda: is_lit(rig))
    # In one command, because the service is started again after five seconds.
    killed = f"systemctl kill -s KILL {UNIT}; sleep 1; systemctl is-active {UNIT}; cat {_FOLDER}/brightness"
    left = device.run(killed).stdout.split()
    # `deactivating` while what comes after the process still runs.
    ensure(left in (["activating", "1"], ["deactivating", "1"]), f"after the kill: {left}")
    position = rig.observer.position
    rig.wait_for_health(position, "ok")
    return f"{output.splitlines()[-2].split(maxsplit=2)[2]}; it stayed on after a kill"


def _after_an_end(rig: Rig) -> None:
    """Check what the unit does after the process: it switches a light off that a clean end has left on, no other."""
    unit = "/run/systemd/system/trial.service"
    for command, lit in (("true", False), ("false", True)):
        rig.device.run_checked(
            f"printf '[Service]\\nType=oneshot\\nExecStart={command}\\n' >{unit}; "
            f"grep ^ExecStopPost= /etc/systemd/system/{UNIT}.service.d/light.conf >>{unit}; "
            f"systemctl daemon-reload; echo 1 >{_FOLDER}/brightness; systemctl start trial || true",
            120,
        )
        ensure(is_lit(rig) is lit, f"after {command} the light is {'off' if lit else 'on'}")
    rig.device.run_checked(
        f"rm {unit}; systemctl reset-failed trial; systemctl daemon-reload; echo 0 >{_FOLDER}/brightness"
    )
