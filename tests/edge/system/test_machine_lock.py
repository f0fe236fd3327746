"""Locks across processes and users of this machine, with real sockets."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from edge.system.machine_lock import LockedError, MachineLock

NOBODY = 65534
HOLD = """
import os, sys
from edge.system.machine_lock import MachineLock
user, *names = sys.argv[1:]
if user:
    os.setuid(int(user))
with MachineLock() as lock:
    lock.acquire(names)
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def name(request):
    """A name that no other test uses, nor the same test in another process."""
    return f"{request.node.nodeid} {os.getpid()}"


@pytest.fixture
def hold():
    """Starts a process that holds names; returns it once it does."""
    processes = []

    def hold_(*names, user=""):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(user), *names],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"PYTHONPATH": ":".join(path for path in sys.path if path)},
        )
        processes.append(process)
        assert process.stdout.readline() == b"held\n"
        return process

    yield hold_
    for process in processes:
        process.kill()
        process.communicate()


def test_name_of_another_process_is_refused_with_its_process_id(name, hold):
    holder = hold(f"{name} a", f"{name} b")
    for taken in ("a", "b"):
        with pytest.raises(LockedError) as refused:
            MachineLock().acquire([f"{name} {taken}"])
        assert refused.value.name == f"{name} {taken}"
        assert refused.value.holder.pid == holder.pid


@pytest.mark.skipif(os.getuid() != 0, reason="only root can start a process of another user")
def test_name_is_shared_by_all_users(name, hold):
    holder = hold(name, user=NOBODY)
    with pytest.raises(LockedError) as refused:
        MachineLock().acquire([name])
    assert refused.value.holder.pid == holder.pid


def test_killed_process_frees_its_names(name, hold):
    holder = hold(name)
    holder.kill()
    holder.wait()
    with MachineLock() as lock:
        lock.acquire([name])


def test_all_names_are_locked_or_none(name, hold):
    hold(f"{name} second")
    with pytest.raises(LockedError):
        MachineLock().acquire([f"{name} first", f"{name} second"])
    with MachineLock() as lock:
        lock.acquire([f"{name} first"])


def test_closed_lock_can_be_acquired_again(name):
    lock = MachineLock()
    for _ in range(2):
        lock.acquire([name])
        with pytest.raises(LockedError) as refused:
            MachineLock().acquire([name])
        assert refused.value.holder.pid == os.getpid()
        lock.close()


def test_process_id_is_unknown_where_the_kernels_list_is_hidden(name, hold, tmp_path):
    hold(name)
    with pytest.raises(LockedError) as refused:
        MachineLock(tmp_path / "hidden").acquire([name])
    assert refused.value.holder is None


def test_unit_of_the_holder_is_told_where_its_process_cannot_be_looked_into(name):
    """A hardened service finds no process of others in /proc."""
    assert MachineLock().holder(name) is None
    with MachineLock(unit="emotion-edge@door.service") as first, MachineLock(unit="emotion-edge@door.service") as lock:
        first.acquire([f"{name} first"])
        lock.acquire([name])
        assert str(MachineLock().holder(name)) == f"process {os.getpid()} of emotion-edge@door.service"
    with MachineLock(unit="") as lock:
        lock.acquire([name])
        assert str(lock.holder(name)) == f"process {os.getpid()}"


def test_long_names_in_any_script_can_be_locked(name):
    with MachineLock() as lock:
        lock.acquire([f"{name} {'Größe ' * 100}", f"{name} {'Größe ' * 101}"])


def test_kernel_lists_names_as_this_module_reads_them(name):
    with MachineLock() as lock:
        lock.acquire([name])
        lines = Path("/proc/net/unix").read_text(encoding="utf-8", errors="replace")
    assert re.search(rf" @emotion-edge/[0-9a-f]{{64}}/{os.getpid()}$", lines, re.MULTILINE)
