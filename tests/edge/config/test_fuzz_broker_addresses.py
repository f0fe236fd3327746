"""Any address of a broker is understood or refused in one sentence, and no token in it is shown."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge.config.credentials import parse_broker_url, shown_broker_url
from edge.errors import ConfigError
from support.fuzzing import fuzz

SYNONYMS = {
    "mqtt": ("mqtt", "tcp", "mqtt+tcp"),
    "mqtts": ("mqtts", "ssl", "tls", "mqtt+ssl", "mqtt+tls"),
    "ws": ("ws",),
    "wss": ("wss",),
}
NAMES = st.from_regex(r"[a-z0-9_]([a-z0-9_-]{0,20}[a-z0-9])?(\.[a-z][a-z0-9]{0,9}){0,3}", fullmatch=True)
HOSTS = NAMES | st.ip_addresses(v=4).map(str) | st.ip_addresses(v=6).map(lambda address: f"[{address}]")
PATHS = st.from_regex(r"(/[!-\"$->A-~]{0,20})?(\?[!-\"$-?A-~]{0,20})?", fullmatch=True)


@fuzz
@given(
    st.sampled_from([(scheme, name) for scheme, names in SYNONYMS.items() for name in names]),
    st.booleans(),
    HOSTS,
    st.none() | st.integers(1, 65_535),
    PATHS,
)
def test_every_form_of_an_address_is_understood(
    scheme: tuple[str, str],
    upper: bool,  # noqa: FBT001
    host: str,
    port: int | None,
    path: str,
) -> None:
    meaning, name = scheme
    websocket = meaning.startswith("ws")
    authority = host if port is None else f"{host}:{port}"
    url = f"{name.upper() if upper else name}://{authority}{path if websocket else ''}"
    broker = parse_broker_url(url)
    assert broker.scheme == meaning
    assert broker.host == host.strip("[]")
    assert broker.port == (port or {"mqtt": 1883, "mqtts": 8883, "ws": 80, "wss": 443}[meaning])
    if websocket:
        assert broker.path == (path if path.startswith("/") else f"/mqtt{path}")
    else:
        assert broker.path is None


@fuzz
@example("ws", "0.0.0.0", "/%40")  # noqa: S104 - no address to bind
@given(st.sampled_from(["ws", "wss", "WS"]), HOSTS, st.from_regex(r"/[A-Za-z0-9%.,~/-]{0,9}", fullmatch=True))
def test_token_in_the_path_or_query_of_a_websocket_is_never_shown(scheme: str, host: str, before: str) -> None:
    url = f"{scheme}://{host}:9001{before}hunter2?x=hunter3&hunter4"
    broker = parse_broker_url(url)
    assert "hunter2" in (broker.path or "")
    for shown in (shown_broker_url(url), str(broker), repr(broker)):
        assert "hunter" not in shown
        assert host.strip("[]") in shown
    with pytest.raises(ConfigError) as caught:
        parse_broker_url(f"{url}#")
    assert "hunter" not in str(caught.value)


@fuzz
@given(
    st.text(max_size=80)
    | st.builds("{}://{}".format, st.sampled_from(["mqtt", "ssl", "ws", "wss"]), st.text(max_size=80))
)
def test_any_text_is_a_broker_address_or_a_config_error(text: str) -> None:
    try:
        broker = parse_broker_url(text)
    except ConfigError:
        return
    assert 1 <= broker.port <= 65535
    broker.host.encode("idna")
    assert parse_broker_url(f"{broker.scheme}://{broker}{broker.path or ''}") == broker
