package keybearer

import (
	"context"
	"errors"
	"maps"

	"github.com/keybearer/keybearer/secret"
)

// Workers lists the file's and the stored workers, sorted by id.
func (v *View) Workers(ctx context.Context) ([]Worker, error) {
	if err := v.admin("workers"); err != nil {
		return nil, err
	}
	all, err := v.b.WorkersOf(ctx, v.caller.Project)
	own := make([]Worker, len(all))
	for i, w := range all {
		own[i] = w.clone()
	}
	return own, err
}

// Worker gives one. Kind: NotFound.
func (v *View) Worker(ctx context.Context, id WorkerID) (Worker, error) {
	if err := v.admin("workers"); err != nil {
		return Worker{}, err
	}
	all, err := v.b.WorkersOf(ctx, v.caller.Project)
	if err != nil {
		return Worker{}, err
	}
	return workerIn(all, id)
}

// CreateWorker registers a worker. Kinds: BadRequest, Conflict (the id is taken).
func (v *View) CreateWorker(ctx context.Context, d WorkerDraft) (Worker, error) {
	if err := v.admin(ActionWorkerPut); err != nil {
		return Worker{}, err
	}
	all, err := v.b.readWorkers(ctx, v.caller.Project)
	switch {
	case err != nil:
		return Worker{}, err
	case len(all) >= maxWorkers:
		return Worker{}, Errorf(BadRequest, "there are %d workers, and no more are allowed: delete one first", maxWorkers)
	}
	if _, err := workerIn(all, d.ID); err == nil {
		return Worker{}, Errorf(Conflict, "there is a worker %s already: choose another id, or change that one", d.ID)
	}
	w := Worker{Project: v.caller.Project, ID: d.ID, Origin: FromAPI, CreatedAt: v.b.now()}
	if w, err = v.b.draftedWorker(w, d); err != nil {
		return Worker{}, err
	}
	if err := wantsSecret(&w); err != nil {
		return Worker{}, err
	}
	return v.putWorker(ctx, w, 0)
}

// UpdateWorker lets edit change a draft of the stored worker, then checks and stores it.
// Kinds: NotFound, BadRequest (also for the file's workers), Conflict.
func (v *View) UpdateWorker(ctx context.Context, id WorkerID, edit func(*WorkerDraft) error) (Worker, error) {
	if err := v.admin(ActionWorkerPut); err != nil {
		return Worker{}, err
	}
	w, err := v.editableWorker(ctx, id)
	if err != nil {
		return Worker{}, err
	}
	d := WorkerDraft{
		ID: w.ID, Type: w.Type, Enabled: &w.Enabled, URI: w.URI, Timeout: w.Timeout, Retry: &w.Retry,
		Headers: maps.Clone(w.Headers), Secrets: map[string]secret.String{},
	}
	known, err := v.b.WorkerSecrets(&w)
	if err != nil {
		v.b.log.Error("the stored secrets of a worker are of no use", "worker", w.ID, "error", err)
	}
	d.HasSecret = !known.Shared.IsZero()
	for _, name := range w.SecretNames {
		d.Secrets[name] = secret.String{}
	}
	if err := edit(&d); err != nil {
		return Worker{}, asKind(BadRequest, err)
	}
	if d.ID != w.ID || d.Type != "" && d.Type != w.Type {
		return Worker{}, Errorf(BadRequest, "a worker keeps its id and its type: create another one")
	}
	if d.Secret.IsZero() {
		d.Secret = known.Shared
	}
	for name, value := range d.Secrets {
		if value.IsZero() {
			d.Secrets[name] = known.Named[name]
		}
	}
	before := w.Version
	if w, err = v.b.draftedWorker(w, d); err != nil {
		return Worker{}, err
	}
	if err := wantsSecret(&w); err != nil {
		return Worker{}, err
	}
	return v.putWorker(ctx, w, before)
}

// DeleteWorker forgets a worker. Kinds: NotFound, BadRequest for the file's workers.
func (v *View) DeleteWorker(ctx context.Context, id WorkerID) error {
	if err := v.admin(ActionWorkerDelete); err != nil {
		return err
	}
	if _, err := v.editableWorker(ctx, id); err != nil {
		return err
	}
	err := v.b.cfg.Workers.DeleteWorker(ctx, v.caller.Project, id)
	v.b.workers.clear()
	v.record(Event{Action: ActionWorkerDelete, Outcome: outcome(err), Reason: string(id)})
	return err
}

func (v *View) editableWorker(ctx context.Context, id WorkerID) (Worker, error) {
	all, err := v.b.readWorkers(ctx, v.caller.Project)
	if err != nil {
		return Worker{}, err
	}
	w, err := workerIn(all, id)
	if err == nil && w.Origin == FromFile {
		err = Errorf(BadRequest, "worker %s comes from engine.yaml: change it there", id)
	}
	return w, err
}

func (v *View) putWorker(ctx context.Context, w Worker, ifVersion int64) (Worker, error) {
	stored, err := v.b.cfg.Workers.PutWorker(ctx, w, ifVersion)
	v.b.workers.clear()
	v.record(Event{Action: ActionWorkerPut, Outcome: outcome(err), Reason: string(w.ID)})
	if errors.Is(err, Conflict) {
		return Worker{}, Errorf(Conflict, "worker %s was changed by somebody else meanwhile: read it again", w.ID)
	}
	return stored, err
}
