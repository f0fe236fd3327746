"""The server: its socket, idle and stuck connections, and how it ends."""

import logging
import os
import re
import socket
import time

import numpy as np
import pytest

from edge.config.schema import Config, PreviewConfig
from edge.errors import ConfigError
from edge.preview.listener import listen
from edge.preview.server import PreviewServer
from support.mqtt import wait_until
from support.preview import TOKEN, result


def build(server=None, **preview):
    """Return a server that is not started. `server`: further options of it; the others are those of [preview]."""
    config = Config(preview=PreviewConfig(enabled=True, **preview))
    return PreviewServer(config, lambda _: pytest.fail("health was requested"), **(server or {}))


def test_port_in_use_is_refused():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError) as refused:
            build(port=port)
        beginning, free, end = re.split(r"(\d+)(?=, which is free)", str(refused.value))
        assert beginning + end == (
            f"preview.port {port} at preview.host '127.0.0.1' cannot be used (Address already in use): another program "
            "has this port; set preview.port to another one, such as , which is free"
        )
        build(port=int(free)).stop()


def test_sensor_that_has_the_port_is_named():
    first = build(port=0)
    with pytest.raises(
        ConfigError, match=rf"the sensor in process {os.getpid()}( of \S+)? has this port; set preview\.p"
    ):
        build(port=first.port)
    first.stop()


def test_server_that_may_wait_serves_the_page_once_the_port_is_free(caplog):
    caplog.set_level(logging.INFO)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        given_up = build(port=port, server={"wait_for_port": True})
        given_up.start(live=True)
        given_up.stop()
        assert not given_up.running
        caplog.clear()
        server = build(port=port, server={"wait_for_port": True, "port_seconds": 0.01})
        server.start(live=True)
        (record,) = caplog.records
        assert record.levelname == "WARNING"
        assert record.getMessage().startswith(f"preview.port {port} at preview.host '127.0.0.1' cannot be used (Addr")
        assert record.getMessage().endswith("is free; the sensor runs without its page until the port is free")
        assert server.describe().startswith(f"http://127.0.0.1:{port}/")
    try:
        wait_until(lambda: "the port is free now: preview page served at" in caplog.text)
        with socket.create_connection(("127.0.0.1", port), 30) as page:
            page.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert page.recv(100).startswith(b"HTTP/1.1 ")
    finally:
        server.stop()
    assert not server.running


def test_address_of_another_machine_is_refused(monkeypatch):
    monkeypatch.setenv("EMOTION_EDGE_PREVIEW_TOKEN", TOKEN)
    # 192.0.2.0/24 is set aside for documentation (RFC 5737).
    for host, why in (("192.0.2.1", "cannot be used"), ("no.such.host.invalid", "no address of this machine")):
        with pytest.raises(ConfigError, match=why):
            build(port=0, host=host)


def test_server_that_was_not_started_is_described_and_stopped():
    server = build(port=0)
    assert server.describe() == f"http://127.0.0.1:{server.port}/, for this machine alone"
    server.stop()
    assert not server.running


def test_stuck_connection_is_cut_by_the_kernel_after_half_a_minute():
    with listen("127.0.0.1", 0) as listener:
        assert listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000


def test_idle_connection_is_closed_and_a_watcher_is_not(make_site):
    site = make_site(fps=30, server={"idle_seconds": 0.3, "idle_check_seconds": 0.1})
    watcher = site.watch()
    address = ("127.0.0.1", site.port)
    with socket.create_connection(address, 30) as silent, socket.create_connection(address, 30) as half:
        half.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ")
        assert silent.recv(100) == b""
        assert half.recv(100) == b""
    site.show(result(1))
    watcher.wait(lambda one: one.frames)


def test_watcher_that_reads_nothing_delays_neither_others_nor_the_end(make_site):
    site = make_site(fps=30)
    stuck = site.watch_without_reading()
    noise = np.random.default_rng(1).integers(0, 255, (480, 640), np.uint8)
    quick = site.watch()
    wait_until(lambda: site.stream.watchers == 2)
    for number in range(1, 60):
        site.show(result(number, luma=np.roll(noise, number, 1)))
        wait_until(lambda number=number: number in quick.frames)
    began = time.monotonic()
    site.close()
    assert time.monotonic() - began < 20
    stuck.close()
