package keybearer

import (
	"context"
	"slices"
	"strings"

	"github.com/keybearer/keybearer/oauth"
)

const maxWorkers = 500

func workerIn(all []Worker, id WorkerID) (Worker, error) {
	for _, w := range all {
		if w.ID == id {
			return w.clone(), nil
		}
	}
	return Worker{}, Errorf(NotFound, "there is no worker %q", oauth.Clean(string(id), 100))
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
