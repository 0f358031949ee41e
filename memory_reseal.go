package keybearer

import (
	"cmp"
	"context"
	"slices"
)

// GrantKeys implements [ResealStore].
func (m *Memory) GrantKeys(_ context.Context, project ProjectID, after ConnectionID, limit int) ([]GrantKey, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var keys []GrantKey
	for _, c := range m.connections {
		if c.Project == project && c.ID > after && len(c.Grant) > 0 {
			id, _ := c.Grant.KeyID() // "" for a broken one, as ResealStore has it
			keys = append(keys, GrantKey{c.ID, id})
		}
	}
	slices.SortFunc(keys, func(a, b GrantKey) int { return cmp.Compare(a.Connection, b.Connection) })
	return keys[:min(len(keys), limit)], nil
}

// ReplaceGrants implements [ResealStore].
func (m *Memory) ReplaceGrants(_ context.Context, connections []Connection) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range connections {
		key := connectionKey{c.Project, c.ID}
		if stored, ok := m.connections[key]; ok && stored.Version == c.Version {
			stored.Grant, stored.Version = slices.Clone(c.Grant), stored.Version+1
			m.connections[key] = stored
		}
	}
	return nil
}
