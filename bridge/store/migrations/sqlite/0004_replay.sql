-- What was given up is found by its state and time, and says since when it is.
ALTER TABLE deliveries ADD COLUMN given_up_at DOUBLE PRECISION;

DROP INDEX deliveries_exhausted;
CREATE INDEX deliveries_state ON deliveries (state, created_at, id);
