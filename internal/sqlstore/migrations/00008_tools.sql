-- Workers, the secrets that tools ask for, and tools that run at a time.

-- +goose Up
CREATE TABLE workers (
    project       TEXT    NOT NULL,
    id            TEXT    NOT NULL,
    type          TEXT    NOT NULL,
    enabled       BOOLEAN NOT NULL,
    origin        TEXT    NOT NULL,
    uri           TEXT    NOT NULL,
    timeout       BIGINT  NOT NULL, -- in microseconds
    retry         BIGINT  NOT NULL,
    headers       TEXT    NOT NULL, -- a JSON object
    command       TEXT    NOT NULL,
    env           TEXT    NOT NULL, -- a JSON object
    sealed_secret BYTEA,
    secret_names  TEXT    NOT NULL,
    created_at    BIGINT  NOT NULL,
    updated_at    BIGINT  NOT NULL,
    version       BIGINT  NOT NULL,
    PRIMARY KEY (project, id)
);

CREATE TABLE tool_secrets (
    project      TEXT   NOT NULL,
    id           TEXT   NOT NULL,
    name         TEXT   NOT NULL,
    folded       TEXT   NOT NULL, -- the name in lower case
    description  TEXT   NOT NULL,
    sealed_value BYTEA,
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL,
    accessed_at  BIGINT NOT NULL,
    version      BIGINT NOT NULL,
    PRIMARY KEY (project, id)
);
CREATE UNIQUE INDEX tool_secrets_name ON tool_secrets (project, folded);

CREATE TABLE scheduled_runs (
    project        TEXT   NOT NULL,
    id             TEXT   NOT NULL,
    caller         TEXT   NOT NULL, -- a JSON object: who scheduled it, and what that caller may do
    caller_name    TEXT   NOT NULL,
    user_id        TEXT   NOT NULL,
    toolkit        TEXT   NOT NULL,
    tool           TEXT   NOT NULL,
    tool_version   TEXT   NOT NULL,
    state          TEXT   NOT NULL,
    sealed_content BYTEA,
    attempts       TEXT   NOT NULL, -- a JSON array: the journal, so that one write moves the run and closes it
    run_at         BIGINT NOT NULL,
    due_at         BIGINT NOT NULL, -- 0: it is over
    started_at     BIGINT NOT NULL,
    finished_at    BIGINT NOT NULL,
    created_at     BIGINT NOT NULL,
    updated_at     BIGINT NOT NULL,
    version        BIGINT NOT NULL,
    PRIMARY KEY (project, id)
);
CREATE INDEX scheduled_runs_due ON scheduled_runs (project, due_at) WHERE due_at > 0;
CREATE INDEX scheduled_runs_page ON scheduled_runs (project, created_at, id);
CREATE INDEX scheduled_runs_finished ON scheduled_runs (finished_at) WHERE finished_at > 0;
