-- One row for each event; a repeat has the same key. "received" is this database's clock, the only one that all
-- archivers share, and what retention goes by: the clock of a sensor may be years off.
CREATE TABLE event (
    device text NOT NULL,
    boot_id text NOT NULL,
    seq bigint NOT NULL,
    time timestamptz NOT NULL,
    received timestamptz NOT NULL DEFAULT now(),
    type text NOT NULL,
    track bigint,
    zones text[] NOT NULL DEFAULT '{}',
    emotion text,
    previous text,
    confidence double precision,
    valence double precision,
    latency_ms double precision,
    replayed boolean NOT NULL,
    clock_synchronised boolean NOT NULL,
    payload jsonb NOT NULL,
    PRIMARY KEY (device, boot_id, seq)
);
CREATE INDEX event_time ON event (time);
CREATE INDEX event_received ON event USING brin (received) WITH (autosummarize = on);

-- One row for each start of a sensor. "complete_from": the number from which on all events should be here, null where
-- the first ones may have been published before there was this archive. Retention moves it on.
CREATE TABLE boot (
    device text NOT NULL,
    boot_id text NOT NULL,
    received timestamptz NOT NULL DEFAULT now(),
    complete_from bigint,
    events_decided bigint,
    events_waiting bigint,
    info jsonb,
    PRIMARY KEY (device, boot_id)
);

-- The latest of each sensor.
CREATE TABLE device (
    device text PRIMARY KEY,
    received timestamptz NOT NULL DEFAULT now(),
    name text,
    version text,
    model text,
    source text,
    boot_id text,
    status text,
    status_received timestamptz,
    health_time timestamptz,
    health jsonb,
    state_time timestamptz,
    state jsonb
);

CREATE TABLE status (
    device text NOT NULL,
    received timestamptz NOT NULL DEFAULT clock_timestamp(),
    status text NOT NULL
);
CREATE INDEX status_device ON status (device, received);
CREATE INDEX status_received ON status USING brin (received) WITH (autosummarize = on);

CREATE TABLE state (
    device text NOT NULL,
    time timestamptz NOT NULL,
    received timestamptz NOT NULL DEFAULT now(),
    present boolean NOT NULL,
    paused boolean NOT NULL,
    faces integer NOT NULL,
    emotion text,
    confidence double precision,
    valence double precision,
    payload jsonb NOT NULL,
    PRIMARY KEY (device, time)
);
CREATE INDEX state_time ON state (time);
CREATE INDEX state_received ON state USING brin (received) WITH (autosummarize = on);

CREATE TABLE health (
    device text NOT NULL,
    time timestamptz NOT NULL,
    received timestamptz NOT NULL DEFAULT now(),
    source text,
    fps double precision,
    p99_ms double precision,
    budget_ms double precision,
    within_budget boolean,
    level text,
    outbox_depth bigint,
    outbox_dropped bigint,
    temperature_c double precision,
    throttled boolean,
    payload jsonb NOT NULL,
    PRIMARY KEY (device, time)
);
CREATE INDEX health_time ON health (time);
CREATE INDEX health_received ON health USING brin (received) WITH (autosummarize = on);

-- One row for each hour and day of a sensor; "time" is when the sensor said so, and a later one takes its place.
CREATE TABLE summary (
    device text NOT NULL,
    period text NOT NULL,
    start timestamptz NOT NULL,
    time timestamptz NOT NULL,
    received timestamptz NOT NULL DEFAULT now(),
    local_start text,
    complete boolean NOT NULL,
    looked_seconds double precision,
    present_seconds double precision,
    visits bigint,
    valence double precision,
    payload jsonb NOT NULL,
    PRIMARY KEY (device, period, start)
);
CREATE INDEX summary_start ON summary (start);
