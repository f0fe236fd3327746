"""A network of its own in which a real avahi announces brokers: Linux namespaces, D-Bus, avahi and mosquitto.

It needs root, for the namespaces, and the programs. Nothing of it is seen by the rest of the machine.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from edge.commands.demo_broker import find_program
from support.program import TIMEOUT_SECONDS, environment

PROGRAMS = ("unshare", "ip", "mount", "dbus-daemon", "avahi-daemon", "avahi-publish", "avahi-browse", "mosquitto")

BUS = """\
<busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
<allow user="*"/></policy></busconfig>
"""
AVAHI = "[server]\nhost-name=homeassistant\nuse-ipv6=no\nallow-interfaces=v0\n"
INSIDE = r"""
set -eu
mount -t tmpfs none /run
touch "$1/avahi.log" "$1/published" "$1/mosquitto.log"
mkdir -p /run/dbus /run/avahi-daemon
# What is sent to one end is not heard at the other, but a pair is the one interface that can be made everywhere.
ip link set lo up
ip link add v0 type veth peer name v1
ip addr add 10.9.8.7/24 dev v0
ip link set v1 up
ip link set v0 up
dbus-daemon --config-file="$1/bus.xml" --fork
avahi-daemon --no-drop-root --no-chroot --no-rlimits --no-proc-title -f "$1/avahi.conf" 2>"$1/avahi.log" &
until grep -q "startup complete" "$1/avahi.log"; do sleep 0.02; done
avahi-publish -s 'Home; "mine"' _home-assistant._tcp 8123 version=1 2>>"$1/published" &
avahi-publish -s 'Büro' _mqtt._tcp 1884 2>>"$1/published" &
avahi-publish -s 'Nobody' _mqtt._tcp 1885 2>>"$1/published" &
until [ "$(grep -c Established "$1/published")" -eq 3 ]; do sleep 0.02; done
mosquitto -c "$1/mosquitto.conf" 2>"$1/mosquitto.log" &
until grep -q "listen socket on port 1884" "$1/mosquitto.log"; do sleep 0.02; done
shift
"$@"
"""


def missing_for_a_network():
    """Return why no such network can be made here, or None."""
    absent = [name for name in PROGRAMS if find_program(name) is None]
    if absent:
        return f"not installed: {', '.join(absent)}"
    if os.geteuid() != 0:
        return "needs root"
    try_it = ["unshare", "--net", "ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1"]
    done = subprocess.run(try_it, capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else f"no network can be made: {done.stderr.strip()}"


def run_inside(folder: Path, code: str) -> str:
    """Run Python code in such a network, and return what it printed.

    Port 1883 wants a user name and a password and port 1884 does not; nobody listens on 1885, though it is announced.
    """
    (folder / "bus.xml").write_text(BUS)
    (folder / "avahi.conf").write_text(AVAHI)
    (folder / "mosquitto.conf").write_text(
        "per_listener_settings true\nlistener 1883\nallow_anonymous false\nlistener 1884\nallow_anonymous true\n"
    )
    isolated = [shutil.which("unshare"), "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    command = [*isolated, "sh", "-c", INSIDE, "sh", folder, sys.executable, "-c", code]
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=TIMEOUT_SECONDS, env=environment(PATH=path)
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
