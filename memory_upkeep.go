package keybearer

import (
	"context"
	"time"
)

// ClaimDue implements [UpkeepStore]. Its cost is that of the rows that it gives.
func (m *Memory) ClaimDue(_ context.Context, project ProjectID, provider ProviderID, now, until time.Time, limit int) ([]Connection, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var due []Connection
	for len(due) < limit {
		plan := m.plans[planKey{project, provider}]
		if plan == nil || (*plan)[0].due.After(now) {
			break
		}
		c := m.connections[connectionKey{project, (*plan)[0].id}]
		m.plan(c, time.Time{})
		due = append(due, c)
	}
	for i, c := range due { // only now, since until may have come, too
		due[i] = m.replan(c, until).clone()
	}
	return due, nil
}

// Postpone implements [UpkeepStore].
func (m *Memory) Postpone(_ context.Context, planned []Connection) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range planned {
		if stored, ok := m.connections[connectionKey{c.Project, c.ID}]; ok && stored.Version == c.Version {
			m.replan(stored, c.DueAt)
		}
	}
	return nil
}

// replan stores another DueAt.
func (m *Memory) replan(c Connection, due time.Time) Connection {
	c.DueAt = storedTime(due)
	m.connections[connectionKey{c.Project, c.ID}] = c
	m.plan(c, c.DueAt)
	return c
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
