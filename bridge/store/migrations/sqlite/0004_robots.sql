-- Chat robots, whose services count what is said to them.

-- One robot, by its URL, whoever's destinations lead to it. `full_at` is what its rate limit
-- has to remember (bridge/budget.py); before `muted_until` it hears nothing.
CREATE TABLE robots (
    id          INTEGER PRIMARY KEY,
    fingerprint BYTEA NOT NULL UNIQUE,
    kind        TEXT NOT NULL,
    full_at     DOUBLE PRECISION NOT NULL DEFAULT 0,
    muted_until DOUBLE PRECISION NOT NULL DEFAULT 0
);

-- A destination that is a robot has a lane of its own from the start.
ALTER TABLE lanes ADD COLUMN robot_id BIGINT;
CREATE INDEX lanes_robot ON lanes (robot_id) WHERE robot_id IS NOT NULL;
