"""What the checks share: the device, what is seen of it from outside, and questions to both."""

import json
from dataclasses import dataclass
from typing import Any, Final

from .emulator import DeviceError, Emulator
from .outside import Outside

UNIT: Final = "emotion-edge"
CONFIG: Final = "/etc/emotion-edge/config.toml"
CURRENT: Final = "/opt/emotion-edge/current"
INSTALL: Final = "/root/project/systemd/install"

# The sensor keeps its file locked, so this reads a copy, as it would be found after a power cut.
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
    """An assertion that says what is wrong: raises DeviceError."""
    if not condition:
        raise DeviceError(what)


@dataclass(frozen=True)
class Bench:
    """The device under test and its surroundings."""

    device: Emulator
    outside: Outside

    def show(self, key: str) -> str:
        """A property of the unit, as systemd on the device gives it."""
        return self.device.tell(f"systemctl show --value -p {key} {UNIT}")

    def boot_is_clean(self) -> str:
        """Check that systemd has started everything and the file system is sound; a remark on the boot."""
        state = self.device.run("systemctl is-system-running --wait", 300).stdout.strip()
        ensure(state == "running", f"systemd is {state}: {self.device.run('systemctl --failed --plain').stdout}")
        errors = self.device.run("journalctl -b -k -q --grep 'EXT4-fs (error|warning)|I/O error'").stdout.strip()
        ensure(not errors, errors)
        return self.device.tell("systemd-analyze time").partition("\n")[0].removeprefix("Startup finished in ")

    def health(self, since: int) -> Any:
        """Newest health message since a mark; None where none came yet."""
        return self.outside.last("health", since)

    def wait_for_health(self, since: int, source: str, seconds: float = 120) -> None:
        """Wait until the sensor says that its source is `source`."""

        def told() -> bool:
            health = self.health(since)
            return health is not None and health["source"] == source

        self.device.wait(f"health says that the source is {source}", seconds, told)

    def wait_for_event(self, since: int, seconds: float = 300) -> float:
        """Wait until an event comes live; the seconds that it took."""
        return self.device.wait("an event comes", seconds, lambda: self.outside.events(since))

    def outbox(self) -> list[tuple[str, int]]:
        """Boot and number of each event that is on the device's disk, oldest first."""
        return [(boot, seq) for boot, seq in json.loads(self.device.tell(_READ_OUTBOX))]

    def there(self, path: str) -> bool:
        """Whether a path exists on the device, be it a link that leads nowhere."""
        return self.device.run(f"test -e {path} || test -L {path}").returncode == 0
