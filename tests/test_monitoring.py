"""The files for Grafana and Prometheus: every query runs on the real schema, every metric is one that sensors have."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from edge.archive.postgresql_store import PostgresqlStore
from edge.messages.payloads import LatencyPercentiles, encode
from support.archive import batch_of, events_batch, summary
from support.mqtt import event, health, info, state
from support.postgres import PrivatePostgres
from support.preview import Site, face, result

ROOT = Path(__file__).parents[1]
DASHBOARD = ROOT / "distribution" / "grafana" / "emotion-edge.json"
RULES = ROOT / "distribution" / "prometheus" / "emotion-edge.rules.yml"
VARIABLES = [one["query"] for one in json.loads(DASHBOARD.read_text())["templating"]["list"] if one["type"] == "query"]
PANELS = json.loads(DASHBOARD.read_text())["panels"]
TARGETS = [pytest.param(target, id=panel["title"]) for panel in PANELS for target in panel["targets"]]
DATABASE = "dashboard"


def as_grafana_sends(sql: str) -> str:
    """Return a query with Grafana's macros and variables put in (its data source for PostgreSQL, `macros.go`)."""
    since, until = "'2020-01-01T00:00:00Z'", "'2100-01-01T00:00:00Z'"
    sql = re.sub(r"\$__timeFilter\((\w+)\)", rf"\1 BETWEEN {since} AND {until}", sql)
    sql = re.sub(
        r"\$__timeGroupAlias\((\w+), '\$__interval'\)", r'floor(extract(epoch from \1)/300)*300 AS "time"', sql
    )
    return sql.replace("$__interval_ms", "300000").replace("${device:sqlstring}", "'cam','hall'")


@pytest.fixture(scope="module")
def filled(postgres: PrivatePostgres) -> Iterator[Callable[[str], tuple[list[str], list[tuple[Any, ...]]]]]:
    """The real schema with something in every table; executes a query, and returns its columns and rows."""
    import psycopg  # noqa: PLC0415 - an extra

    url = postgres.create_database(DATABASE)
    store = PostgresqlStore(url)
    latency = LatencyPercentiles(p50=9.0, p95=20.0, p99=31.5, max=40.0)
    for device in ("cam", "hall"):
        store.write(
            batch_of(
                (device, "status", b"online"),
                (device, "info", encode(info())),
                (device, "state", encode(state())),
                (device, "health", encode(health(latency_ms=latency, temperature_c=51.0))),
                (device, "summary", encode(summary("2026-01-31T08:15:00.000Z", 4))),
            )
        )
        store.write(events_batch(device, 1, 2, 5, clock_synchronised=True))
        appeared = msgspec.structs.replace(event(6, type="face_appeared"), previous=None)
        store.write(batch_of((device, "event", encode(appeared))))
    store.close()
    with psycopg.connect(url) as connection:

        def execute(sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
            cursor = connection.execute(sql.encode())
            return [column.name for column in cursor.description or []], cursor.fetchall()

        yield execute


@pytest.mark.long
@pytest.mark.parametrize("target", TARGETS)
def test_query_of_the_dashboard_finds_what_was_stored(
    target: dict[str, Any], filled: Callable[[str], tuple[list[str], list[tuple[Any, ...]]]]
) -> None:
    sql = as_grafana_sends(target["rawSql"])
    assert "$" not in sql
    columns, rows = filled(sql)
    assert rows
    if target["format"] == "time_series":
        assert columns[0] == "time"
        assert any(row[-1] is not None for row in rows)


@pytest.mark.long
def test_figures_of_the_dashboard_are_right(filled: Callable[[str], tuple[list[str], list[tuple[Any, ...]]]]) -> None:
    def figure(title: str) -> tuple[Any, ...]:
        (panel,) = [one for one in PANELS if one["title"] == title]
        return filled(as_grafana_sends(panel["targets"][0]["rawSql"]))[1][0]

    assert figure("Online") == (2, 0)
    assert figure("Events") == (8,)
    assert figure("Missing events") == (4,)
    assert float(figure("Events a minute")[2]) == pytest.approx(6 / 5)
    assert figure("Sensors")[:2] == ("cam", "Camera")


@pytest.mark.long
@pytest.mark.parametrize("sql", VARIABLES)
def test_variable_of_the_dashboard_lists_the_sensors(
    sql: str, filled: Callable[[str], tuple[list[str], list[tuple[Any, ...]]]]
) -> None:
    assert filled(sql)[1] == [("cam",), ("hall",)]


def test_panels_have_different_ids_and_do_not_overlap() -> None:
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    cells = [
        (column, row)
        for panel in PANELS
        for column in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for row in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(column for column, _ in cells) < 24


def test_every_metric_of_the_rules_is_in_the_exposition() -> None:
    site = Site()
    try:
        site.health = msgspec.structs.replace(site.health, temperature_c=51.0, throttled=False)
        site.show(result(0, faces=[face()]))
        site.feed.event_decided(event(1))
        body = site.get("/metrics").body.decode()
    finally:
        site.close()
    samples = [sample for family in text_string_to_metric_families(body) for sample in family.samples]
    names = {sample.name for sample in samples}
    states = {sample.labels["state"] for sample in samples if sample.name == "emotion_edge_source_state"}
    rules = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    recorded = {rule["record"] for rule in rules if "record" in rule}
    for rule in rules:
        used = set(re.findall(r"emotion_edge[\w:]+", rule["expr"])) - recorded
        assert used <= names, rule
        assert used or recorded & set(re.findall(r"emotion_edge[\w:]+", rule["expr"])) or "up{" in rule["expr"]
        for choice in re.findall(r'state=~"([^"]+)"', rule["expr"]):
            assert set(choice.split("|")) <= states
    alerts = [rule["alert"] for rule in rules if "alert" in rule]
    assert len(set(alerts)) == len(alerts)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed: apt install prometheus")
def test_rules_are_what_prometheus_takes() -> None:
    checked = subprocess.run(["promtool", "check", "rules", RULES], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
