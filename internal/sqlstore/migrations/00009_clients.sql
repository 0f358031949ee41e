-- Clients of the engine's own MCP address, and what people gave them.

-- +goose Up
CREATE TABLE registered_clients (
    project       TEXT   NOT NULL,
    id            TEXT   NOT NULL,
    name          TEXT   NOT NULL,
    redirect_uris TEXT   NOT NULL,
    created_at    BIGINT NOT NULL,
    PRIMARY KEY (project, id)
);
CREATE INDEX registered_clients_created ON registered_clients (created_at);

CREATE TABLE client_grants (
    project        TEXT   NOT NULL,
    id             TEXT   NOT NULL,
    client         TEXT   NOT NULL,
    user_id        TEXT   NOT NULL,
    resource       TEXT   NOT NULL,
    redirect_uri   TEXT   NOT NULL,
    challenge      TEXT   NOT NULL,
    code_hash      BYTEA,
    code_expires   BIGINT NOT NULL,
    access_hash    BYTEA,
    access_expires BIGINT NOT NULL,
    refresh_hash   BYTEA,
    previous_hash  BYTEA,
    rotated_at     BIGINT NOT NULL,
    created_at     BIGINT NOT NULL,
    expires_at     BIGINT NOT NULL,
    version        BIGINT NOT NULL,
    PRIMARY KEY (project, id)
);
CREATE INDEX client_grants_expires ON client_grants (expires_at);
CREATE INDEX client_grants_client ON client_grants (project, client);
