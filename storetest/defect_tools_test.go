package storetest_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/keybearer/keybearer"
)

// Stores of workers, secrets for tools and runs, each with one defect.

type forgetsEnvs struct{ *keybearer.Memory }

func (s forgetsEnvs) PutWorker(ctx context.Context, w keybearer.Worker, ifVersion int64) (keybearer.Worker, error) {
	w.Env = nil
	return s.Memory.PutWorker(ctx, w, ifVersion)
}

// blindTools writes whatever the version is.
type blindTools struct{ *keybearer.Memory }

func (s blindTools) PutWorker(ctx context.Context, w keybearer.Worker, _ int64) (keybearer.Worker, error) {
	for {
		list, _ := s.Memory.Workers(ctx, w.Project)
		var version int64
		for _, stored := range list {
			if stored.ID == w.ID {
				version = stored.Version
			}
		}
		if put, err := s.Memory.PutWorker(ctx, w, version); !errors.Is(err, keybearer.Conflict) {
			return put, err
		}
	}
}

func (s blindTools) PutToolSecret(ctx context.Context, one keybearer.ToolSecret, _ int64) (keybearer.ToolSecret, error) {
	list, _ := s.Memory.ToolSecrets(ctx, one.Project)
	var version int64
	for _, stored := range list {
		if stored.ID == one.ID {
			version = stored.Version
		}
	}
	return s.Memory.PutToolSecret(ctx, one, version)
}

func (s blindTools) PutRun(ctx context.Context, r keybearer.Run, _ int64) (keybearer.Run, error) {
	for {
		stored, _ := s.Memory.Run(ctx, r.Project, r.ID)
		if put, err := s.Memory.PutRun(ctx, r, stored.Version); !errors.Is(err, keybearer.Conflict) {
			return put, err
		}
	}
}

// looksAtToolsFirst compares the version, and writes only then.
type looksAtToolsFirst struct{ *keybearer.Memory }

func (s looksAtToolsFirst) PutWorker(ctx context.Context, w keybearer.Worker, ifVersion int64) (keybearer.Worker, error) {
	list, _ := s.Memory.Workers(ctx, w.Project)
	if len(list) > 0 && list[0].Version != ifVersion {
		return keybearer.Worker{}, keybearer.Conflict
	}
	pause()
	return blindTools(s).PutWorker(ctx, w, ifVersion)
}

func (s looksAtToolsFirst) PutRun(ctx context.Context, r keybearer.Run, ifVersion int64) (keybearer.Run, error) {
	if stored, _ := s.Memory.Run(ctx, r.Project, r.ID); stored.Version != ifVersion {
		return keybearer.Run{}, keybearer.Conflict
	}
	pause()
	return blindTools(s).PutRun(ctx, r, ifVersion)
}

type sharesTools struct {
	*keybearer.Memory
	workers []keybearer.Worker
	runs    sync.Map
}

func (s *sharesTools) Workers(ctx context.Context, project keybearer.ProjectID) (_ []keybearer.Worker, err error) {
	if s.workers == nil {
		s.workers, err = s.Memory.Workers(ctx, project)
	}
	return s.workers, err
}

func (s *sharesTools) Run(ctx context.Context, project keybearer.ProjectID, id keybearer.RunID) (keybearer.Run, error) {
	r, err := s.Memory.Run(ctx, project, id)
	if err != nil {
		return r, err
	}
	kept, _ := s.runs.LoadOrStore(id, r)
	return kept.(keybearer.Run), nil
}

type contentToolDeletes struct{ *keybearer.Memory }

func (s contentToolDeletes) DeleteWorker(ctx context.Context, project keybearer.ProjectID, id keybearer.WorkerID) error {
	return content(s.Memory.DeleteWorker(ctx, project, id))
}

func (s contentToolDeletes) DeleteToolSecret(ctx context.Context, project keybearer.ProjectID, id string) error {
	return content(s.Memory.DeleteToolSecret(ctx, project, id))
}

type forgetsDescriptions struct{ *keybearer.Memory }

func (s forgetsDescriptions) PutToolSecret(ctx context.Context, one keybearer.ToolSecret, ifVersion int64) (keybearer.ToolSecret, error) {
	one.Description = ""
	return s.Memory.PutToolSecret(ctx, one, ifVersion)
}

// sensitiveToCase takes names for others that differ in case alone.
type sensitiveToCase struct{ *keybearer.Memory }

func (s sensitiveToCase) PutToolSecret(ctx context.Context, one keybearer.ToolSecret, ifVersion int64) (keybearer.ToolSecret, error) {
	if one.Key == strings.ToLower(one.Key) {
		one.Key += "."
	}
	return s.Memory.PutToolSecret(ctx, one, ifVersion)
}

// touchesAsTold sets the time of use back.
type touchesAsTold struct{ *keybearer.Memory }

func (s touchesAsTold) TouchToolSecrets(ctx context.Context, project keybearer.ProjectID, ids []string, at time.Time) error {
	return s.Memory.TouchToolSecrets(ctx, project, ids, at.Add(time.Second))
}

type forgetsCallers struct{ *keybearer.Memory }

func (s forgetsCallers) PutRun(ctx context.Context, r keybearer.Run, ifVersion int64) (keybearer.Run, error) {
	r.Caller.Providers = nil
	return s.Memory.PutRun(ctx, r, ifVersion)
}

// everybodysRuns does not ask who scheduled them.
type everybodysRuns struct{ *keybearer.Memory }

func (s everybodysRuns) Runs(ctx context.Context, filter keybearer.RunFilter) ([]keybearer.Run, int, error) {
	filter.Caller = ""
	return s.Memory.Runs(ctx, filter)
}

// earlyRuns gives a run before its time.
type earlyRuns struct{ *keybearer.Memory }

func (s earlyRuns) DueRuns(ctx context.Context, project keybearer.ProjectID, now time.Time, limit int) ([]keybearer.Run, error) {
	return s.Memory.DueRuns(ctx, project, now.Add(time.Hour), limit)
}

type firstRunKeys struct{ *keybearer.Memory }

func (s firstRunKeys) RunKeys(ctx context.Context, project keybearer.ProjectID, _ keybearer.RunID, limit int) ([]keybearer.RunKey, error) {
	return s.Memory.RunKeys(ctx, project, "", limit)
}
