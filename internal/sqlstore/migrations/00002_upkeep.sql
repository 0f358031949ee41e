-- The journal of rotations, and the plan of what is to be looked after, both on the connection's row:
-- so one write closes the journal's entry and stores what came of it.

-- +goose Up
ALTER TABLE connections ADD COLUMN rotation_token BYTEA; -- SHA-256 of the refresh token that may be spent
ALTER TABLE connections ADD COLUMN rotation_attempt BIGINT NOT NULL DEFAULT 0;
ALTER TABLE connections ADD COLUMN rotation_holder BIGINT NOT NULL DEFAULT 0;
ALTER TABLE connections ADD COLUMN rotation_at BIGINT NOT NULL DEFAULT 0; -- 0: no entry is open
ALTER TABLE connections ADD COLUMN family TEXT NOT NULL DEFAULT '';
ALTER TABLE connections ADD COLUMN due_at BIGINT NOT NULL DEFAULT 0; -- 0: never
ALTER TABLE connections ADD COLUMN used_at BIGINT NOT NULL DEFAULT 0;
-- Rows from before are planned when they are first looked at.
UPDATE connections SET due_at = 1 WHERE refreshable AND state = 'active';
CREATE INDEX connections_due ON connections (project, provider, due_at) WHERE due_at > 0;
