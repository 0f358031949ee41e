-- The keys that seal values, each sealed itself with a root key. A root_keys row from before stays for as
-- long as values are sealed with that root key directly.

-- +goose Up
CREATE TABLE data_keys (
    number     BIGINT NOT NULL PRIMARY KEY, -- counts up and is never used again: the highest seals new values
    sealed_key BYTEA  NOT NULL,
    created_at BIGINT NOT NULL
);
