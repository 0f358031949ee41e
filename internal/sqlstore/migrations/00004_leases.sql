-- Who may do one thing alone for a while, by the clock of the database.

-- +goose Up
CREATE TABLE leases (
    key        TEXT   NOT NULL PRIMARY KEY,
    generation BIGINT NOT NULL, -- grows with every acquisition: its time, in microseconds since 1970, or more
    until      BIGINT NOT NULL  -- 0: released
);
CREATE INDEX leases_generation ON leases (generation);
