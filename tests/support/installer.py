"""Runs systemd/install in a private view of this machine, with stand-ins for systemctl, pip and the program.

The view is a mount namespace: /etc is an overlay, and the folders into which the installer writes are folders of the
test. What the installer decides by is real: files and their modes, users, mount points, open files, exit codes.
systemd itself, its sandbox and the real program are what tests/device and docs/device-test.md are for.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PYTHON = sys.executable

MOUNTS = """
set -eu
umask 022
mount --make-rprivate /
mkdir -p "$VIEW/layers"
mount -t tmpfs none "$VIEW/layers"
mkdir "$VIEW/layers/work"
cp -a "$VIEW/etc" "$VIEW/layers/upper"
mount -t overlay -o "lowerdir=/etc,upperdir=$VIEW/layers/upper,workdir=$VIEW/layers/work" none /etc
for folder in /opt /usr/local/bin /run /var/lib; do
    mkdir -p "$VIEW$folder"
    mount --bind "$VIEW$folder" "$folder"
done
mkdir -p /run/systemd/system /var/lib/private /etc/systemd/system
[ -z "${MOUNTED:-}" ] || { mkdir -p "$MOUNTED"; mount -t tmpfs none "$MOUNTED"; cp -a "$VIEW/mounted/." "$MOUNTED"; }
status=0
umask "${MASK:-022}"
PATH=$VIEW/stand-ins:$PATH sh "$INSTALL" "$@" || status=$?
rm -rf "$VIEW/etc"
cp -a "$VIEW/layers/upper" "$VIEW/etc"
exit $status
"""

PYTHON_STAND_IN = """#!/bin/sh
# Makes an environment with the stand-in for the program; installs packages while there is a network.
case "$1 ${2:-}" in
"-m venv")
    for folder do :; done
    mkdir -p "$folder/bin"
    cp "$VIEW/stand-ins/python" "$folder/bin/python"
    cp "$VIEW/stand-ins/program" "$folder/bin/emotion-edge"
    ;;
"-m pip") [ ! -e "$VIEW/no-network" ] || { echo "ERROR: no matching distribution" >&2; exit 1; } ;;
*) exec @PYTHON@ "$@" ;;
esac
"""

PROGRAM_STAND_IN = """#!/bin/sh
# Reads its configuration, and checks what the test's line in it says; the network of a detector says it itself.
if [ "$*" = "doctor --only detector" ]; then
    grep -q network "$EMOTION_EDGE_DETECTOR_YUNET_FILE" && exit
    echo "FAIL  detector     is no network"
    exit 1
fi
if [ "$1 $2" = "cameras --device-of" ]; then
    readlink -f "${3#v4l2:}"
    exit
fi
for config do :; done
content=$(cat "$config" 2>/dev/null) || { echo "emotion-edge: $config cannot be read"; exit 2; }
case $content in *nonsense*) echo "emotion-edge: unknown key nonsense"; exit 2 ;; esac
case "$1 $2" in
"config show") cat "$config"; exit ;;
"config check") echo "the configuration can be used"; exit ;;
esac
echo "ok    arguments    $*"
echo "ok    user         $(id -u) $(id -G) $(cat "${CREDENTIALS_DIRECTORY:-/none}/mqtt-password" 2>/dev/null)"
case "$*" in *"--skip source"*) exit ;; esac
case $content in *broken*) echo "FAIL  source       is broken"; exit 1 ;; esac
"""

SYSTEMCTL_STAND_IN = '''#!@PYTHON@ -IS
"""As strict as systemctl: units are those of the last daemon-reload, and an unknown one or a wrong word fails."""
import fnmatch, json, os, shlex, shutil, subprocess, sys, tempfile
from pathlib import Path

NOBODY = 65534
view = Path(os.environ["VIEW"])
state = view / "systemctl.json"
units = json.loads(state.read_text()) if state.exists() else {}
with (view / "calls").open("a") as calls:
    calls.write(shlex.join(sys.argv[1:]) + "\\n")
verb, *words = sys.argv[1:]
PROPERTIES = {"MainPID", "ActiveState", "SubState", "Result", "ExecMainStatus"}
names = [word.removesuffix(".service") for word in words if not word.startswith("-") and word not in PROPERTIES]
allowed = {"--quiet", "--now", "--no-block", "--job-mode=ignore-dependencies", "--value", "-p"}
if verb == "list-units":
    allowed |= {"--all", "--full", "--plain", "--no-legend"}
if unknown := [word for word in words if word.startswith("-") and word not in allowed]:
    sys.exit(f"unknown option {unknown}")


def fresh(text):
    idle = {"ActiveState": "inactive", "MainPID": 0, "Result": "success", "ExecMainStatus": 0}
    return {"text": text, "Enabled": False} | idle


def matching(patterns):
    """Units in memory: those of files, and of templates the instances that run or are enabled."""
    loaded = {name for name in units if not name.endswith("@")}
    return [name for pattern in patterns for name in sorted(loaded) if fnmatch.fnmatchcase(name, pattern)]


def load():
    found = {}
    for folder in ("/run/systemd/system", "/etc/systemd/system"):
        for file in Path(folder).glob("emotion-edge*.service"):
            found[file.stem] = (units.get(file.stem) or fresh("")) | {"text": file.read_text()}
    for name, unit in units.items():
        if name not in found and unit["ActiveState"] != "inactive":
            found[name] = unit
    return found


def known(name):
    if name not in units:
        print(f"Failed to {verb} {name}.service: Unit {name}.service not found.", file=sys.stderr)
        sys.exit(5)
    return units[name]


def settings(text):
    values, section = {}, ""
    for line in text.splitlines():
        if line.startswith("["):
            section = line
        elif section == "[Service]" and "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            values[key] = values.get(key, []) + [value] if value else []
    return values


def become(user_is_dynamic):
    if user_is_dynamic:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)


def oneshot(unit, service):
    output = service["StandardOutput"][-1].removeprefix("file:")
    with tempfile.TemporaryDirectory() as credentials, open(output, "w") as out:
        os.chmod(credentials, 0o755)
        for entry in service["LoadCredential"]:
            name, _, source = entry.partition(":")
            if Path("/etc/credstore", source).exists():
                shutil.copy(Path("/etc/credstore", source), Path(credentials, name))
                shutil.chown(Path(credentials, name), NOBODY)
        ran = subprocess.run(
            shlex.split(service["ExecStart"][-1]), stdout=out, stderr=out, stdin=subprocess.DEVNULL,
            env={"PATH": "/usr/bin:/bin", "CREDENTIALS_DIRECTORY": credentials},
            preexec_fn=lambda: become(service["DynamicUser"] == ["yes"]),
        )
    if ran.returncode:
        unit |= {"ActiveState": "failed", "Result": "exit-code", "ExecMainStatus": ran.returncode}
        sys.exit_code = 1


def start(name):
    unit = known(name)
    service = settings(unit["text"])
    if service["Type"] == ["oneshot"] or service["Type"][-1] == "oneshot":
        oneshot(unit, service)
    elif (view / "starts").exists() and os.readlink("/opt/emotion-edge/current") != (view / "starts").read_text():
        print("Job for emotion-edge.service failed.", file=sys.stderr)
        unit |= {"ActiveState": "failed", "Result": "exit-code", "ExecMainStatus": 1}
        sys.exit_code = 1
    elif unit["ActiveState"] != "active":
        held = (view / "holds").read_text().split() if (view / "holds").exists() else []
        opened = [os.open(path, os.O_RDONLY) for path in held]
        process = subprocess.Popen(
            ["sleep", "600"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            pass_fds=opened, start_new_session=True,
        )
        unit |= {"ActiveState": "active", "MainPID": process.pid}


def stop(name):
    unit = known(name)
    if unit["MainPID"]:
        os.kill(unit["MainPID"], 9)
    unit |= {"ActiveState": "inactive", "MainPID": 0}


sys.exit_code = 0
match verb:
    case "daemon-reload":
        units = load()
    case "start" | "stop" | "restart":
        for name in matching(names) if verb == "stop" else names:
            if verb != "start":
                stop(name)
            if verb != "stop":
                start(name)
    case "enable" | "disable":
        for name in names:
            known(name)["Enabled"] = verb == "enable"
            if verb == "disable" and "--now" in words:
                stop(name)
    case "is-enabled":
        (name,) = names
        sys.exit_code = 0 if units.get(name, fresh(""))["Enabled"] else 1
    case "list-units":
        print(*(f"{name}.service loaded {units[name]['ActiveState']} - Sensor" for name in matching(names)), sep="\\n")
    case "reset-failed":
        for name in names:
            if known(name)["ActiveState"] == "failed":
                units[name] = fresh(units[name]["text"])
    case "show":
        (name,), (key,) = names, [word for word in words if word in PROPERTIES]
        unit = units.get(name) or fresh("")
        sub = {"active": "running", "inactive": "dead"}.get(unit["ActiveState"], unit["ActiveState"])
        print((unit | {"SubState": sub})[key])
    case _:
        sys.exit(f"Unknown command verb {verb}.")
state.write_text(json.dumps(units))
sys.exit(sys.exit_code)
'''


class Machine:
    """A machine on which the installer runs, in the folder `view`."""

    def __init__(self, view: Path) -> None:
        self.view = view
        stand_ins = view / "stand-ins"
        stand_ins.mkdir(parents=True)
        (view / "etc").mkdir()
        texts = {"python": PYTHON_STAND_IN, "program": PROGRAM_STAND_IN, "systemctl": SYSTEMCTL_STAND_IN}
        for name, text in texts.items():
            (stand_ins / name).write_text(text.replace("@PYTHON@", PYTHON), encoding="utf-8")
            (stand_ins / name).chmod(0o755)

    def install(self, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """Run the installer in the view. `MOUNTED`: a path that is a mount point, with the content of view/mounted.

        `MASK`: the umask of the person who runs it.
        """
        settings = {"VIEW": str(self.view), "INSTALL": str(ROOT / "systemd" / "install")}
        return subprocess.run(
            ["unshare", "--mount", "sh", "-c", MOUNTS, "install", *arguments],
            env=os.environ | settings | {"PYTHON": str(self.view / "stand-ins" / "python")} | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def path(self, path: str) -> Path:
        """Return where a path of the view lies."""
        return self.view / path.removeprefix("/")

    def main_pid(self) -> int:
        """Return the process id of the service; 0 where it does not run."""
        units = json.loads((self.view / "systemctl.json").read_text(encoding="utf-8"))
        return int(units["emotion-edge"]["MainPID"]) if "emotion-edge" in units else 0

    def calls(self) -> list[str]:
        """Return the commands of systemctl since the last time, and forget them."""
        file = self.view / "calls"
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return lines

    def close(self) -> None:
        """End the service."""
        if (self.view / "systemctl.json").exists() and (pid := self.main_pid()):
            os.kill(pid, 9)
