"""What probes ask for, served without the page: no picture can be had there."""

import json

import pytest

from edge.config.loader import load
from edge.preview.factory import create_preview
from support.preview import Site, actor, result


@pytest.fixture(scope="module")
def probes():
    one = Site(enabled=False, probes=True)
    one.show(result(1, actor()))
    yield one
    one.close()


def test_healthz_and_metrics_answer(probes):
    answer = probes.request("GET", "/healthz")
    assert (answer.status, json.loads(answer.body)["status"]) == (200, "ok")
    answer = probes.request("GET", "/metrics")
    assert answer.status == 200
    assert b"emotion_edge_frames_total 1.0" in answer.body


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/index.html"),
        ("GET", "/stream"),
        ("GET", "/login"),
        ("POST", "/picture"),
        ("POST", "/picture/current"),
        ("POST", "/areas"),
        ("POST", "/calm-face"),
    ],
)
def test_nothing_else_is_there(probes, method, path):
    assert probes.request(method, path).status == 404


def test_probes_are_allowed_where_pictures_are_not(tmp_path):
    file = tmp_path / "config.toml"
    file.write_text("[preview]\nprobes = true\nport = 0\n[privacy]\npictures = false\n")
    served = create_preview(load(file, {}), lambda _: pytest.fail("health was requested"))
    served.stop()
    assert "/healthz" in served.describe()
    assert not served.wants_hours
