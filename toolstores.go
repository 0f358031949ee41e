package keybearer

import (
	"context"
	"time"
)

// The stores of what tools need. What holds for all stores holds for them.

// WorkerStore keeps workers.
type WorkerStore interface {
	// Workers lists them by id.
	Workers(ctx context.Context, project ProjectID) ([]Worker, error)
	// PutWorker writes a whole row if the stored version is ifVersion (0: no such id yet). Otherwise Conflict.
	PutWorker(ctx context.Context, w Worker, ifVersion int64) (Worker, error)
	DeleteWorker(ctx context.Context, project ProjectID, id WorkerID) error
}

// ToolSecretStore keeps the secrets for tools.
type ToolSecretStore interface {
	// ToolSecrets lists them by key.
	ToolSecrets(ctx context.Context, project ProjectID) ([]ToolSecret, error)
	// PutToolSecret writes a whole row if the stored version is ifVersion (0: neither the id nor the key has
	// one yet; keys are compared without case). Otherwise Conflict. A stored AccessedAt that is later stays.
	PutToolSecret(ctx context.Context, s ToolSecret, ifVersion int64) (ToolSecret, error)
	DeleteToolSecret(ctx context.Context, project ProjectID, id string) error
	// TouchToolSecrets sets AccessedAt of those with these ids, unless a later one is stored. Those that
	// are gone are passed over, and versions stay as they are.
	TouchToolSecrets(ctx context.Context, project ProjectID, ids []string, at time.Time) error
}

// RunStore keeps scheduled runs.
type RunStore interface {
	Run(ctx context.Context, project ProjectID, id RunID) (Run, error)
	// PutRun writes a whole row if the stored version is ifVersion (0: no such id yet). Otherwise Conflict.
	PutRun(ctx context.Context, r Run, ifVersion int64) (Run, error)
	// Runs lists a page without Content, ordered by CreatedAt then ID, latest first, and counts all that match.
	Runs(ctx context.Context, filter RunFilter) (page []Run, total int, err error)
	// DueRuns lists up to limit runs whose DueAt has come by now, first those that came first.
	DueRuns(ctx context.Context, project ProjectID, now time.Time, limit int) ([]Run, error)
	// RunKeys lists up to limit runs, ordered by ID, which follow on after: with which key each is sealed.
	RunKeys(ctx context.Context, project ProjectID, after RunID, limit int) ([]RunKey, error)
}

// RunFilter selects runs. Empty fields select all.
type RunFilter struct {
	Project ProjectID
	Caller  string // the name of who scheduled it
	Limit   int    // at most 1000; 0 means 25
	Offset  int
}

// RunKey says with which key a run's content is sealed.
type RunKey struct {
	Run RunID
	// Key is the key's id; empty where the sealed value is broken.
	Key string
}

// The actions of the audit about tools.
const (
	ActionToolCall     = "tool.call"     // a tool was called for a user, or could not be
	ActionToolSchedule = "tool.schedule" // a tool was scheduled
	ActionWorkerPut    = "worker.put"    // a worker was registered or changed
	ActionWorkerDelete = "worker.delete" //
	ActionSecretPut    = "secret.put"    // a secret for tools was made or replaced
	ActionSecretDelete = "secret.delete" //
)
