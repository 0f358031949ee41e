package keybearer

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// Connection implements [ConnectionStore].
func (m *Memory) Connection(_ context.Context, ref Ref) (Connection, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	id, ok := m.refs[ref]
	if !ok {
		return Connection{}, Errorf(NotFound, "no connection of %s", ref)
	}
	return m.connections[connectionKey{ref.Project, id}].clone(), nil
}

// ConnectionByID implements [ConnectionStore].
func (m *Memory) ConnectionByID(_ context.Context, project ProjectID, id ConnectionID) (Connection, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, ok := m.connections[connectionKey{project, id}]
	if !ok {
		return Connection{}, Errorf(NotFound, "no connection %q", id)
	}
	return c.clone(), nil
}

// PutConnection implements [ConnectionStore].
func (m *Memory) PutConnection(_ context.Context, c Connection, ifVersion int64) (Connection, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := connectionKey{c.Project, c.ID}
	old, idTaken := m.connections[key]
	_, refTaken := m.refs[c.Ref]
	switch {
	case ifVersion == 0 && (idTaken || refTaken):
		return Connection{}, Errorf(Conflict, "the connection of %s exists already", c.Ref)
	case ifVersion != 0 && (!idTaken || old.Ref != c.Ref || old.Version != ifVersion):
		return Connection{}, Errorf(Conflict, "the connection of %s was changed by somebody else", c.Ref)
	}
	c = c.clone()
	c.Version = ifVersion + 1
	if old.UsedAt.After(c.UsedAt) {
		c.UsedAt = old.UsedAt
	}
	m.connections[key], m.refs[c.Ref] = c, c.ID
	m.plan(c, c.DueAt)
	return c.clone(), nil
}

// Connections implements [ConnectionStore].
func (m *Memory) Connections(_ context.Context, filter ConnectionFilter) ([]Connection, int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var found []Connection
	for _, c := range m.connections {
		if filter.matches(c) {
			found = append(found, c)
		}
	}
	slices.SortFunc(found, func(a, b Connection) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	total := len(found)
	limit, offset := filter.Page()
	page := found[min(offset, total):min(offset+limit, total)]
	for i, c := range page {
		page[i] = c.clone()
	}
	return slices.Clip(page), total, nil
}

func (f ConnectionFilter) matches(c Connection) bool {
	return (f.Project == "" || f.Project == c.Project) &&
		(f.User == "" || f.User == c.User) &&
		(f.Provider == "" || f.Provider == c.Provider) &&
		(len(f.Providers) == 0 || slices.Contains(f.Providers, c.Provider))
}

// Page gives the limit and the offset that stores use: 25 rows for 0, never more than 1000, and
// nothing negative.
func (f ConnectionFilter) Page() (limit, offset int) {
	limit = defaultPage
	if f.Limit > 0 {
		limit = min(f.Limit, maxPage)
	}
	return limit, min(max(f.Offset, 0), 1<<31)
}

// DeleteConnection implements [ConnectionStore].
func (m *Memory) DeleteConnection(_ context.Context, project ProjectID, id ConnectionID, ifVersion int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := connectionKey{project, id}
	c, ok := m.connections[key]
	if !ok {
		return Errorf(NotFound, "no connection %q", id)
	}
	if c.Version != ifVersion {
		return Errorf(Conflict, "connection %q was changed by somebody else", id)
	}
	delete(m.connections, key)
	delete(m.refs, c.Ref)
	m.plan(c, time.Time{})
	return nil
}

func (c Connection) clone() Connection {
	c.Scopes = storedList(c.Scopes)
	c.Grant = storedList(c.Grant)
	c.IssuedAt, c.ExpiresAt = storedTime(c.IssuedAt), storedTime(c.ExpiresAt)
	c.CreatedAt, c.UpdatedAt = storedTime(c.CreatedAt), storedTime(c.UpdatedAt)
	c.Rotation.Token, c.Rotation.At = storedList(c.Rotation.Token), storedTime(c.Rotation.At)
	c.DueAt, c.UsedAt = storedTime(c.DueAt), storedTime(c.UsedAt)
	return c
}
