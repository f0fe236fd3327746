"""Finds hosts that announce a broker or Home Assistant in the local network, through avahi's own program.

avahi-browse is there wherever avahi is used; the sensor brings no mDNS of its own. Mosquitto as an add-on of Home
Assistant announces nothing, so Home Assistant's host is tried as well.
"""

import re
import subprocess
from dataclasses import dataclass
from typing import Final

SERVICES: Final = {"_mqtt._tcp": "mqtt", "_secure-mqtt._tcp": "mqtts", "_home-assistant._tcp": "mqtt"}
"""Scheme of a broker's address, by the service that is announced (IANA's service names; Home Assistant's own)."""
HOME_ASSISTANT: Final = "_home-assistant._tcp"
USUAL_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
"""Ports of MQTT and of MQTT over TLS (IANA)."""
_COMMAND: Final = ("avahi-browse", "--resolve", "--parsable", "--terminate", "--no-db-lookup")
_SECONDS: Final = 5.0
"""Longest wait for one kind of service. avahi-browse ends by itself once all that is cached was shown: half a second,
and longer where an announcement cannot be resolved."""
_FIELDS: Final = 9
"""Fields of a resolved line: =, interface, protocol, name, type, domain, host name, address, port; then the text."""
_ESCAPE: Final = re.compile(r"\\([0-9]{3})")


@dataclass(frozen=True, slots=True)
class Announcement:
    """A service in the network: its host name, such as homeassistant.local, its IPv4 address, and its port."""

    service: str
    name: str
    host: str
    address: str
    port: int

    @property
    def scheme(self) -> str:
        """Scheme of the broker's address."""
        return SERVICES[self.service]

    @property
    def broker_port(self) -> int:
        """Port at which a broker may be: the announced one, for Home Assistant the usual one of MQTT."""
        return USUAL_PORTS[self.scheme] if self.service == HOME_ASSISTANT else self.port


def browse(seconds: float = _SECONDS) -> list[Announcement]:
    """Return what is announced now, each host once per kind; nothing where avahi is not there or does not run."""
    processes = []
    for service in SERVICES:
        try:
            process = subprocess.Popen(  # noqa: S603 - a fixed command
                [*_COMMAND, service], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        except OSError:
            return []
        processes.append(process)
    output = ""
    for process in processes:
        try:
            content, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            content, _ = process.communicate()
        output += content.decode("utf-8", "replace")
    return parse(output)


def parse(output: str) -> list[Announcement]:
    """Return the announcements in what avahi-browse printed (avahi-browse(1), --parsable), without repetitions.

    A host that answers on several interfaces is announced on each. Lines that are not as they should be are left out:
    everybody in the network can announce anything.
    """
    found: dict[tuple[str, str, int], Announcement] = {}
    for line in output.splitlines():
        fields = line.split(";")
        if len(fields) < _FIELDS or fields[0] != "=" or fields[2] != "IPv4" or fields[4] not in SERVICES:
            continue
        service, host, address, port = fields[4], fields[6].rstrip("."), fields[7], fields[8]
        valid = re.fullmatch(r"[A-Za-z0-9.-]{1,253}", host) and re.fullmatch(r"[0-9.]{7,15}", address)
        if not valid or not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= 65_535:  # noqa: PLR2004
            continue
        found.setdefault((service, host, int(port)), Announcement(service, _name(fields[3]), host, address, int(port)))
    return list(found.values())


def _name(text: str) -> str:
    """Return the name of a service in one printable line; avahi-browse escapes bytes as decimal numbers."""
    raw = _ESCAPE.sub(lambda found: chr(int(found[1])) if int(found[1]) < 0x100 else "?", text)  # noqa: PLR2004
    name = raw.encode("latin-1", "replace").decode("utf-8", "replace").replace("\\", "")
    return "".join(one if one.isprintable() else "?" for one in name)
