package storetest_test

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/keybearer/keybearer"
)

// Stores of connections, each with one defect.

type forgetsReasons struct{ *keybearer.Memory }

func (s forgetsReasons) PutConnection(ctx context.Context, c keybearer.Connection, ifVersion int64) (keybearer.Connection, error) {
	c.Reason = ""
	return s.Memory.PutConnection(ctx, c, ifVersion)
}

type emptyLists struct{ *keybearer.Memory }

func (s emptyLists) Connection(ctx context.Context, ref keybearer.Ref) (keybearer.Connection, error) {
	c, err := s.Memory.Connection(ctx, ref)
	if c.Scopes == nil {
		c.Scopes = []string{}
	}
	return c, err
}

type ignoresNames struct{ *keybearer.Memory }

func (s ignoresNames) Connection(ctx context.Context, ref keybearer.Ref) (keybearer.Connection, error) {
	ref.Name = ""
	return s.Memory.Connection(ctx, ref)
}

// overwrite stores a row over whatever is there.
func overwrite(ctx context.Context, m *keybearer.Memory, c keybearer.Connection) (keybearer.Connection, error) {
	for {
		old, err := m.Connection(ctx, c.Ref)
		if err == nil {
			c.ID = old.ID
		}
		put, err := m.PutConnection(ctx, c, old.Version)
		if !errors.Is(err, keybearer.Conflict) {
			return put, err
		}
	}
}

type ignoresVersions struct{ *keybearer.Memory }

func (s ignoresVersions) PutConnection(ctx context.Context, c keybearer.Connection, ifVersion int64) (keybearer.Connection, error) {
	if ifVersion == 0 {
		return s.Memory.PutConnection(ctx, c, 0)
	}
	return overwrite(ctx, s.Memory, c)
}

func (s ignoresVersions) DeleteConnection(ctx context.Context, project keybearer.ProjectID, id keybearer.ConnectionID, _ int64) error {
	c, err := s.ConnectionByID(ctx, project, id)
	if err != nil {
		return err
	}
	return s.Memory.DeleteConnection(ctx, project, id, c.Version)
}

func (s ignoresVersions) Postpone(ctx context.Context, planned []keybearer.Connection) error {
	for _, c := range planned {
		if stored, err := s.Connection(ctx, c.Ref); err == nil {
			stored.DueAt = c.DueAt
			if err := s.Memory.Postpone(ctx, []keybearer.Connection{stored}); err != nil {
				return err
			}
		}
	}
	return nil
}

// knowsByRef takes a connection that was made anew for the former one.
type knowsByRef struct{ *keybearer.Memory }

func (s knowsByRef) PutConnection(ctx context.Context, c keybearer.Connection, ifVersion int64) (keybearer.Connection, error) {
	if old, err := s.Connection(ctx, c.Ref); err == nil && ifVersion > 0 {
		c.ID = old.ID
	}
	return s.Memory.PutConnection(ctx, c, ifVersion)
}

// looksFirst compares the version before it writes, and not while it does.
type looksFirst struct{ *keybearer.Memory }

func (s looksFirst) PutConnection(ctx context.Context, c keybearer.Connection, ifVersion int64) (keybearer.Connection, error) {
	if old, err := s.Connection(ctx, c.Ref); err == nil && old.Version != ifVersion {
		return keybearer.Connection{}, keybearer.Conflict
	}
	pause()
	c, err := overwrite(ctx, s.Memory, c)
	c.Version = ifVersion + 1
	return c, err
}

func (s looksFirst) DeleteConnection(ctx context.Context, project keybearer.ProjectID, id keybearer.ConnectionID, ifVersion int64) error {
	old, err := s.ConnectionByID(ctx, project, id)
	if err != nil {
		return err
	}
	if old.Version != ifVersion {
		return keybearer.Conflict
	}
	pause()
	return ignoresVersions(s).DeleteConnection(ctx, project, id, 0)
}

// shares hands the same lists to everybody who reads a row.
type shares struct {
	*keybearer.Memory
	rows sync.Map
}

func (s *shares) share(c keybearer.Connection) keybearer.Connection {
	if kept, ok := s.rows.LoadOrStore(c.ID, c); ok {
		row := kept.(keybearer.Connection)
		c.Scopes, c.Grant, c.Rotation.Token = row.Scopes, row.Grant, row.Rotation.Token
	}
	return c
}

func (s *shares) Connection(ctx context.Context, ref keybearer.Ref) (keybearer.Connection, error) {
	c, err := s.Memory.Connection(ctx, ref)
	if err != nil {
		return c, err
	}
	return s.share(c), nil
}

func (s *shares) ClaimDue(ctx context.Context, project keybearer.ProjectID, provider keybearer.ProviderID, now, until time.Time, limit int) ([]keybearer.Connection, error) {
	due, err := s.Memory.ClaimDue(ctx, project, provider, now, until, limit)
	for i := range due {
		due[i] = s.share(due[i])
	}
	return due, err
}

type firstPages struct{ *keybearer.Memory }

func (s firstPages) Connections(ctx context.Context, filter keybearer.ConnectionFilter) ([]keybearer.Connection, int, error) {
	filter.Offset = 0
	return s.Memory.Connections(ctx, filter)
}

type ignoresLists struct{ *keybearer.Memory }

func (s ignoresLists) Connections(ctx context.Context, filter keybearer.ConnectionFilter) ([]keybearer.Connection, int, error) {
	filter.Providers = nil
	return s.Memory.Connections(ctx, filter)
}

// staleAfterTouch keeps rows for reading, and forgets to forget one when it was touched.
type staleAfterTouch struct {
	*keybearer.Memory
	kept sync.Map
}

func (s *staleAfterTouch) Connection(ctx context.Context, ref keybearer.Ref) (keybearer.Connection, error) {
	if c, ok := s.kept.Load(ref); ok {
		return c.(keybearer.Connection), nil
	}
	c, err := s.Memory.Connection(ctx, ref)
	if err == nil {
		s.kept.Store(ref, c)
	}
	return c, err
}

func (s *staleAfterTouch) PutConnection(ctx context.Context, c keybearer.Connection, ifVersion int64) (keybearer.Connection, error) {
	defer s.kept.Delete(c.Ref)
	return s.Memory.PutConnection(ctx, c, ifVersion)
}

func (s *staleAfterTouch) DeleteConnection(ctx context.Context, project keybearer.ProjectID, id keybearer.ConnectionID, ifVersion int64) error {
	defer s.kept.Clear()
	return s.Memory.DeleteConnection(ctx, project, id, ifVersion)
}

type staleAfterPut struct{ staleAfterTouch }

func (s *staleAfterPut) PutConnection(ctx context.Context, c keybearer.Connection, ifVersion int64) (keybearer.Connection, error) {
	return s.Memory.PutConnection(ctx, c, ifVersion)
}

type firstKeys struct{ *keybearer.Memory }

func (s firstKeys) GrantKeys(ctx context.Context, project keybearer.ProjectID, _ keybearer.ConnectionID, limit int) ([]keybearer.GrantKey, error) {
	return s.Memory.GrantKeys(ctx, project, "", limit)
}

type replacesAny struct{ *keybearer.Memory }

func (s replacesAny) ReplaceGrants(ctx context.Context, connections []keybearer.Connection) error {
	for i, c := range connections {
		if stored, err := s.ConnectionByID(ctx, c.Project, c.ID); err == nil {
			connections[i].Version = stored.Version
		}
	}
	return s.Memory.ReplaceGrants(ctx, connections)
}

// walks looks at every row before it claims one.
type walks struct {
	*keybearer.Memory
	mu   sync.Mutex
	rows []keybearer.Connection
}

func (s *walks) PutConnection(ctx context.Context, c keybearer.Connection, ifVersion int64) (keybearer.Connection, error) {
	if ifVersion == 0 {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.rows = append(s.rows, c)
	}
	return s.Memory.PutConnection(ctx, c, ifVersion)
}

func (s *walks) ClaimDue(ctx context.Context, project keybearer.ProjectID, provider keybearer.ProviderID, now, until time.Time, limit int) ([]keybearer.Connection, error) {
	for _, c := range s.rows {
		if c.Provider == provider && c.DueAt.Before(now) && !keybearer.Covers(c.Scopes, []string{"read"}) {
			return nil, keybearer.Internal
		}
	}
	return s.Memory.ClaimDue(ctx, project, provider, now, until, limit)
}
