-- As in PostgreSQL. Times are text, as in 2026-11-20T09:30:04.120Z, which sorts by time; zones and payloads are JSON.
CREATE TABLE event (
    device text NOT NULL,
    boot_id text NOT NULL,
    seq integer NOT NULL,
    time text NOT NULL,
    received text NOT NULL,
    type text NOT NULL,
    track integer,
    zones text NOT NULL,
    emotion text,
    previous text,
    confidence real,
    valence real,
    latency_ms real,
    replayed integer NOT NULL,
    clock_synchronised integer NOT NULL,
    payload text NOT NULL,
    PRIMARY KEY (device, boot_id, seq)
);
CREATE INDEX event_time ON event (time);
CREATE INDEX event_received ON event (received);

-- One row for each start of a sensor. "complete_from": the number from which on all events should be here, null where
-- the first ones may have been published before there was this archive. Retention moves it on.
CREATE TABLE boot (
    device text NOT NULL,
    boot_id text NOT NULL,
    received text NOT NULL,
    complete_from integer,
    events_decided integer,
    events_waiting integer,
    info text,
    PRIMARY KEY (device, boot_id)
);

-- The latest of each sensor.
CREATE TABLE device (
    device text PRIMARY KEY,
    received text NOT NULL,
    name text,
    version text,
    model text,
    source text,
    boot_id text,
    status text,
    status_received text,
    health_time text,
    health text,
    state_time text,
    state text
);

CREATE TABLE status (
    device text NOT NULL,
    received text NOT NULL,
    status text NOT NULL
);
CREATE INDEX status_device ON status (device, received);
CREATE INDEX status_received ON status (received);

CREATE TABLE state (
    device text NOT NULL,
    time text NOT NULL,
    received text NOT NULL,
    present integer NOT NULL,
    paused integer NOT NULL,
    faces integer NOT NULL,
    emotion text,
    confidence real,
    valence real,
    payload text NOT NULL,
    PRIMARY KEY (device, time)
);
CREATE INDEX state_time ON state (time);
CREATE INDEX state_received ON state (received);

CREATE TABLE health (
    device text NOT NULL,
    time text NOT NULL,
    received text NOT NULL,
    source text,
    fps real,
    p99_ms real,
    budget_ms real,
    within_budget integer,
    level text,
    outbox_depth integer,
    outbox_dropped integer,
    temperature_c real,
    throttled integer,
    payload text NOT NULL,
    PRIMARY KEY (device, time)
);
CREATE INDEX health_time ON health (time);
CREATE INDEX health_received ON health (received);

-- One row for each hour and day of a sensor; "time" is when the sensor said so, and a later one takes its place.
CREATE TABLE summary (
    device text NOT NULL,
    period text NOT NULL,
    start text NOT NULL,
    time text NOT NULL,
    received text NOT NULL,
    local_start text,
    complete integer NOT NULL,
    looked_seconds real,
    present_seconds real,
    visits integer,
    valence real,
    payload text NOT NULL,
    PRIMARY KEY (device, period, start)
);
CREATE INDEX summary_start ON summary (start);
