-- The breaker of a lane (bridge/receivers/breaker.py): attempts in a row that nobody answered, the
-- destination that all of these were for, and since when it is open. `probing` is how many
-- may try at a time; 0: any number.
ALTER TABLE lanes ADD COLUMN silences INTEGER NOT NULL DEFAULT 0;
ALTER TABLE lanes ADD COLUMN silent_id BIGINT;
ALTER TABLE lanes ADD COLUMN opened_at DOUBLE PRECISION;

CREATE INDEX lanes_open ON lanes (opened_at) WHERE opened_at IS NOT NULL;
