-- What retention looks for among connections, without reading all of them.

-- +goose Up
CREATE INDEX connections_dead ON connections (updated_at) WHERE state = 'reauthorize';
CREATE INDEX connections_ended ON connections (expires_at) WHERE state = 'active' AND NOT refreshable AND expires_at > 0;
