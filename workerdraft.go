package keybearer

import (
	"strings"
	"time"

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
