"""The test rig: the emulated device, the observer of its messages, and queries that the checks share."""

import json
from dataclasses import dataclass
from typing import Any, Final

from .emulator import DeviceError, Emulator
from .observer import Observer

UNIT: Final = "emotion-edge"
CONFIG: Final = "/etc/emotion-edge/config.toml"
CURRENT: Final = "/opt/emotion-edge/current"
INSTALL: Final = "/root/project/systemd/install"

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

    device: Emulator
    observer: Observer

    def unit_property(self, key: str) -> str:
        """Return a property of the unit, as systemd on the device reports it."""
        return self.device.run_checked(f"systemctl show --value -p {key} {UNIT}")

    def boot_is_clean(self) -> str:
        """Check that systemd has started everything and the file system has no error; return the boot's duration."""
        state = self.device.run("systemctl is-system-running --wait", 300).stdout.strip()
        ensure(state == "running", f"systemd is {state}: {self.device.run('systemctl --failed --plain').stdout}")
        errors = self.device.run("journalctl -b -k -q --grep 'EXT4-fs (error|warning)|I/O error'").stdout.strip()
        ensure(not errors, errors)
        return self.device.run_checked("systemd-analyze time").partition("\n")[0].removeprefix("Startup finished in ")

    def request(self, name: str, fields: dict[str, Any] | None = None) -> None:
        """Send a request to the sensor."""
        device_id = json.loads(self.observer.messages("info")[-1].payload)["device"]
        self.observer.publish(
            f"emotion-edge/{device_id}/request/{name}", json.dumps(fields).encode() if fields else b""
        )

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

    def exists(self, path: str) -> bool:
        """Return whether a path exists on the device; a dangling link counts."""
        return self.device.run(f"test -e {path} || test -L {path}").returncode == 0
