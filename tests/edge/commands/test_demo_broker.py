"""The private mosquitto of the demo and the tests."""

import os
import socket
from collections.abc import Callable

import pytest

import edge.commands.demo_broker
from edge.errors import BrokerError
from support.broker import PrivateBroker


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


def test_port_taken_by_another_program_is_replaced(
    make_broker: Callable[..., PrivateBroker], monkeypatch: pytest.MonkeyPatch
) -> None:
    choose = edge.commands.demo_broker.free_port
    with socket.create_server(("127.0.0.1", 0)) as thief:
        taken = thief.getsockname()[1]
        ports = iter([taken, choose()])
        monkeypatch.setattr(edge.commands.demo_broker, "free_port", lambda: next(ports))
        broker = make_broker()
        broker.start()
        assert broker.port not in (0, taken)


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
