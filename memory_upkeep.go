package keybearer

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// ClaimDue implements [UpkeepStore].
func (m *Memory) ClaimDue(_ context.Context, project ProjectID, provider ProviderID, now, until time.Time, limit int) ([]Connection, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var due []Connection
	for _, c := range m.connections {
		if c.Project == project && c.Provider == provider && !c.DueAt.IsZero() && !c.DueAt.After(now) {
			due = append(due, c)
		}
	}
	slices.SortFunc(due, func(a, b Connection) int { return cmp.Or(a.DueAt.Compare(b.DueAt), cmp.Compare(a.ID, b.ID)) })
	due = due[:min(len(due), limit)]
	for i, c := range due {
		c.DueAt = storedTime(until)
		m.connections[connectionKey{c.Project, c.ID}] = c
		due[i] = c.clone()
	}
	return due, nil
}

// Postpone implements [UpkeepStore].
func (m *Memory) Postpone(_ context.Context, c Connection, due time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := connectionKey{c.Project, c.ID}
	if stored, ok := m.connections[key]; ok && stored.Version == c.Version {
		stored.DueAt = storedTime(due)
		m.connections[key] = stored
	}
	return nil
}

// Touch implements [UpkeepStore].
func (m *Memory) Touch(_ context.Context, used map[Ref]time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for ref, at := range used {
		key := connectionKey{ref.Project, m.refs[ref]}
		if c, ok := m.connections[key]; ok && c.UsedAt.Before(at) {
			c.UsedAt = storedTime(at)
			m.connections[key] = c
		}
	}
	return nil
}
