"""Checks of the Debian package: installation, upgrade, the ways back, several cameras, removal.

The packages lie in /mnt/packages: `lower` is a version before, `current` the one that is tested, `broken` a newer one
whose sources give no frame, so that doctor fails, and `stuck` one that doctor finds in order and that does not start.
"""

import re
from typing import Final

from .rig import CONFIG, CURRENT, UNIT, Rig, ensure

_PACKAGES: Final = "/mnt/packages"
_INSTALL_SECONDS: Final = 1800
_UNIT_SECONDS = {"TimeoutStartSec": 90, "WatchdogSec": 30}
"""Time limits of the unit, which are for a Pi: multiplied by the same factor as all others."""
_DOCTOR_LINES: Final = 6
_STATE: Final = "/var/lib/private/emotion-edge"
_SHIPPED: Final = (
    "/usr/bin/emotion-edge",
    "/usr/share/man/man1/emotion-edge.1.gz",
    "/usr/share/bash-completion/completions/emotion-edge",
    "/usr/share/zsh/vendor-completions/_emotion-edge",
)
INSTANCES: Final = ("door", "garden")


def _apt(rig: Rig, package: str, *options: str) -> "tuple[int, str]":
    """Install a package as a person does, without questions; returns exit code and output."""
    command = (
        f"DEBIAN_FRONTEND=noninteractive apt-get -y -o Dpkg::Use-Pty=0 {' '.join(options)} "
        f"install {_PACKAGES}/{package}.deb 2>&1"
    )
    done = rig.device.run(command, _INSTALL_SECONDS)
    return done.returncode, done.stdout


def _version(rig: Rig) -> str:
    return rig.device.run_checked("emotion-edge --version", 120).removeprefix("emotion-edge ")


def _package_version(rig: Rig, file: str) -> str:
    """Return the version of a package's file, without the mark of the release."""
    return rig.device.run_checked(f"dpkg-deb --field {_PACKAGES}/{file}.deb Version").partition("+")[0]


def _status(rig: Rig) -> str:
    return rig.device.run("dpkg-query --show --showformat '${db:Status-Status}' emotion-edge").stdout


def installs(rig: Rig) -> str:
    """apt installs the package on a fresh system, and the service runs without a word of configuration."""
    device = rig.device
    factor = device.timeout_factor
    for unit in (UNIT, f"{UNIT}@"):
        folder = f"/etc/systemd/system/{unit}.service.d"
        limits = "\n".join(f"{key}={round(value * factor)}" for key, value in _UNIT_SECONDS.items())
        device.run_checked(f"mkdir -p {folder} && echo '[Service]\n{limits}' >{folder}/slow.conf")
    device.run("apt-get -qq update", 300)
    code, output = _apt(rig, "lower")
    ensure(code == 0, f"apt-get exited with {code}: {output}")
    doctor = [line for line in output.splitlines() if line.startswith(("ok ", "warn ", "FAIL "))]
    ensure(len(doctor) >= _DOCTOR_LINES and not any(line.startswith("FAIL") for line in doctor), output)
    ensure("Next: 'sudo emotion-edge setup'" in output, f"what to do next is not said: {output}")
    ensure("The service runs: systemctl status" in output, f"that the service runs is not said: {output}")
    ensure(rig.unit_property("ActiveState") == "active", f"the service does not run: {output}")
    ensure(rig.unit_property("UnitFileState") == "enabled", "the service does not start with the system")
    ensure(_version(rig) == _package_version(rig, "lower"), f"the version is {_version(rig)}")
    conffiles = device.run_checked("dpkg-query --show --showformat '${Conffiles}' emotion-edge")
    ensure(CONFIG in conffiles, f"{CONFIG} is not a conffile: {conffiles}")
    for file in _SHIPPED:
        ensure(rig.exists(file), f"{file} is missing")
    size = device.run_checked(f"du -sm {_PACKAGES}/lower.deb /opt/emotion-edge /usr/lib/emotion-edge | cut -f 1")
    package, environment, wheels = size.split()
    source = next((line for line in doctor if " source " in line), "no line on the source")
    return f"package {package} MB, environment {environment} MB, wheels {wheels} MB; {' '.join(source.split()[:12])}"


def upgrades(rig: Rig) -> str:
    """An upgrade keeps configuration and state, keeps the version before, and events continue."""
    device = rig.device
    before, old = device.run_checked(f"cat {CONFIG}"), device.run_checked(f"readlink {CURRENT}")
    state = set(device.run_checked(f"ls {_STATE}").split())
    code, output = _apt(rig, "current")
    ensure(code == 0, f"apt-get exited with {code}: {output}")
    position = rig.observer.position
    ensure(_version(rig) == _package_version(rig, "current"), f"the version is {_version(rig)}: {output}")
    ensure(device.run_checked(f"readlink {CURRENT}") != old and rig.exists(old), f"{old} was not kept")
    ensure(device.run_checked(f"cat {CONFIG}") == before, "the configuration was changed")
    ensure(state <= set(device.run_checked(f"ls {_STATE}").split()), "files of the state folder are gone")
    ensure(rig.unit_property("ActiveState") == "active", "the service is not active")
    rig.wait_for_event(position)
    return f"from {_package_version(rig, 'lower')} to {_version(rig)}"


def _stays(rig: Rig, package: str, said: str, *, same_process: bool) -> str:
    """Install a package that cannot be used; check that the version before is in force and publishes events."""
    device = rig.device
    pid, version = rig.unit_property("MainPID"), device.run_checked(f"readlink {CURRENT}")
    code, output = _apt(rig, package)
    ensure(code != 0, f"apt-get succeeded: {output}")
    ensure(said in output and "stays in force" in output, output)
    device.wait("the service is active", 120, lambda: rig.unit_property("ActiveState") == "active")
    ensure(device.run_checked(f"readlink {CURRENT}") == version, "another version is in use")
    ensure((rig.unit_property("MainPID") == pid) is same_process, "the service was restarted, or was not")
    ensure(_status(rig) == "half-configured", f"dpkg has it as {_status(rig)}")
    rig.wait_for_event(rig.observer.position)
    return next(line for line in output.splitlines() if "stays in force" in line)


def refuses(rig: Rig) -> str:
    """An upgrade with a configuration that cannot be used leaves the running service alone."""
    before = rig.device.run_checked(f"cat {CONFIG}")
    rig.device.run_checked(f"printf '\\n[nonsense]\\n' >>{CONFIG}")
    remark = _stays(rig, "current", "nonsense", same_process=True)
    rig.device.run_checked(f"cat >{CONFIG} <<'END'\n{before}\nEND")
    return remark


def rolls_back(rig: Rig) -> str:
    """An upgrade whose doctor fails goes back to the version before."""
    return _stays(rig, "broken", "FAIL  source", same_process=not rig.device.uri.startswith("v4l2:"))


def goes_back(rig: Rig) -> str:
    """An upgrade that doctor finds in order and that does not start goes back to the version before."""
    return _stays(rig, "stuck", "does not start", same_process=False)


def repairs(rig: Rig) -> str:
    """The good version can be installed again over the one that failed."""
    code, output = _apt(rig, "current", "--allow-downgrades")
    ensure(code == 0, f"apt-get exited with {code}: {output}")
    ensure(_status(rig) == "installed", f"dpkg has it as {_status(rig)}")
    ensure(_version(rig) == _package_version(rig, "current"), f"the version is {_version(rig)}")
    ensure(rig.unit_property("ActiveState") == "active", "the service is not active")
    rig.wait_for_event(rig.observer.position)
    return _version(rig)


def instances(rig: Rig) -> str:
    """Two instances with a camera each run beside each other; the end of one does not touch the other."""
    device, observer = rig.device, rig.observer
    device.run_checked(f"systemctl stop {UNIT}", 120)
    # Without the light, which only the single service may switch.
    table = re.sub(r"(?m)^\[indicator\]\nled = .*$", "", device.run_checked(f"cat {CONFIG}"))
    position = observer.position
    for name, uri in zip(INSTANCES, rig.camera_uris(), strict=True):
        text = re.sub(r"(?m)^uri = .*$", f'uri = "{uri}"', table)
        device.run_checked(f"cat >/etc/emotion-edge/{name}.toml <<'END'\n{text}\nEND")
        device.run_checked(f"systemctl enable --now {UNIT}@{name}", 240)
    ids = {name: f"{rig.device_id()}-{name}" for name in INSTANCES}

    def healthy(name: str, since: int) -> bool:
        found = observer.last_of(ids[name], "health", since)
        return found is not None and found["source"] == "ok" and found["frames"] > 0

    for name in INSTANCES:
        device.wait(f"{name} publishes health with frames", 180, lambda name=name: healthy(name, position))
    first, second = (f"{UNIT}@{name}" for name in INSTANCES)
    pid = rig.unit_property("MainPID", second)
    ensure(
        rig.exists(f"{_STATE}-{INSTANCES[0]}") and rig.exists(f"{_STATE}-{INSTANCES[1]}"), "a state folder is missing"
    )
    device.run_checked(f"systemctl kill --signal=KILL {first}")
    position = observer.position
    device.wait("the other publishes health", 180, lambda: healthy(INSTANCES[1], position))
    device.wait("the first is restarted", 240, lambda: rig.unit_property("ActiveState", first) == "active")
    ensure(rig.unit_property("MainPID", second) == pid, "the end of one instance has restarted the other")
    output = device.run_checked(f"emotion-edge service check {INSTANCES[0]} 2>&1", 600)
    ensure("ok    " in output and "FAIL" not in output, output)
    position = observer.position
    device.run_checked(f"systemctl disable --now {first} {second}", 240)
    device.run_checked(f"rm /etc/emotion-edge/{INSTANCES[0]}.toml && systemctl start {UNIT}", 240)
    rig.wait_for_health(position, "ok")
    return f"{', '.join(ids.values())}; the process of {INSTANCES[1]} went on"


def removes(rig: Rig) -> str:
    """apt removes the program, publishes 'stopped', and keeps configuration and state."""
    position = rig.observer.position
    rig.device.run_checked("DEBIAN_FRONTEND=noninteractive apt-get -y remove emotion-edge", 300)
    rig.device.wait("the device publishes 'stopped'", 60, lambda: rig.observer.status_seen("stopped", position))
    for gone in ("/opt/emotion-edge", "/usr/bin/emotion-edge", "/usr/lib/emotion-edge", f"/run/systemd/system/{UNIT}"):
        ensure(not rig.exists(gone), f"{gone} is still there")
    for kept in (CONFIG, _STATE):
        ensure(rig.exists(kept), f"{kept} was removed")
    return "stopped, program gone"


def installs_again(rig: Rig) -> str:
    """After a removal the package finds its configuration and its state again."""
    before = rig.device.run_checked(f"cat {CONFIG}")
    code, output = _apt(rig, "current")
    ensure(code == 0, f"apt-get exited with {code}: {output}")
    ensure(rig.device.run_checked(f"cat {CONFIG}") == before, "the configuration was changed")
    rig.wait_for_event(rig.observer.position)
    return _version(rig)


def purges(rig: Rig) -> str:
    """apt purges the package, and nothing of it is left but a mount point, which it names."""
    device = rig.device
    device.run(f"systemctl stop {UNIT}", 120)  # fails where the package was removed before
    device.run_checked(f"mount --bind {_STATE} {_STATE}")
    output = device.run_checked("DEBIAN_FRONTEND=noninteractive apt-get -y purge emotion-edge 2>&1", 300)
    ensure(f"{_STATE} is a mount point" in output, output)
    device.run_checked(f"umount {_STATE} && rmdir {_STATE}")
    left = device.run_checked(
        "find / -xdev -path /mnt -prune -o -path /proc -prune -o -path /root -prune -o -name '*emotion[-_]edge*' -print"
    ).splitlines()
    kept = [path for path in left if not path.startswith(("/var/log/journal", "/var/cache/apt", "/opt/actor"))]
    ensure(not kept, f"still there: {kept}")
    ensure(not _status(rig), f"dpkg has it as {_status(rig)}")
    return f"no file of the name is left ({len(left)} of the test)"


def shuts_down(rig: Rig) -> str:
    """The system shuts down."""
    rig.device.power_off()
    return "off"


def sees_picamera2(rig: Rig) -> str:
    """picamera2 that apt installs later is seen by the sensor, and one that is removed is not missed."""
    device = rig.device
    # Debian has no such package: one with a module of the name.
    folder = "/root/picamera2"
    module = f"{folder}/usr/lib/python3/dist-packages/picamera2/__init__.py"
    device.run_checked(
        f"mkdir -p {folder}/DEBIAN $(dirname {module}) && echo 'KIND = \"of apt\"' >{module} && "
        "printf 'Package: python3-picamera2\nVersion: 0.3\nArchitecture: all\nMaintainer: a test <a@test.example>\n"
        f"Description: stand-in\n' >{folder}/DEBIAN/control && dpkg-deb --build {folder} /root/picamera2.deb"
    )
    reads = f"{CURRENT}/bin/python -c 'import picamera2; print(picamera2.KIND)'"
    ensure(device.run(reads).returncode != 0, "picamera2 is seen before it is there")
    pid = rig.unit_property("MainPID")
    device.run_checked("DEBIAN_FRONTEND=noninteractive apt-get -y install /root/picamera2.deb 2>&1", 300)
    ensure(device.run_checked(reads) == "of apt", "picamera2 is not seen")
    device.wait("the service was restarted", 60, lambda: rig.unit_property("MainPID") not in (pid, "0"))
    device.run_checked("DEBIAN_FRONTEND=noninteractive apt-get -y remove python3-picamera2 2>&1", 300)
    rig.wait_for_event(rig.observer.position)
    return "seen once it was installed"


def takes_over(rig: Rig) -> str:
    """The package takes over what systemd/install has installed from a checkout, with its configuration."""
    device = rig.device
    device.run_checked(
        f"rm -rf /root/deb && dpkg-deb -x {_PACKAGES}/lower.deb /root/deb && mkdir -p /root/project && "
        "tar -C /root/project -xf /mnt/project.tar",
        120,
    )
    device.run_checked("apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq -y install python3-venv", 600)
    command = "/root/project/systemd/install"
    # Its own version is that of the commit; the wheels are those of the version before, which is newer to nobody.
    device.run_checked(f"{command} --offline /root/deb/usr/lib/emotion-edge/wheels 2>&1", _INSTALL_SECONDS)
    ensure(rig.exists("/usr/local/bin/emotion-edge"), "systemd/install has made no command")
    device.run_checked(f"echo '# of its owner' >>{CONFIG}")
    code, output = _apt(rig, "current")
    ensure(code == 0, f"apt-get exited with {code}: {output}")
    ensure("# of its owner" in device.run_checked(f"cat {CONFIG}"), "the configuration was replaced")
    for gone in ("/usr/local/bin/emotion-edge", f"/etc/systemd/system/{UNIT}.service", f"{CONFIG}.kept"):
        ensure(not rig.exists(gone), f"{gone} is still there")
    ensure(rig.unit_property("UnitFileState") == "enabled", "the service does not start with the system")
    ensure(rig.unit_property("ActiveState") == "active", "the service does not run")
    refused = device.run(f"{command} --uninstall 2>&1").stdout
    ensure("the Debian package emotion-edge is installed here" in refused, refused)
    device.run_checked("DEBIAN_FRONTEND=noninteractive apt-get -y purge emotion-edge 2>&1", 300)
    return _package_version(rig, "current")
