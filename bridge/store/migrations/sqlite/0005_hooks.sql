-- Standing hooks: where the events of all subscriptions of a client go, beside what each
-- says for itself. One that was removed stays while there are deliveries of it.
CREATE TABLE hooks (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    key            TEXT NOT NULL UNIQUE,
    client         TEXT NOT NULL,
    identity       BYTEA UNIQUE,
    destination_id BIGINT NOT NULL REFERENCES destinations (id),
    events         TEXT NOT NULL,
    provider       TEXT,
    method         TEXT NOT NULL,
    format         TEXT NOT NULL,
    sealed         BYTEA NOT NULL,
    created_at     DOUBLE PRECISION NOT NULL,
    removed_at     DOUBLE PRECISION
);
CREATE INDEX hooks_client ON hooks (client, id) WHERE removed_at IS NULL;
CREATE INDEX hooks_destination ON hooks (destination_id);
CREATE INDEX hooks_removed ON hooks (removed_at) WHERE removed_at IS NOT NULL;

-- A delivery is of one event to one destination: the subscription's own, or a hook's. SQLite
-- changes a constraint only by making the table anew. What refers to its rows is checked
-- when all is done.
PRAGMA defer_foreign_keys = ON;

CREATE TABLE deliveries_before AS SELECT * FROM deliveries;
CREATE TABLE deliveries_given AS SELECT seq FROM sqlite_sequence WHERE name = 'deliveries';
DROP TABLE deliveries;

-- `hook_id` 0: the subscription's own destination.
CREATE TABLE deliveries (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    subscription_id BIGINT NOT NULL REFERENCES subscriptions (id),
    sequence        INTEGER NOT NULL,
    hook_id         BIGINT NOT NULL DEFAULT 0,
    destination_id  BIGINT NOT NULL,
    state           TEXT NOT NULL,
    attempts        INTEGER NOT NULL DEFAULT 0,
    last_outcome    TEXT,
    hint            TEXT,
    lost            INTEGER NOT NULL DEFAULT 0,
    created_at      DOUBLE PRECISION NOT NULL,
    updated_at      DOUBLE PRECISION NOT NULL,
    UNIQUE (subscription_id, sequence, hook_id)
);

INSERT INTO deliveries (id, subscription_id, sequence, destination_id, state, attempts,
    last_outcome, hint, lost, created_at, updated_at)
SELECT id, subscription_id, sequence, destination_id, state, attempts,
    last_outcome, hint, lost, created_at, updated_at FROM deliveries_before;

-- Also ids that were given and deleted are not given again.
DELETE FROM sqlite_sequence WHERE name = 'deliveries';
INSERT INTO sqlite_sequence (name, seq) SELECT 'deliveries', seq FROM deliveries_given;
DROP TABLE deliveries_given;
DROP TABLE deliveries_before;

CREATE INDEX deliveries_destination ON deliveries (destination_id)
    WHERE state IN ('waiting', 'retrying');
CREATE INDEX deliveries_exhausted ON deliveries (updated_at) WHERE state = 'exhausted';
CREATE INDEX deliveries_hook ON deliveries (hook_id) WHERE hook_id <> 0;

-- Which receivers are gone since somebody last looked.
CREATE INDEX destinations_gone ON destinations (gone_at) WHERE gone_at IS NOT NULL;
