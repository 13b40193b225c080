-- Work that one node of several does at a time, and who is up.

CREATE TABLE jobs (
    name    TEXT PRIMARY KEY,
    next_at DOUBLE PRECISION NOT NULL
);

CREATE TABLE nodes (
    node    TEXT PRIMARY KEY,
    seen_at DOUBLE PRECISION NOT NULL
);
