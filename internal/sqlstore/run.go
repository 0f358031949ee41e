package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/seal"
)

const (
	runColumns = `project, id, caller, caller_name, user_id, toolkit, tool, tool_version, state, sealed_content, attempts,
		run_at, due_at, started_at, finished_at, created_at, updated_at, version`

	// runHead is runColumns without the content, which may be large.
	runHead = `project, id, caller, caller_name, user_id, toolkit, tool, tool_version, state, NULL, attempts,
		run_at, due_at, started_at, finished_at, created_at, updated_at, version`

	runByID = `SELECT ` + runColumns + ` FROM scheduled_runs WHERE project = $1 AND id = $2`

	runInsert = `INSERT INTO scheduled_runs (` + runColumns + `)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) ON CONFLICT DO NOTHING`

	runUpdate = `UPDATE scheduled_runs SET caller = $3, caller_name = $4, user_id = $5, toolkit = $6, tool = $7, tool_version = $8,
		state = $9, sealed_content = $10, attempts = $11, run_at = $12, due_at = $13, started_at = $14, finished_at = $15,
		created_at = $16, updated_at = $17, version = $18
		WHERE project = $1 AND id = $2 AND version = $19`

	runCount = `SELECT count(*) FROM scheduled_runs WHERE project = $1 AND ($2 = '' OR caller_name = $2)`

	runPage = `SELECT ` + runHead + ` FROM scheduled_runs WHERE project = $1 AND ($2 = '' OR caller_name = $2)
		ORDER BY created_at DESC, id DESC LIMIT $3 OFFSET $4`

	runsDue = `SELECT ` + runColumns + ` FROM scheduled_runs WHERE project = $1 AND due_at > 0 AND due_at <= $2
		ORDER BY due_at, id LIMIT $3`

	runKeys = `SELECT id, substr(sealed_content, 1, 66) FROM scheduled_runs
		WHERE project = $1 AND id > $2 AND sealed_content IS NOT NULL ORDER BY id LIMIT $3`
)

// callerColumn is how a caller is written down.
type callerColumn struct {
	Name      string                 `json:"name"`
	Admin     bool                   `json:"admin,omitempty"`
	Providers []keybearer.ProviderID `json:"providers,omitempty"`
	Users     string                 `json:"users,omitempty"`
}

func scanRun(row scanner) (keybearer.Run, error) {
	var (
		r      keybearer.Run
		caller callerColumn
		name   string
	)
	err := row.Scan(&r.Project, &r.ID, objectColumn{&caller}, &name, &r.User, &r.Toolkit, &r.Tool, &r.ToolVersion, &r.State,
		blobOf(&r.Content), objectColumn{&r.Attempts}, timeColumn{&r.RunAt}, timeColumn{&r.DueAt}, timeColumn{&r.StartedAt},
		timeColumn{&r.FinishedAt}, timeColumn{&r.CreatedAt}, timeColumn{&r.UpdatedAt}, &r.Version)
	r.Caller = keybearer.Caller{Project: r.Project, Name: caller.Name, Admin: caller.Admin, Providers: caller.Providers, Users: caller.Users}
	return storedRun(r), err
}

// storedRun is what the columns give back for a run: the caller's own.
func storedRun(r keybearer.Run) keybearer.Run {
	r.Content, r.Caller.Providers, r.Attempts = copied(r.Content), copied(r.Caller.Providers), copied(r.Attempts)
	for i := range r.Attempts {
		a := &r.Attempts[i]
		a.StartedAt, a.FinishedAt = storedTime(a.StartedAt), storedTime(a.FinishedAt)
	}
	for _, t := range []*time.Time{&r.RunAt, &r.DueAt, &r.StartedAt, &r.FinishedAt, &r.CreatedAt, &r.UpdatedAt} {
		*t = storedTime(*t)
	}
	r.Caller.Project = r.Project
	return r
}

// Run implements [keybearer.RunStore].
func (db *DB) Run(ctx context.Context, project keybearer.ProjectID, id keybearer.RunID) (keybearer.Run, error) {
	r, err := scanRun(db.points.row(ctx, runByID, project, id))
	if errors.Is(err, sql.ErrNoRows) {
		return keybearer.Run{}, keybearer.Errorf(keybearer.NotFound, "no run %q", id)
	}
	if err != nil {
		return keybearer.Run{}, db.failure(fmt.Sprintf("reading run %q", id), err)
	}
	return r, nil
}

// PutRun implements [keybearer.RunStore].
func (db *DB) PutRun(ctx context.Context, r keybearer.Run, ifVersion int64) (keybearer.Run, error) {
	r = storedRun(r)
	r.Version = ifVersion + 1
	attempts := r.Attempts
	if attempts == nil {
		attempts = []keybearer.RunAttempt{}
	}
	values := []any{
		r.Project, r.ID, object(callerColumn{r.Caller.Name, r.Caller.Admin, r.Caller.Providers, r.Caller.Users}), r.Caller.Name,
		r.User, r.Toolkit, r.Tool, r.ToolVersion, r.State, blob(r.Content), object(attempts), micros(r.RunAt), micros(r.DueAt),
		micros(r.StartedAt), micros(r.FinishedAt), micros(r.CreatedAt), micros(r.UpdatedAt), r.Version,
	}
	text := runInsert
	if ifVersion != 0 {
		text, values = runUpdate, append(values, ifVersion)
	}
	changed, err := db.write.exec(ctx, text, values...)
	if err != nil {
		return keybearer.Run{}, db.failure(fmt.Sprintf("storing run %q", r.ID), err)
	}
	if changed == 0 {
		return keybearer.Run{}, keybearer.Errorf(keybearer.Conflict, "run %q was moved by somebody else", r.ID)
	}
	return r, nil
}

// Runs implements [keybearer.RunStore]. Counting all that match costs a walk over an index.
func (db *DB) Runs(ctx context.Context, filter keybearer.RunFilter) ([]keybearer.Run, int, error) {
	var total int
	if err := db.lists.QueryRowContext(ctx, runCount, filter.Project, filter.Caller).Scan(&total); err != nil {
		return nil, 0, db.failure("counting runs", err)
	}
	limit, offset := filter.Page()
	if offset >= total {
		return nil, total, nil
	}
	page, err := all(ctx, db.lists, scanRun, runPage, filter.Project, filter.Caller, limit, offset)
	if err != nil {
		return nil, 0, db.failure("listing runs", err)
	}
	return page, total, nil
}

// DueRuns implements [keybearer.RunStore].
func (db *DB) DueRuns(ctx context.Context, project keybearer.ProjectID, now time.Time, limit int) ([]keybearer.Run, error) {
	if limit < 1 { // which SQLite takes for no limit
		return nil, nil
	}
	due, err := all(ctx, db.lists, scanRun, runsDue, project, micros(now), limit)
	return due, db.failure("looking for runs that are due", err)
}

// RunKeys implements [keybearer.RunStore].
func (db *DB) RunKeys(ctx context.Context, project keybearer.ProjectID, after keybearer.RunID, limit int) ([]keybearer.RunKey, error) {
	keys, err := all(ctx, db.lists, func(row scanner) (keybearer.RunKey, error) {
		var (
			k    keybearer.RunKey
			head seal.Value
		)
		if err := row.Scan(&k.Run, blobOf(&head)); err != nil {
			return k, err
		}
		k.Key, _ = head.KeyID() // one that cannot be read is "", as RunStore has it
		return k, nil
	}, runKeys, project, after, limit)
	return keys, db.failure("reading with which keys runs are sealed", err)
}
