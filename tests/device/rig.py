"""The test rig: the emulated device, the observer of its messages, and queries that the checks share."""

import json
from dataclasses import dataclass
from typing import Any, Final

from .device import Device, DeviceError
from .emulator import Emulator
from .observer import Observer

UNIT: Final = "emotion-edge"
CONFIG: Final = "/etc/emotion-edge/config.toml"
CURRENT: Final = "/opt/emotion-edge/current"

# The sensor keeps its file locked; this reads a copy, which is what a power cut would leave.
_READ_OUTBOX: Final = """
rm -rf /run/copy; mkdir /run/copy; cp /var/lib/private/emotion-edge/outbox-* /run/copy/ || exit
python3 - <<'END'
import glob, json, sqlite3
(file,) = (name for name in glob.glob("/run/copy/*.sqlite3"))
rows = [json.loads(row[0]) for row in sqlite3.connect(file).execute("SELECT json FROM events ORDER BY number")]
print(json.dumps([[row["boot_id"], row["seq"]] for row in rows]))
END
"""


def ensure(condition: object, what: str) -> None:
    """Raise `DeviceError` with the message `what` unless a condition holds."""
    if not condition:
        raise DeviceError(what)


@dataclass(frozen=True)
class Rig:
    """The device under test, and the observer of its messages."""

    device: Device
    observer: Observer

    @property
    def emulator(self) -> Emulator:
        """The device, where a check needs what only an emulated board has."""
        assert isinstance(self.device, Emulator)
        return self.device

    def unit_property(self, key: str, unit: str = UNIT) -> str:
        """Return a property of a unit, as systemd on the device reports it."""
        return self.device.run_checked(f"systemctl show --value -p {key} {unit}")

    def device_id(self) -> str:
        """Return the id under which the single service publishes."""
        return str(json.loads(self.observer.messages("info")[0].payload)["device"])

    def boot_is_clean(self) -> str:
        """Check that systemd has started everything and the file system has no error; return the boot's duration."""
        state = self.device.run("systemctl is-system-running --wait", 300).stdout.strip()
        ensure(state == "running", f"systemd is {state}: {self.device.run('systemctl --failed --plain').stdout}")
        errors = self.device.run("journalctl -b -k -q --grep 'EXT4-fs (error|warning)|I/O error'").stdout.strip()
        ensure(not errors, errors)
        return self.device.run_checked("systemd-analyze time").partition("\n")[0].removeprefix("Startup finished in ")

    def request(self, name: str, fields: dict[str, Any] | None = None) -> None:
        """Send a request to the sensor."""
        topic = f"emotion-edge/{self.device_id()}/request/{name}"
        self.observer.publish(topic, json.dumps(fields).encode() if fields else b"")

    def health(self, since: int) -> Any:
        """Return the newest health message since a position; None where none has arrived."""
        return self.observer.last("health", since)

    def wait_for_health(self, since: int, source: str, seconds: float = 120) -> None:
        """Wait until health reports the source state `source`."""

        def reported() -> bool:
            health = self.health(since)
            return health is not None and health["source"] == source

        self.device.wait(f"health reports source {source}", seconds, reported)

    def wait_for_event(self, since: int, seconds: float = 300) -> float:
        """Wait until a live event arrives; return the seconds that it took."""
        return self.device.wait("an event arrives", seconds, lambda: self.observer.events(since))

    def outbox_events(self) -> list[tuple[str, int]]:
        """Return `boot_id` and `seq` of each event on the device's disk, oldest first."""
        return [(boot, seq) for boot, seq in json.loads(self.device.run_checked(_READ_OUTBOX))]

    def camera_uris(self) -> tuple[str, str]:
        """Return the sources of two instances: two cameras of the kernel, or in a container two actors."""
        if isinstance(self.device, Emulator):
            # Both are of one platform device, so that by path they have one name.
            return "v4l2:/dev/video0", "v4l2:/dev/video2"
        return "scripted:happy=3,none=4?seed=1&loop=1", "scripted:sad=3,none=4?seed=2&loop=1"

    def exists(self, path: str) -> bool:
        """Return whether a path exists on the device; a dangling link counts."""
        return self.device.run(f"test -e {path} || test -L {path}").returncode == 0
