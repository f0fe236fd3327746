"""The promises of systemd/install: what it checks first, as whom, and what it leaves where it fails."""

import fcntl
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from support.installer import ROOT, Machine

CONFIG = "/etc/emotion-edge/config.toml"
YUNET = "/etc/emotion-edge/face_detection_yunet.onnx"
NOBODY = "65534"


def can_run():
    if os.getuid() or not shutil.which("unshare"):
        return False
    overlay = "mount -t overlay -o lowerdir=/etc,upperdir=/mnt/u,workdir=/mnt/w none /etc"
    probe = f"mount --make-rprivate / && mount -t tmpfs none /mnt && mkdir /mnt/u /mnt/w && {overlay}"
    return subprocess.run(["unshare", "--mount", "sh", "-c", probe], capture_output=True, check=False).returncode == 0


pytestmark = pytest.mark.skipif(not can_run(), reason="needs root, and leave to mount in a namespace of its own")


@pytest.fixture
def machine(tmp_path):
    # The service's user must be able to reach the program below it.
    for folder in [tmp_path, *list(tmp_path.parents)[:2]]:
        folder.chmod(0o755)
    machine = Machine(tmp_path)
    yield machine
    machine.close()


@pytest.fixture
def installed(machine):
    done = machine.install()
    assert done.returncode == 0, done.stdout + done.stderr
    assert machine.main_pid()
    machine.calls()
    return machine


def write_config(machine, text, mode=0o644):
    file = machine.path(CONFIG)
    file.write_text(text, encoding="utf-8")
    file.chmod(mode)


def versions(machine):
    return sorted(path.name for path in machine.path("/opt/emotion-edge/versions").iterdir())


def test_first_installation_is_checked_as_the_service_and_can_be_read_by_it(machine):
    done = machine.install(MASK="077")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"ok    user         {NOBODY} " in done.stdout
    assert "is installed.\nThe service runs: systemctl status emotion-edge" in done.stdout
    assert machine.path("/etc/credstore").stat().st_mode & 0o777 == 0o700
    assert machine.path(CONFIG).stat().st_mode & 0o777 == 0o644
    unit = machine.path("/etc/systemd/system/emotion-edge.service").read_text(encoding="utf-8")
    for file in re.findall(r"^Documentation=file:/opt/emotion-edge/current(.*)$", unit, re.MULTILINE):
        assert (machine.path("/opt/emotion-edge/versions") / versions(machine)[0] / file[1:]).is_file()
    assert list(machine.path("/run/systemd/system").iterdir()) == []


def test_file_of_a_detector_is_put_where_the_service_can_read_it_and_goes_with_a_purge(machine):
    file = machine.view / "face_detection_yunet_2026may.onnx"
    file.write_bytes(b"network")
    file.chmod(0o600)
    plan = machine.install("--plan", "--detector", str(file))
    assert f"copy {file} to {YUNET}" in plan.stdout
    done = machine.install("--detector", str(file), MASK="077")
    assert done.returncode == 0, done.stdout + done.stderr
    assert machine.path(YUNET).read_bytes() == b"network"
    assert machine.path(YUNET).stat().st_mode & 0o777 == 0o644
    assert sorted(path.name for path in machine.path(YUNET).parent.iterdir()) == ["config.toml", Path(YUNET).name]
    assert 'write kind = "yunet" below [detector]' in done.stdout
    assert machine.install("--uninstall").returncode == 0
    assert machine.path(YUNET).exists()
    assert machine.install("--purge").returncode == 0
    assert not machine.path(YUNET).parent.exists()


def test_file_that_is_no_detector_does_not_replace_the_one_that_is_there(machine):
    good, page = machine.view / "good.onnx", machine.view / "page.onnx"
    good.write_bytes(b"network")
    page.write_bytes(b"<html>")
    assert machine.install("--detector", str(good)).returncode == 0
    done = machine.install("--detector", str(page))
    assert done.returncode == 1
    assert f"{page} cannot be used as YuNet's file" in done.stderr
    assert machine.path(YUNET).read_bytes() == b"network"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--detector"], "--detector needs YuNet's file"),
        (["--detector", "/gone.onnx"], "--detector /gone.onnx: there is no such file"),
        (["--detector", "/etc/passwd", "--check"], "--detector goes with an installation only"),
    ],
)
def test_file_of_a_detector_that_cannot_be_used_ends_the_installation_before_it_begins(machine, options, reason):
    done = machine.install(*options)
    assert done.returncode == 1
    assert reason in done.stderr
    assert list(machine.path("/opt").iterdir()) == []


def test_first_installation_without_a_network_leaves_nothing_and_names_the_way(machine):
    (machine.view / "no-network").touch()
    done = machine.install()
    assert done.returncode == 1
    assert "--offline WHEELDIR" in done.stderr.splitlines()[-1]
    assert list(machine.path("/opt").iterdir()) == []
    assert not machine.path(CONFIG).exists()
    assert not machine.path("/etc/credstore").exists()


@pytest.mark.parametrize(
    ("content", "mode", "reason"),
    [
        ("nonsense = 1\n", 0o644, "unknown key nonsense"),
        ('[source]\nuri = "v4l2:/dev/video0"\n', 0o600, "cannot be read"),
        ('[source]\nuri = "broken"\n', 0o644, "FAIL  source"),
    ],
)
def test_configuration_that_cannot_be_used_leaves_the_running_service_alone(installed, content, mode, reason):
    write_config(installed, content, mode)
    pid, before = installed.main_pid(), versions(installed)
    done = installed.install()
    assert done.returncode == 1
    assert reason in done.stdout
    assert f"{before[0]} stays in force" in done.stderr
    assert installed.main_pid() == pid
    assert not [call for call in installed.calls() if re.match(r"(stop|restart|disable).* emotion-edge$", call)]
    assert versions(installed) == before


def test_open_camera_is_left_to_the_service_until_the_rest_is_in_order(machine):
    camera = machine.view / "camera"
    camera.touch()
    (machine.view / "holds").write_text(str(camera), encoding="utf-8")
    assert machine.install().returncode == 0
    # It fails where it is tried, which is after everything else: the old version starts again.
    write_config(machine, f'[source]\nuri = "v4l2:{camera}"\n# broken\n')
    machine.calls()
    done = machine.install()
    assert done.returncode == 1
    beside, alone = [line for line in done.stdout.splitlines() if "arguments" in line]
    assert "doctor --skip source" in beside
    assert "doctor --only source" in alone
    assert machine.main_pid()
    assert machine.calls()[-1] != "stop emotion-edge"
    assert len(versions(machine)) == 1


def test_second_installer_does_not_start_beside_the_first(machine):
    lock = machine.path("/run/emotion-edge-install.lock")
    lock.parent.mkdir(parents=True)
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = machine.install()
    assert done.returncode == 1
    assert "another installation of emotion-edge runs" in done.stderr
    assert list(machine.path("/opt").iterdir()) == []


def test_version_that_does_not_start_gives_way_to_the_old_one_and_its_unit(installed):
    current, unit = installed.path("/opt/emotion-edge/current"), "/etc/systemd/system/emotion-edge.service"
    old = current.readlink()
    (installed.view / "starts").write_text(str(old), encoding="utf-8")
    installed.path(unit).write_text("[Service]\nType=notify\n# of the old version\n", encoding="utf-8")
    done = installed.install()
    assert done.returncode == 1
    assert "the new version of emotion-edge does not start" in done.stderr
    assert current.readlink() == old
    assert versions(installed) == [old.name]
    assert "# of the old version" in installed.path(unit).read_text(encoding="utf-8")
    assert installed.main_pid(), "the old version was started again"


def test_check_runs_as_the_service_and_names_what_it_leaves_out(machine):
    camera = machine.view / "camera"
    camera.touch()
    (machine.view / "holds").write_text(str(camera), encoding="utf-8")
    assert machine.install().returncode == 0
    write_config(machine, f'[source]\nuri = "v4l2:{camera}"\n')
    password = machine.path("/etc/credstore/emotion-edge.mqtt-password")
    password.write_text("secret", encoding="utf-8")
    password.chmod(0o600)
    done = machine.install("--check")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "what these checks would open: source" in done.stdout
    assert re.search(rf"user +{NOBODY} .*secret$", done.stdout, re.MULTILINE), "the credential, and no other right"
    write_config(machine, "", 0o600)
    assert machine.install("--check").returncode == 2


def test_check_of_a_version_that_has_none_names_the_upgrade(installed):
    (program,) = installed.path("/opt/emotion-edge/versions").glob("*/share/emotion-edge/service")
    program.unlink()
    done = installed.install("--check")
    assert done.returncode == 1
    assert "the installed version cannot do this beside this checkout: upgrade it first" in done.stderr


def test_purge_goes_on_past_a_mount_point_and_says_so(installed):
    shutil.copytree(installed.path("/opt/emotion-edge"), installed.view / "mounted", symlinks=True)
    shutil.rmtree(installed.path("/opt/emotion-edge"))
    done = installed.install("--purge", MOUNTED="/opt/emotion-edge")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "/opt/emotion-edge is a mount point, and empty now" in done.stdout
    for gone in ("/etc/emotion-edge", "/var/lib/private/emotion-edge", "/usr/local/bin/emotion-edge"):
        assert not os.path.lexists(installed.path(gone)), gone
    assert not installed.main_pid()


def test_purge_names_a_state_folder_that_is_a_mount_point_once(installed):
    installed.path("/var/lib/emotion-edge").symlink_to("private/emotion-edge")
    (installed.view / "mounted").mkdir()
    (installed.view / "mounted" / "outbox").touch()
    done = installed.install("--purge", MOUNTED="/var/lib/private/emotion-edge")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("/var/lib/private/emotion-edge is a mount point, and empty now") == 1
    assert "pointed" not in done.stdout
    assert not os.path.lexists(installed.path("/var/lib/emotion-edge"))


def test_content_of_another_file_system_is_kept_and_named(installed):
    (installed.view / "mounted").mkdir()
    (installed.view / "mounted" / "mine").touch()
    done = installed.install("--purge", MOUNTED="/etc/emotion-edge/mine")
    assert done.returncode == 1
    assert re.search(r"Done, except for:\n +- /etc/emotion-edge \(.*mine", done.stdout)
    assert not installed.path("/opt/emotion-edge").exists()


def test_check_has_every_limit_of_the_unit_and_of_its_drop_ins(tmp_path):
    """What the check's unit says of its rights is what the service's unit says, word for word."""
    unit = ROOT / "systemd" / "emotion-edge.service"
    script = f". {ROOT}/scripts/common.sh; . {ROOT}/systemd/as-service.sh; check_unit doctor"
    settings = {"units": str(unit.parent), "program": "/bin/true"}
    printed = subprocess.run(
        ["sh", "-euc", script], env=os.environ | settings, capture_output=True, text=True, check=True
    )
    wanted = [
        line
        for line in unit.read_text(encoding="utf-8").partition("[Service]")[2].partition("[Install]")[0].splitlines()
        if "=" in line and not line.startswith("#")
    ]
    assert [line for line in printed.stdout.splitlines() if line in wanted] == wanted
    if shutil.which("systemd-analyze"):
        file = tmp_path / "emotion-edge-check.service"
        file.write_text(printed.stdout, encoding="utf-8")
        verified = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", file], capture_output=True, text=True, check=False
        )
        assert not [line for line in verified.stderr.splitlines() if file.name in line]


LIGHT_RULE = "/etc/udev/rules.d/60-emotion-edge-light.rules"
LIGHT_DROP_IN = "/etc/systemd/system/emotion-edge.service.d/light.conf"
LIGHT_CONFIG = '[source]\nuri = "scripted:"\n[indicator]\nled = "{}"\n'


def test_service_may_switch_the_led_that_is_configured_and_no_other_until_it_is_removed(installed):
    none = installed.install("--light")
    assert (none.returncode, installed.path(LIGHT_RULE).exists()) == (0, False)
    assert f'write led = "NAME" below [indicator] in {CONFIG}' in none.stdout

    write_config(installed, LIGHT_CONFIG.format("camera:red"))
    done = installed.install()
    assert done.returncode == 0, done.stdout + done.stderr
    rule = installed.path(LIGHT_RULE).read_text(encoding="utf-8").splitlines()[-1]
    assert 'SUBSYSTEM=="leds", KERNEL=="camera:red"' in rule
    assert "chgrp video /sys%p/brightness" in rule
    assert "chmod g+w /sys%p/brightness" in rule
    drop_in = installed.path(LIGHT_DROP_IN).read_text(encoding="utf-8").splitlines()
    assert [line for line in drop_in if not line.startswith("#")] == [
        "[Service]",
        "ReadWritePaths=-/sys/class/leds/camera:red",
        'ExecStopPost=-/bin/sh -c \'test "$$SERVICE_RESULT" != success || '
        'flock -nx /sys/class/leds/camera:red/brightness sh -c "echo 0 >/sys/class/leds/camera:red/brightness"\'',
    ]

    write_config(installed, "[indicator]\nnonsense\n")
    broken = installed.install("--light")
    assert (broken.returncode, "unknown key nonsense" in broken.stdout) == (1, True)
    assert installed.path(LIGHT_RULE).exists()

    write_config(installed, LIGHT_CONFIG.format("camera:blue"))
    done = installed.install("--light")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "doctor --only light" in done.stdout
    assert 'KERNEL=="camera:blue"' in installed.path(LIGHT_RULE).read_text(encoding="utf-8")
    assert installed.install("--uninstall").returncode == 0
    assert not installed.path(LIGHT_RULE).exists()
    assert not installed.path(LIGHT_DROP_IN).parent.exists()
