package keybearer

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/secret"
)

// WorkerDraft is what an operator writes down of a worker.
type WorkerDraft struct {
	ID   WorkerID
	Type WorkerType // "" means http
	// Enabled, where nil, means true.
	Enabled *bool
	URI     string
	// Timeout, where 0, means DefaultWorkerTimeout.
	Timeout time.Duration
	// Retry, where nil, means DefaultWorkerRetry.
	Retry   *int
	Headers map[string]string
	Command []string
	Env     map[string]string
	// Secret is what is shared with a worker of the worker protocol; empty on an update that keeps it.
	Secret secret.String
	// Secrets are the named ones. On an update those with an empty value are kept as they are, and those
	// that are not here are dropped.
	Secrets map[string]secret.String
	// HasSecret tells an edit whether a Secret is stored.
	HasSecret bool
}

const maxWorkers = 500

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

func workerIn(all []Worker, id WorkerID) (Worker, error) {
	for _, w := range all {
		if w.ID == id {
			return w.clone(), nil
		}
	}
	return Worker{}, Errorf(NotFound, "there is no worker %q", oauth.Clean(string(id), 100))
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

// DraftWorker gives the worker that a draft describes, without storing it: to try it. Neither an id nor a secret is
// needed. Kind: BadRequest.
func (v *View) DraftWorker(d WorkerDraft) (Worker, error) {
	if err := v.admin(ActionWorkerPut); err != nil {
		return Worker{}, err
	}
	if d.ID == "" {
		d.ID = "draft"
	}
	return v.b.draftedWorker(Worker{Project: v.caller.Project, ID: d.ID, Origin: FromAPI, CreatedAt: v.b.now()}, d)
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

// staticWorkers checks the workers of the file, and fills in what they leave out.
func staticWorkers(from []Worker) ([]Worker, error) {
	all := make([]Worker, 0, len(from))
	for _, w := range from {
		w = w.clone()
		w.Origin = FromFile
		if w.Type == "" {
			w.Type = WorkerHTTP
		}
		if w.Timeout == 0 {
			w.Timeout = DefaultWorkerTimeout
		}
		if err := CheckWorker(&w, true); err != nil {
			return nil, Errorf(BadRequest, "%w", err)
		}
		if _, err := workerIn(all, w.ID); err == nil {
			return nil, Errorf(BadRequest, "two workers of the file have the id %q: give one of them another", w.ID)
		}
		all = append(all, w)
	}
	return all, nil
}

// draftedWorker lays a draft over a worker and checks the result.
func (b *Broker) draftedWorker(w Worker, d WorkerDraft) (Worker, error) {
	w.Type, w.URI, w.Timeout, w.UpdatedAt = d.Type, strings.TrimSpace(d.URI), d.Timeout, b.now()
	w.Headers, w.Command, w.Env = d.Headers, d.Command, d.Env
	if w.Type == "" {
		w.Type = WorkerHTTP
	}
	if w.Timeout == 0 {
		w.Timeout = DefaultWorkerTimeout
	}
	w.Enabled, w.Retry = true, DefaultWorkerRetry
	if d.Enabled != nil {
		w.Enabled = *d.Enabled
	}
	if d.Retry != nil {
		w.Retry = *d.Retry
	}
	if err := w.SealSecrets(b.cfg.Sealer, WorkerSecrets{Shared: d.Secret, Named: d.Secrets}); err != nil {
		return Worker{}, err
	}
	if err := CheckWorker(&w, b.cfg.AllowHTTP); err != nil {
		return Worker{}, Errorf(BadRequest, "%w", err)
	}
	return w.clone(), nil
}

func wantsSecret(w *Worker) error {
	if w.Type == WorkerHTTP && len(w.Secret) == 0 {
		return Errorf(BadRequest, "worker %s: a secret is needed, the same as the worker's own: by it the worker knows the engine", w.ID)
	}
	return nil
}

// WorkersOf lists a project's workers, sorted by id. The list is shared: do not change it. It is for those
// who call workers; people and apps come by [View.Workers].
func (b *Broker) WorkersOf(ctx context.Context, project ProjectID) ([]Worker, error) {
	return b.workers.get(project, func() ([]Worker, error) { return b.readWorkers(ctx, project) })
}

// readWorkers lists the file's workers, and the stored ones that the file does not shadow.
func (b *Broker) readWorkers(ctx context.Context, project ProjectID) ([]Worker, error) {
	stored, err := b.cfg.Workers.Workers(ctx, project)
	if err != nil {
		return nil, err
	}
	all := make([]Worker, 0, len(stored)+len(b.cfg.StaticWorkers))
	for _, w := range b.cfg.StaticWorkers {
		w.Project, w.Origin = project, FromFile
		all = append(all, w)
	}
	for _, w := range stored {
		if !slices.ContainsFunc(b.cfg.StaticWorkers, func(s Worker) bool { return s.ID == w.ID }) {
			all = append(all, w)
		}
	}
	slices.SortFunc(all, func(a, b Worker) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return all, nil
}
