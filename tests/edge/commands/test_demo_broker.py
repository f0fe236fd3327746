"""The private mosquitto of the demo and the tests."""

import os
import socket
import struct
from collections.abc import Callable

import pytest

import edge.commands.demo_broker
from edge.errors import BrokerError
from support.broker import PrivateBroker

IP_LOCAL_PORT_RANGE = 51
"""Option of a socket: the range from which the kernel chooses, the last port in the upper 16 bits; linux/in.h."""


def connects(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


def test_broker_keeps_its_port_over_a_restart(make_broker: Callable[..., PrivateBroker]) -> None:
    broker = make_broker()
    broker.start()
    port = broker.port
    assert connects(port)
    broker.stop()
    broker.stop()
    assert not connects(port)
    broker.start()
    assert (broker.port, connects(port)) == (port, True)


def test_port_taken_by_another_program_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    choose = edge.commands.demo_broker.free_port
    with socket.create_server(("127.0.0.1", 0)) as thief:
        taken = thief.getsockname()[1]
        ports = iter([taken, choose()])
        monkeypatch.setattr(edge.commands.demo_broker, "free_port", lambda: next(ports))
        with edge.commands.demo_broker.PrivateBroker() as broker:
            assert broker.port not in (0, taken)


def other_programs_get(port: int) -> list[str]:
    """Return in which ways another program gets the port: by asking for it, for any, or for a connection's own end."""
    got = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        for way in ("this", "any", "own end"):
            with socket.socket() as other:
                # In place of a machine whose other ports are taken: this one is all that the kernel may choose.
                other.setsockopt(socket.IPPROTO_IP, IP_LOCAL_PORT_RANGE, struct.pack("I", port << 16 | port))
                try:
                    if way == "own end":
                        other.connect(server.getsockname())
                    else:
                        other.bind(("127.0.0.1", port if way == "this" else 0))
                except OSError:
                    continue
                got.append(way)
    return got


def test_no_other_program_gets_the_port_before_between_and_after_starts(
    make_broker: Callable[..., PrivateBroker],
) -> None:
    broker = make_broker()
    broker.reserve()
    with socket.socket() as probe:
        try:
            probe.setsockopt(socket.IPPROTO_IP, IP_LOCAL_PORT_RANGE, 0)
        except OSError:
            pytest.skip("Linux has IP_LOCAL_PORT_RANGE from 6.3 on")
    assert other_programs_get(broker.port) == []
    for end in (broker.stop, broker.kill):
        broker.start()
        assert other_programs_get(broker.port) == []
        end()
        assert other_programs_get(broker.port) == []
    broker.__exit__()
    assert other_programs_get(broker.port) == ["this", "any", "own end"]


def test_exit_ends_the_process_and_removes_the_folder(make_broker: Callable[..., PrivateBroker]) -> None:
    with make_broker(users={"joe": "secret"}) as broker:
        folder, pid = broker.folder, broker.pid
        assert folder is not None
        assert pid is not None
        assert "secret" not in (folder / "passwords").read_text(encoding="utf-8")
    assert not folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_configuration_that_mosquitto_refuses_is_an_error(make_broker: Callable[..., PrivateBroker]) -> None:
    with pytest.raises(BrokerError, match=r"mosquitto does not start: .*no_such_option"):
        make_broker(extra=["no_such_option 1"], retry_seconds=0.0).start()


def test_missing_mosquitto_names_the_package_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge.commands.demo_broker, "find_mosquitto", lambda: None)
    with pytest.raises(BrokerError, match="apt install mosquitto"):
        PrivateBroker().start()
