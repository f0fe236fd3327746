"""Holds the SQL with which PostgreSQL takes a batch: one statement for all records of a kind, given as JSON.

`json_to_recordset` makes rows of a whole batch in the server, so that the client only puts payloads together, which it
has as JSON already.
"""

from typing import Final

_COLUMNS: Final = {
    "event": {
        "device": "text",
        "boot_id": "text",
        "seq": "bigint",
        "time": "timestamptz",
        "type": "text",
        "track": "bigint",
        "zones": "text[]",
        "emotion": "text",
        "previous": "text",
        "confidence": "double precision",
        "valence": "double precision",
        "latency_ms": "double precision",
        "replayed": "boolean",
        "clock_synchronised": "boolean",
        "payload": "jsonb",
    },
    "state": {
        "device": "text",
        "time": "timestamptz",
        "present": "boolean",
        "paused": "boolean",
        "faces": "integer",
        "emotion": "text",
        "confidence": "double precision",
        "valence": "double precision",
        "payload": "jsonb",
    },
    "health": {
        "device": "text",
        "time": "timestamptz",
        "source": "text",
        "fps": "double precision",
        "p99_ms": "double precision",
        "budget_ms": "double precision",
        "within_budget": "boolean",
        "level": "text",
        "outbox_depth": "bigint",
        "outbox_dropped": "bigint",
        "temperature_c": "double precision",
        "throttled": "boolean",
        "payload": "jsonb",
    },
    "summary": {
        "device": "text",
        "period": "text",
        "start": "timestamptz",
        "time": "timestamptz",
        "local_start": "text",
        "complete": "boolean",
        "looked_seconds": "double precision",
        "present_seconds": "double precision",
        "visits": "bigint",
        "valence": "double precision",
        "payload": "jsonb",
    },
}


def _insert(table: str, conflict: str = "DO NOTHING") -> str:
    columns = _COLUMNS[table]
    names = ", ".join(columns)
    types = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    return (
        f"INSERT INTO {table} ({names}) SELECT {names} FROM json_to_recordset(%s::json) AS r ({types}) "  # noqa: S608
        f"ON CONFLICT {conflict}"
    )


def _latest(kind: str) -> str:
    return (
        f"INSERT INTO device (device, {kind}_time, {kind}) SELECT device, time, payload "  # noqa: S608 - our names
        "FROM json_to_recordset(%s::json) AS r (device text, time timestamptz, payload jsonb) "
        f"ON CONFLICT (device) DO UPDATE SET {kind}_time = excluded.{kind}_time, {kind} = excluded.{kind} "
        f"WHERE device.{kind}_time IS NULL OR device.{kind}_time <= excluded.{kind}_time"
    )


EVENTS: Final = _insert("event")
STATES: Final = _insert("state")
HEALTHS: Final = _insert("health")
LATEST_STATE: Final = _latest("state")
LATEST_HEALTH: Final = _latest("health")
SUMMARIES: Final = _insert(
    "summary",
    "(device, period, start) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in list(_COLUMNS["summary"])[3:])
    + ", received = now() WHERE summary.time < excluded.time",
)
BOOTS: Final = (
    "INSERT INTO boot (device, boot_id, complete_from) SELECT device, boot_id, complete_from "
    "FROM json_to_recordset(%s::json) AS r (device text, boot_id text, complete_from bigint) ON CONFLICT DO NOTHING"
)
INFO_BOOTS: Final = (
    "INSERT INTO boot (device, boot_id, complete_from, info) "
    "SELECT device, boot_id, CASE WHEN live THEN 1 END, payload "
    "FROM json_to_recordset(%s::json) AS r (device text, boot_id text, live boolean, payload jsonb) "
    "ON CONFLICT (device, boot_id) DO UPDATE SET info = excluded.info"
)
INFO_DEVICES: Final = (
    "INSERT INTO device (device, name, version, model, source, boot_id) "
    "SELECT device, name, version, model, source, boot_id "
    "FROM json_to_recordset(%s::json) AS r "
    "(device text, name text, version text, model text, source text, boot_id text) "
    "ON CONFLICT (device) DO UPDATE SET name = excluded.name, version = excluded.version, model = excluded.model, "
    "source = excluded.source, boot_id = excluded.boot_id"
)
ENDED_BOOTS: Final = (
    "UPDATE boot SET events_decided = r.decided, events_waiting = r.waiting "
    "FROM json_to_recordset(%s::json) AS r (device text, boot_id text, decided bigint, waiting bigint) "
    "WHERE boot.device = r.device AND boot.boot_id = r.boot_id"
)
STATUS: Final = (
    "WITH changed AS (INSERT INTO device (device, status, status_received) "
    "VALUES (%s, %s, clock_timestamp()) ON CONFLICT (device) DO UPDATE "
    "SET status = excluded.status, status_received = excluded.status_received "
    "WHERE device.status IS DISTINCT FROM excluded.status RETURNING device, status_received, status) "
    "INSERT INTO status (device, received, status) SELECT device, status_received, status FROM changed"
)
"""A status that a device has already is no news, as the retained one at each connection."""
OLD_EVENTS: Final = (
    "WITH gone AS (DELETE FROM event WHERE ctid = ANY (ARRAY(SELECT ctid FROM event "
    "WHERE received < now() - make_interval(days => %s) LIMIT %s)) RETURNING device, boot_id, seq), "
    "marked AS (UPDATE boot SET complete_from = greatest(complete_from, top.seq + 1) "
    "FROM (SELECT device, boot_id, max(seq) AS seq FROM gone GROUP BY device, boot_id) AS top "
    "WHERE boot.device = top.device AND boot.boot_id = top.boot_id) "
    "SELECT count(*) FROM gone"
)
OLD_ROWS: Final = (
    "DELETE FROM {table} WHERE ctid = ANY (ARRAY(SELECT ctid FROM {table} "
    "WHERE received < now() - make_interval(days => %s) LIMIT %s))"
)
OLD_BOOTS: Final = (
    "DELETE FROM boot WHERE received < now() - make_interval(days => %s) "
    "AND NOT EXISTS (SELECT 1 FROM event AS e WHERE e.device = boot.device AND e.boot_id = boot.boot_id) "
    "AND NOT EXISTS (SELECT 1 FROM device AS d WHERE d.device = boot.device AND d.boot_id = boot.boot_id)"
)
