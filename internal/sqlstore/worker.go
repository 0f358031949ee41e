package sqlstore

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/keybearer/keybearer"
)

const (
	workerColumns = `project, id, type, enabled, origin, uri, timeout, retry, headers, command, env, sealed_secret, secret_names,
		created_at, updated_at, version`

	workersOf = `SELECT ` + workerColumns + ` FROM workers WHERE project = $1 ORDER BY id`

	workerInsert = `INSERT INTO workers (` + workerColumns + `)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) ON CONFLICT DO NOTHING`

	workerUpdate = `UPDATE workers SET type = $3, enabled = $4, origin = $5, uri = $6, timeout = $7, retry = $8, headers = $9,
		command = $10, env = $11, sealed_secret = $12, secret_names = $13, created_at = $14, updated_at = $15, version = $16
		WHERE project = $1 AND id = $2 AND version = $17`

	workerDelete = `DELETE FROM workers WHERE project = $1 AND id = $2`
)

func scanWorker(row scanner) (keybearer.Worker, error) {
	var (
		w       keybearer.Worker
		timeout int64
	)
	err := row.Scan(&w.Project, &w.ID, &w.Type, &w.Enabled, &w.Origin, &w.URI, &timeout, &w.Retry, objectColumn{&w.Headers},
		listOf(&w.Command), objectColumn{&w.Env}, blobOf(&w.Secret), listOf(&w.SecretNames),
		timeColumn{&w.CreatedAt}, timeColumn{&w.UpdatedAt}, &w.Version)
	w.Timeout = time.Duration(timeout) * time.Microsecond
	return storedWorker(w), err
}

// storedWorker is what the columns give back for a worker: the caller's own.
func storedWorker(w keybearer.Worker) keybearer.Worker {
	w.Command, w.Secret, w.SecretNames = copied(w.Command), copied(w.Secret), copied(w.SecretNames)
	w.Headers, w.Env = copiedMap(w.Headers), copiedMap(w.Env)
	w.Timeout = w.Timeout.Truncate(time.Microsecond)
	w.CreatedAt, w.UpdatedAt = storedTime(w.CreatedAt), storedTime(w.UpdatedAt)
	return w
}

func copiedMap(m map[string]string) map[string]string {
	if len(m) == 0 {
		return nil
	}
	return maps.Clone(m)
}

// Workers implements [keybearer.WorkerStore].
func (db *DB) Workers(ctx context.Context, project keybearer.ProjectID) ([]keybearer.Worker, error) {
	list, err := all(ctx, db.lists, scanWorker, workersOf, project)
	return list, db.failure("listing workers", err)
}

// PutWorker implements [keybearer.WorkerStore].
func (db *DB) PutWorker(ctx context.Context, w keybearer.Worker, ifVersion int64) (keybearer.Worker, error) {
	w = storedWorker(w)
	w.Version = ifVersion + 1
	values := []any{
		w.Project, w.ID, w.Type, w.Enabled, w.Origin, w.URI, w.Timeout.Microseconds(), w.Retry, object(w.Headers), list(w.Command),
		object(w.Env), blob(w.Secret), list(w.SecretNames), micros(w.CreatedAt), micros(w.UpdatedAt), w.Version,
	}
	text := workerInsert
	if ifVersion != 0 {
		text, values = workerUpdate, append(values, ifVersion)
	}
	changed, err := db.write.exec(ctx, db.dialect.telling(text, rulesChanged, "id"), values...)
	if err != nil {
		return keybearer.Worker{}, db.failure(fmt.Sprintf("storing worker %q", w.ID), err)
	}
	if changed == 0 {
		return keybearer.Worker{}, keybearer.Errorf(keybearer.Conflict, "worker %q was changed by somebody else", w.ID)
	}
	return w, nil
}

// DeleteWorker implements [keybearer.WorkerStore].
func (db *DB) DeleteWorker(ctx context.Context, project keybearer.ProjectID, id keybearer.WorkerID) error {
	deleted, err := db.write.exec(ctx, db.dialect.telling(workerDelete, rulesChanged, "id"), project, id)
	if err != nil {
		return db.failure(fmt.Sprintf("deleting worker %q", id), err)
	}
	if deleted == 0 {
		return keybearer.Errorf(keybearer.NotFound, "no worker %q", id)
	}
	return nil
}
