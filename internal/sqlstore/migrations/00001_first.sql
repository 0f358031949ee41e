-- The first schema. The text runs unchanged on SQLite and PostgreSQL: times are microseconds since
-- 1970 in UTC (0: not set), lists are JSON arrays, sealed_* columns hold sealed values (NULL: none).

-- +goose Up
CREATE TABLE connections (
    project      TEXT    NOT NULL,
    id           TEXT    NOT NULL,
    user_id      TEXT    NOT NULL,
    provider     TEXT    NOT NULL,
    name         TEXT    NOT NULL,
    state        TEXT    NOT NULL,
    reason       TEXT    NOT NULL,
    scopes       TEXT    NOT NULL,
    sealed_grant BYTEA,
    issued_at    BIGINT  NOT NULL,
    expires_at   BIGINT  NOT NULL,
    refreshable  BOOLEAN NOT NULL,
    created_at   BIGINT  NOT NULL,
    updated_at   BIGINT  NOT NULL,
    version      BIGINT  NOT NULL,
    PRIMARY KEY (project, id)
);
CREATE UNIQUE INDEX connections_ref ON connections (project, user_id, provider, name);
CREATE INDEX connections_page ON connections (project, created_at, id);

CREATE TABLE flows (
    project         TEXT    NOT NULL,
    id              TEXT    NOT NULL,
    verification_id TEXT    NOT NULL,
    user_id         TEXT    NOT NULL,
    provider        TEXT    NOT NULL,
    name            TEXT    NOT NULL,
    state           TEXT    NOT NULL,
    kind            TEXT    NOT NULL,
    reason          TEXT    NOT NULL,
    scopes          TEXT    NOT NULL,
    asked           TEXT    NOT NULL,
    asked_hash      BYTEA   NOT NULL, -- SHA-256 of the set of asked scopes, for flows_pending
    next_uri        TEXT    NOT NULL,
    app             TEXT    NOT NULL,
    sealed_grant    BYTEA,
    granted         TEXT    NOT NULL,
    issued_at       BIGINT  NOT NULL,
    expires_at      BIGINT  NOT NULL,
    refreshable     BOOLEAN NOT NULL,
    dry_run         BOOLEAN NOT NULL,
    created_at      BIGINT  NOT NULL,
    deadline        BIGINT  NOT NULL,
    version         BIGINT  NOT NULL,
    PRIMARY KEY (project, id)
);
CREATE UNIQUE INDEX flows_pending ON flows (project, user_id, provider, name, asked_hash) WHERE state = 'pending';
CREATE UNIQUE INDEX flows_verification ON flows (project, verification_id) WHERE verification_id <> '';
CREATE INDEX flows_deadline ON flows (deadline);

CREATE TABLE attempts (
    state_hash      BYTEA  NOT NULL PRIMARY KEY,
    project         TEXT   NOT NULL,
    flow            TEXT   NOT NULL,
    provider        TEXT   NOT NULL,
    browser_hash    BYTEA,
    sealed_verifier BYTEA,
    redirect_uri    TEXT   NOT NULL,
    created_at      BIGINT NOT NULL,
    deadline        BIGINT NOT NULL
);
CREATE INDEX attempts_flow ON attempts (project, flow, created_at);
CREATE INDEX attempts_deadline ON attempts (deadline);

CREATE TABLE providers (
    project       TEXT   NOT NULL,
    id            TEXT   NOT NULL,
    type          TEXT   NOT NULL,
    description   TEXT   NOT NULL,
    status        TEXT   NOT NULL,
    origin        TEXT   NOT NULL,
    external_id   TEXT   NOT NULL,
    client_id     TEXT   NOT NULL,
    sealed_secret BYTEA,
    settings      TEXT   NOT NULL,
    created_at    BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL,
    version       BIGINT NOT NULL,
    PRIMARY KEY (project, id)
);

CREATE TABLE api_keys (
    project    TEXT   NOT NULL,
    id         TEXT   NOT NULL,
    name       TEXT   NOT NULL,
    hash       BYTEA  NOT NULL UNIQUE,
    hint       TEXT   NOT NULL,
    scope      TEXT   NOT NULL,
    providers  TEXT   NOT NULL,
    users      TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    revoked_at BIGINT NOT NULL,
    PRIMARY KEY (project, id)
);

CREATE TABLE accounts (
    project       TEXT    NOT NULL,
    user_id       TEXT    NOT NULL,
    password_hash TEXT    NOT NULL,
    admin         BOOLEAN NOT NULL,
    created_at    BIGINT  NOT NULL,
    PRIMARY KEY (project, user_id)
);

CREATE TABLE sessions (
    hash       BYTEA  NOT NULL PRIMARY KEY,
    project    TEXT   NOT NULL,
    user_id    TEXT   NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX sessions_user ON sessions (project, user_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE settings (
    project TEXT NOT NULL,
    name    TEXT NOT NULL,
    value   TEXT NOT NULL,
    PRIMARY KEY (project, name)
);

-- A known text sealed with each root key, so that a wrong key is told at start.
CREATE TABLE root_keys (
    id           TEXT  NOT NULL PRIMARY KEY,
    sealed_check BYTEA NOT NULL
);

CREATE TABLE events (
    id         TEXT   NOT NULL PRIMARY KEY, -- UUIDv7: grows with the time of writing
    project    TEXT   NOT NULL,
    at         BIGINT NOT NULL,
    actor      TEXT   NOT NULL,
    action     TEXT   NOT NULL,
    user_id    TEXT   NOT NULL,
    provider   TEXT   NOT NULL,
    connection TEXT   NOT NULL,
    flow       TEXT   NOT NULL,
    outcome    TEXT   NOT NULL,
    reason     TEXT   NOT NULL,
    times      BIGINT NOT NULL -- how often it happened, where repeated events are folded
);
CREATE INDEX events_at ON events (at, id);
CREATE INDEX events_user ON events (project, user_id, at);
