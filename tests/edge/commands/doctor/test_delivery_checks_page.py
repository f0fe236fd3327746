"""The check of the preview page beside a sensor that has its port."""

import os
import re

import pytest

from edge.commands.doctor.delivery_checks import DeliveryChecks
from edge.config.schema import Config, PreviewConfig, PrivacyConfig
from edge.errors import ConfigError
from edge.preview.listener import listen
from edge.system.machine_lock import MachineLock
from edge.system.service import Service


@pytest.fixture
def config():
    """A configuration whose page another sensor serves, in the service emotion-edge@door."""
    with MachineLock(unit="emotion-edge@door.service") as lock, listen("127.0.0.1", 0, lock) as taken:
        yield Config(preview=PreviewConfig(enabled=True, port=taken.getsockname()[1]))


def test_port_that_the_checked_service_has_itself_is_in_order(config):
    check = DeliveryChecks(config, Service("door")).by_name()["page"]
    process = f"process {os.getpid()} of emotion-edge@door.service"
    assert check() == f"is served by the service that runs: {process} has the port {config.preview.port}"


def test_probes_without_the_page_are_checked_too():
    config = Config(preview=PreviewConfig(probes=True, port=0), privacy=PrivacyConfig(pictures=False))
    line = DeliveryChecks(config).by_name()["page"]()
    assert re.fullmatch(
        r"off; what probes ask for can be served at http://127\.0\.0\.1:(\d+)/healthz and "
        r"http://127\.0\.0\.1:\1/metrics, for this machine alone",
        line,
    )
    assert "page" not in DeliveryChecks(Config()).by_name()


TAKEN = r"the sensor in process \d+ of emotion-edge@door\.service has this port; set preview\.port to another one"


def test_port_that_another_sensor_has_is_refused_with_its_service(config):
    with pytest.raises(ConfigError, match=TAKEN):
        DeliveryChecks(config).by_name()["page"]()


@pytest.mark.parametrize("service", [Service(), Service("hall")])
def test_service_runs_without_its_page_so_that_a_port_of_another_one_is_a_warning(service, config):
    checks = DeliveryChecks(config, service)
    line = checks.by_name()["page"]()
    assert line == f"cannot be served now: the service {service.unit} runs without it until the port is free"
    (warning,) = checks.take_warnings()
    assert re.search(TAKEN, warning)
