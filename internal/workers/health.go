package workers

import (
	"context"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
)

// Health asks a worker whether it is there. Kinds: NotFound, PermissionDenied.
func (t *Toolbox) Health(ctx context.Context, v *keybearer.View, id keybearer.WorkerID) (api.WorkerHealth, error) {
	w, err := v.Worker(ctx, id)
	if err != nil {
		return api.WorkerHealth{}, err
	}
	health := api.WorkerHealth{ID: string(id), Enabled: w.Enabled}
	if _, err := t.try(ctx, w); err != nil {
		health.Message = err.Error()
		return health, nil
	}
	health.Healthy, health.Message = true, "the worker answers"
	return health, nil
}

// Test tries a worker that is not registered.
func (t *Toolbox) Test(ctx context.Context, v *keybearer.View, d keybearer.WorkerDraft) (api.WorkerTestResult, error) {
	w, err := v.DraftWorker(d)
	if err != nil {
		return api.WorkerTestResult{}, err
	}
	info, err := t.try(ctx, w)
	if err != nil {
		return api.WorkerTestResult{Message: err.Error()}, nil
	}
	return api.WorkerTestResult{Success: true, Message: "the worker answers", ServerInfo: &info}, nil
}

// try asks a worker about its health by a connection of its own.
func (t *Toolbox) try(ctx context.Context, w keybearer.Worker) (api.WorkerServerInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, min(w.Timeout, listLife))
	defer cancel()
	w.Retry = 0
	end, err := t.endpoint(&w, func() {})
	if err != nil {
		return api.WorkerServerInfo{}, err
	}
	defer end.close()
	return end.health(ctx)
}
