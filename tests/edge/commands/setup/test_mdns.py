"""Announcements in the local network: what a real avahi announces, and what anybody may."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.commands.setup.mdns import SERVICES, browse, parse
from support.mdns_network import missing_for_a_network, run_inside

# What avahi-browse 0.8 printed in the network of support/mdns_network.py, with a second interface added.
OUTPUT = r"""
+;v0;IPv4;Home\059\032\"mine\";_home-assistant._tcp;local
=;v0;IPv4;Home\059\032\"mine\";_home-assistant._tcp;local;homeassistant.local;10.9.8.7;8123;"version=1"
=;wlan0;IPv4;Home\059\032\"mine\";_home-assistant._tcp;local;homeassistant.local;10.9.9.7;8123;"version=1"
=;wlan0;IPv6;Home\059\032\"mine\";_home-assistant._tcp;local;homeassistant.local;fe80::1;8123;"version=1"
=;v0;IPv4;B\195\188ro;_mqtt._tcp;local;homeassistant.local;10.9.8.7;1884;
=;v0;IPv4;TLS;_secure-mqtt._tcp;local;broker.local.;10.9.8.8;8884;"a;b" "c"
"""


def test_announcements_are_read_once_per_host_with_their_names():
    home, office, secure = parse(OUTPUT)
    assert (home.name, home.host, home.address) == ('Home; "mine"', "homeassistant.local", "10.9.8.7")
    assert (home.scheme, home.port, home.broker_port) == ("mqtt", 8123, 1883)
    assert (office.name, office.scheme, office.broker_port) == ("Büro", "mqtt", 1884)
    assert (secure.host, secure.scheme, secure.broker_port) == ("broker.local", "mqtts", 8884)


@pytest.mark.parametrize(
    "line",
    [
        "=;v0;IPv4;x;_mqtt._tcp;local;evil host;10.9.8.7;1883;",
        "=;v0;IPv4;x;_mqtt._tcp;local;a.local;not-an-address;1883;",
        "=;v0;IPv4;x;_mqtt._tcp;local;a.local;10.9.8.7;0;",
        "=;v0;IPv4;x;_mqtt._tcp;local;a.local;10.9.8.7;65536;",
        "=;v0;IPv4;x;_http._tcp;local;a.local;10.9.8.7;80;",
        "=;v0;IPv4;x;_mqtt._tcp;local;a.local;10.9.8.7",
        "",
    ],
)
def test_line_that_is_not_as_it_should_be_is_left_out(line):
    assert parse(line) == []


FIELD = st.one_of(
    st.text(max_size=8), st.sampled_from(["=", "IPv4", *SERVICES, "a.local", "10.9.8.7", "1883", "\\255"])
)


@given(st.lists(st.lists(FIELD, min_size=8, max_size=11).map(";".join), max_size=4).map("\n".join))
def test_whatever_is_announced_gives_printable_names_and_valid_addresses(output):
    for found in parse(output):
        assert found.name.isprintable()
        assert found.host.isascii()
        assert 1 <= found.port <= 65_535


def test_without_avahi_nothing_is_announced(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert browse() == []


def test_avahi_that_hangs_is_ended(monkeypatch, tmp_path):
    program = tmp_path / "avahi-browse"
    line = "=;v0;IPv4;x;_mqtt._tcp;local;a.local;10.9.8.7;1883;"
    program.write_text(f"#!/bin/sh\necho '{line}'\nexec sleep 600\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert [found.host for found in browse(seconds=0.2)] == ["a.local"]


FIND = """
import json
from dataclasses import asdict
from edge.commands.setup.brokers import find_brokers
print(json.dumps([{**asdict(one), "ha": one.is_home_assistant} for one in find_brokers()]))
"""


def test_brokers_that_a_real_avahi_announces_are_found_and_tried(tmp_path):
    reason = missing_for_a_network()
    if reason is not None:
        pytest.skip(reason)
    found = {broker["url"]: broker for broker in json.loads(run_inside(tmp_path, FIND))}
    local, home = found.pop("mqtt://localhost"), found.pop("mqtt://homeassistant.local", None)
    if home is None:  # without nss-mdns the name cannot be resolved, and the address stands for it
        home = found.pop("mqtt://10.9.8.7")
    assert (local["where"], local["trial"]["verdict"], local["ha"]) == ("on this machine", "asks", False)
    assert (home["where"], home["trial"]["verdict"], home["ha"]) == ("Home Assistant", "asks", True)
    ((url, office),) = found.items()
    assert url in {"mqtt://homeassistant.local:1884", "mqtt://10.9.8.7:1884"}
    assert (office["where"], office["trial"]["verdict"]) == ('announced as "Büro"', "open")
