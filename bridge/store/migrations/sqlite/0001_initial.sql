-- Times are unix seconds. BYTEA, BIGINT and DOUBLE PRECISION are PostgreSQL's words, which
-- SQLite reads as it should; `INTEGER PRIMARY KEY` is what differs there.
-- AUTOINCREMENT where claims keep the id: it is never given again, so that a result which
-- comes after its row was deleted fits no other.
-- Columns named `sealed`, `answer` and `body` hold encrypted bytes (bridge/vault.py).

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value BYTEA NOT NULL
);

-- One account at one provider: a lane of polls. `sealed` is the key of an own account that
-- a caller gave; the key of the configuration never enters the database.
--
-- `due_at` is never later than the earliest of its watches in poll_schedule; what makes one
-- due earlier moves it, and a claim finds it anew. `full_at` is what a rate limit has to
-- remember (bridge/budget.py), `free_at` when it allows the next request.
CREATE TABLE credentials (
    id           INTEGER PRIMARY KEY,
    fingerprint  BYTEA NOT NULL UNIQUE,
    provider     TEXT NOT NULL,
    own          INTEGER NOT NULL,
    sealed       BYTEA,
    due_at       DOUBLE PRECISION,
    full_at      DOUBLE PRECISION NOT NULL DEFAULT 0,
    free_at      DOUBLE PRECISION NOT NULL DEFAULT 0,
    paused_until DOUBLE PRECISION NOT NULL DEFAULT 0,
    throttles    INTEGER NOT NULL DEFAULT 0,
    throttled_at DOUBLE PRECISION,
    worked_at    DOUBLE PRECISION,
    refused_at   DOUBLE PRECISION,
    refused_by   BIGINT,
    probes       INTEGER NOT NULL DEFAULT 0,
    ready_at     DOUBLE PRECISION GENERATED ALWAYS AS (
        CASE WHEN paused_until > due_at AND paused_until > free_at THEN paused_until
            WHEN free_at > due_at THEN free_at ELSE due_at END) STORED
);
CREATE INDEX credentials_ready ON credentials (provider, ready_at) WHERE ready_at IS NOT NULL;

CREATE TABLE watches (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    identity      BYTEA NOT NULL UNIQUE,
    credential_id BIGINT NOT NULL REFERENCES credentials (id),
    provider      TEXT NOT NULL,
    task_id       TEXT NOT NULL,
    params        TEXT NOT NULL,
    model         TEXT,
    created_at    DOUBLE PRECISION NOT NULL,
    submitted_at  DOUBLE PRECISION,
    status        TEXT,
    progress      INTEGER,
    outcome       TEXT,
    http_status   INTEGER,
    detail        TEXT,
    outcome_since DOUBLE PRECISION,
    outcome_from  BIGINT,
    polls         BIGINT NOT NULL DEFAULT 0,
    polled_at     DOUBLE PRECISION,
    ended_at      DOUBLE PRECISION,
    memory_until  DOUBLE PRECISION,
    answer        BYTEA,
    untold        INTEGER NOT NULL DEFAULT 0,  -- 1: it ended, and not all have been told
    CHECK (ended_at IS NULL OR status IN ('succeeded', 'failed', 'cancelled', 'expired'))
);
CREATE INDEX watches_task ON watches (task_id);
CREATE INDEX watches_credential ON watches (credential_id);
CREATE INDEX watches_memory ON watches (memory_until) WHERE memory_until IS NOT NULL;
CREATE INDEX watches_untold ON watches (id) WHERE untold = 1;

-- A row for each watch that is polled, and for no other.
CREATE TABLE poll_schedule (
    watch_id      INTEGER PRIMARY KEY REFERENCES watches (id),
    credential_id BIGINT NOT NULL,
    next_at       DOUBLE PRECISION NOT NULL,
    claim_no      BIGINT NOT NULL,
    polled_at     DOUBLE PRECISION,
    born_at       DOUBLE PRECISION NOT NULL,
    failures      INTEGER NOT NULL DEFAULT 0,
    strikes       INTEGER NOT NULL DEFAULT 0,
    updates       INTEGER NOT NULL DEFAULT 0,
    raw           INTEGER NOT NULL DEFAULT 0,
    closing_at    DOUBLE PRECISION
);
CREATE INDEX poll_schedule_due ON poll_schedule (credential_id, next_at);

-- One client's deliveries to one host: a lane of first attempts, and one of retries. A
-- destination that was throttled has lanes of its own; 0: all others.
--
-- `first_at` and `retry_at` are to delivery_schedule what `due_at` of a credential is to
-- poll_schedule. `suspect_id` is the destination that was throttled since the last answer
-- that said otherwise; a second one pauses the lane. After a pause one attempt at a time
-- tries (`probing`) until an answer is another one.
CREATE TABLE lanes (
    id             INTEGER PRIMARY KEY,
    client         TEXT NOT NULL,
    host           TEXT NOT NULL,
    destination_id BIGINT NOT NULL DEFAULT 0,
    first_at       DOUBLE PRECISION,
    retry_at       DOUBLE PRECISION,
    paused_until   DOUBLE PRECISION NOT NULL DEFAULT 0,
    throttles      INTEGER NOT NULL DEFAULT 0,
    suspect_id     BIGINT,
    probing        INTEGER NOT NULL DEFAULT 0,
    first_ready_at DOUBLE PRECISION GENERATED ALWAYS AS (
        CASE WHEN paused_until > first_at THEN paused_until ELSE first_at END) STORED,
    retry_ready_at DOUBLE PRECISION GENERATED ALWAYS AS (
        CASE WHEN paused_until > retry_at THEN paused_until ELSE retry_at END) STORED,
    UNIQUE (client, host, destination_id)
);
CREATE INDEX lanes_first ON lanes (client, first_ready_at) WHERE first_ready_at IS NOT NULL;
CREATE INDEX lanes_retry ON lanes (client, retry_ready_at) WHERE retry_ready_at IS NOT NULL;

-- One URL with its headers, of one client.
CREATE TABLE destinations (
    id           INTEGER PRIMARY KEY,
    fingerprint  BYTEA NOT NULL UNIQUE,
    lane_id      BIGINT NOT NULL REFERENCES lanes (id),
    sealed       BYTEA NOT NULL,
    reopened_at  DOUBLE PRECISION NOT NULL DEFAULT 0,
    gone_at      DOUBLE PRECISION
);
CREATE INDEX destinations_lane ON destinations (lane_id);

CREATE TABLE subscriptions (
    id             INTEGER PRIMARY KEY,
    key            TEXT NOT NULL UNIQUE,
    client         TEXT NOT NULL,
    identity       BYTEA UNIQUE,
    watch_id       BIGINT NOT NULL REFERENCES watches (id),
    destination_id BIGINT REFERENCES destinations (id),
    events         TEXT NOT NULL,
    method         TEXT NOT NULL,
    format         TEXT NOT NULL,
    include_raw    INTEGER NOT NULL,
    sealed         BYTEA,
    updates        INTEGER NOT NULL DEFAULT 0,
    state          TEXT NOT NULL CHECK (state IN ('active', 'ended', 'stopped')),
    outcome        TEXT,
    status         TEXT,  -- the watch's when this ended; it may go on for others
    created_at     DOUBLE PRECISION NOT NULL,
    deadline_at    DOUBLE PRECISION NOT NULL,
    check_at       DOUBLE PRECISION,
    closing_at     DOUBLE PRECISION,
    spare_s        DOUBLE PRECISION,  -- of a deadline that waits for a key: left when it broke
    finished_at    DOUBLE PRECISION,
    CHECK ((state = 'ended') = (outcome IS NOT NULL)),
    CHECK ((state = 'active') = (finished_at IS NULL))
);
CREATE INDEX subscriptions_client ON subscriptions (client, id);
CREATE INDEX subscriptions_state ON subscriptions (client, state, id);
CREATE INDEX subscriptions_watch ON subscriptions (watch_id, state);
CREATE INDEX subscriptions_check ON subscriptions (check_at) WHERE state = 'active';
CREATE INDEX subscriptions_finished ON subscriptions (finished_at) WHERE state <> 'active';
CREATE INDEX subscriptions_destination ON subscriptions (destination_id);

-- What became of a subscription. Sequence 0 is its end, so there can be one only.
CREATE TABLE events (
    subscription_id BIGINT NOT NULL REFERENCES subscriptions (id),
    sequence        INTEGER NOT NULL,
    type            TEXT NOT NULL,
    at              DOUBLE PRECISION NOT NULL,
    body            BYTEA NOT NULL,
    PRIMARY KEY (subscription_id, sequence)
);

CREATE TABLE deliveries (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    subscription_id BIGINT NOT NULL REFERENCES subscriptions (id),
    sequence        INTEGER NOT NULL,
    destination_id  BIGINT NOT NULL,
    state           TEXT NOT NULL,
    attempts        INTEGER NOT NULL DEFAULT 0,
    last_outcome    TEXT,
    hint            TEXT,
    lost            INTEGER NOT NULL DEFAULT 0,
    created_at      DOUBLE PRECISION NOT NULL,
    updated_at      DOUBLE PRECISION NOT NULL,
    UNIQUE (subscription_id, sequence)
);
CREATE INDEX deliveries_destination ON deliveries (destination_id)
    WHERE state IN ('waiting', 'retrying');
CREATE INDEX deliveries_exhausted ON deliveries (updated_at) WHERE state = 'exhausted';

-- A row for each attempt that is owed: one by the schedule, and one a person asked for.
CREATE TABLE delivery_schedule (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    delivery_id BIGINT NOT NULL REFERENCES deliveries (id),
    manual      INTEGER NOT NULL DEFAULT 0,
    lane_id     BIGINT NOT NULL,
    retry       INTEGER NOT NULL DEFAULT 0,
    next_at     DOUBLE PRECISION NOT NULL,
    claim_no    BIGINT NOT NULL DEFAULT 0,
    claimed_at  DOUBLE PRECISION,
    failures    INTEGER NOT NULL DEFAULT 0,
    conflicts   INTEGER NOT NULL DEFAULT 0,
    UNIQUE (delivery_id, manual)
);
CREATE INDEX delivery_schedule_due ON delivery_schedule (lane_id, retry, next_at);

CREATE TABLE attempts (
    delivery_id BIGINT NOT NULL REFERENCES deliveries (id),
    number      INTEGER NOT NULL,
    manual      INTEGER NOT NULL,
    started_at  DOUBLE PRECISION NOT NULL,
    finished_at DOUBLE PRECISION,
    outcome     TEXT NOT NULL,
    http_status INTEGER,
    detail      TEXT,
    hint        TEXT,
    answer      BYTEA,
    PRIMARY KEY (delivery_id, number)
);

CREATE TABLE idempotency (
    client           TEXT NOT NULL,
    route            TEXT NOT NULL,
    key              BYTEA NOT NULL,
    body             BYTEA NOT NULL,
    subscription_key TEXT NOT NULL,
    created          INTEGER NOT NULL,  -- 0: the answer was that it had been there before
    created_at       DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (client, route, key)
);
CREATE INDEX idempotency_created ON idempotency (created_at);
