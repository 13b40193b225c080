-- What was given up is found by its state and time, and says since when it is.
ALTER TABLE deliveries ADD COLUMN given_up_at DOUBLE PRECISION;

DROP INDEX deliveries_exhausted;
CREATE INDEX deliveries_given_up ON deliveries (given_up_at) WHERE given_up_at IS NOT NULL;
CREATE INDEX deliveries_state ON deliveries (state, created_at, id);

-- Lanes in which replays wait are found by themselves, so that they hide no others.
DROP INDEX lanes_retry;
CREATE INDEX lanes_retry ON lanes (client, retry_ready_at)
    WHERE retry_ready_at IS NOT NULL AND destination_id >= 0;
CREATE INDEX lanes_replay ON lanes (client, retry_ready_at)
    WHERE retry_ready_at IS NOT NULL AND destination_id < 0;
