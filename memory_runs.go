package keybearer

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// Run implements [RunStore].
func (m *Memory) Run(_ context.Context, project ProjectID, id RunID) (Run, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.tools.runs[runKey{project, id}]
	if !ok {
		return Run{}, Errorf(NotFound, "no run %q", id)
	}
	return r.clone(), nil
}

// PutRun implements [RunStore].
func (m *Memory) PutRun(_ context.Context, r Run, ifVersion int64) (Run, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sweep()
	key := runKey{r.Project, r.ID}
	if m.tools.runs[key].Version != ifVersion {
		return Run{}, Errorf(Conflict, "run %q was moved by somebody else", r.ID)
	}
	r = r.clone()
	r.Caller.Project = r.Project
	r.Version = ifVersion + 1
	m.tools.runs[key] = r
	return r.clone(), nil
}

// Runs implements [RunStore].
func (m *Memory) Runs(_ context.Context, filter RunFilter) ([]Run, int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []Run
	for _, r := range m.tools.runs {
		if r.Project == filter.Project && (filter.Caller == "" || r.Caller.Name == filter.Caller) {
			r = r.clone()
			r.Content = nil
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b Run) int { return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(b.ID, a.ID)) })
	total := len(list)
	limit, offset := filter.Page()
	from := min(offset, total)
	return storedList(list[from:min(from+limit, total)]), total, nil
}

// DueRuns implements [RunStore].
func (m *Memory) DueRuns(_ context.Context, project ProjectID, now time.Time, limit int) ([]Run, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var due []Run
	for _, r := range m.tools.runs {
		if r.Project == project && !r.DueAt.IsZero() && !r.DueAt.After(now) {
			due = append(due, r.clone())
		}
	}
	slices.SortFunc(due, func(a, b Run) int { return cmp.Or(a.DueAt.Compare(b.DueAt), cmp.Compare(a.ID, b.ID)) })
	return storedList(due[:min(len(due), max(limit, 0))]), nil
}

// RunKeys implements [RunStore].
func (m *Memory) RunKeys(_ context.Context, project ProjectID, after RunID, limit int) ([]RunKey, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var keys []RunKey
	for _, r := range m.tools.runs {
		if r.Project == project && r.ID > after && len(r.Content) > 0 {
			id, _ := r.Content.KeyID() // "" for a broken one, as RunStore has it
			keys = append(keys, RunKey{r.ID, id})
		}
	}
	slices.SortFunc(keys, func(a, b RunKey) int { return cmp.Compare(a.Run, b.Run) })
	return keys[:min(len(keys), limit)], nil
}

// Page gives the limit and the offset that stores use, as [ConnectionFilter.Page] does.
func (f RunFilter) Page() (limit, offset int) {
	return ConnectionFilter{Limit: f.Limit, Offset: f.Offset}.Page()
}
