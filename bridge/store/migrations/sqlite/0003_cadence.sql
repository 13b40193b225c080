-- What is known of durations, and how polls are shared out.

-- By provider and model ('' for all of them): what bridge/cadence/history.py has written.
CREATE TABLE durations (
    provider   TEXT NOT NULL,
    model      TEXT NOT NULL,
    history    TEXT NOT NULL,
    updated_at DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (provider, model)
);

-- What the caller calls the model, to learn by where the provider does not name it.
ALTER TABLE watches ADD COLUMN label TEXT;

-- By share: how long its polls have to wait for the rate limit (bridge/cadence/stretch.py).
ALTER TABLE credentials ADD COLUMN stretches TEXT NOT NULL DEFAULT '{}';

-- `share`: the client, as a number, whose part of a rate limit the polls are of.
-- `hinted_at`: when somebody last said that asking now is worth it.
ALTER TABLE poll_schedule ADD COLUMN share BIGINT NOT NULL DEFAULT 0;
ALTER TABLE poll_schedule ADD COLUMN hinted_at DOUBLE PRECISION;

-- Lists of several tasks have a rate limit of their own. `alone`: none speaks of this one.
ALTER TABLE credentials ADD COLUMN batch_full_at DOUBLE PRECISION NOT NULL DEFAULT 0;
ALTER TABLE poll_schedule ADD COLUMN alone INTEGER NOT NULL DEFAULT 0;

CREATE INDEX poll_schedule_shares ON poll_schedule (credential_id, share, next_at);
