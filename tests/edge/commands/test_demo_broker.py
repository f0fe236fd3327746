import os
import socket
from collections.abc import Callable

import pytest

import edge.commands.demo_broker
from edge.commands.demo_broker import PrivateBroker
from edge.errors import BrokerError


def connects(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


def test_listens_when_started_and_keeps_its_port(make_broker: Callable[..., PrivateBroker]) -> None:
    broker = make_broker()
    broker.start()
    port = broker.port
    assert connects(port)
    broker.stop()
    broker.stop()
    assert not connects(port)
    broker.start()
    assert (broker.port, connects(port)) == (port, True)


def test_port_that_another_program_took_meanwhile(
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


def test_nothing_is_left(make_broker: Callable[..., PrivateBroker]) -> None:
    with make_broker(users={"joe": "secret"}) as broker:
        assert broker._folder is not None
        assert broker._process is not None
        folder, pid = broker._folder.name, broker._process.pid
        with open(f"{folder}/passwords") as file:  # noqa: PTH123
            assert "secret" not in file.read()
    assert not os.path.exists(folder)  # noqa: PTH110
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_configuration_that_mosquitto_refuses(
    make_broker: Callable[..., PrivateBroker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge.commands.demo_broker, "_RETRY_SECONDS", 0.0)
    with pytest.raises(BrokerError, match=r"mosquitto does not start: .*no_such_option"):
        make_broker(extra=["no_such_option 1"]).start()


def test_no_mosquitto(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge.commands.demo_broker, "find_mosquitto", lambda: None)
    with pytest.raises(BrokerError, match="apt install mosquitto"):
        PrivateBroker().start()
