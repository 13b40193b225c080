-- Whoever listens is told of what was added since the last look (`new_events`).
CREATE INDEX events_at ON events (at, subscription_id, sequence);
