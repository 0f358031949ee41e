-- What a connection rests on, beside a person's consent: a token or a service account's credential that was given.

-- +goose Up
ALTER TABLE connections ADD COLUMN kind TEXT NOT NULL DEFAULT ''; -- '': a consent
