package storetest_test

import (
	"context"
	"sync"
	"time"

	"github.com/keybearer/keybearer"
)

// Plans of upkeep, each with one defect.

type early struct{ *keybearer.Memory }

func (s early) ClaimDue(ctx context.Context, project keybearer.ProjectID, provider keybearer.ProviderID, now, until time.Time, limit int) ([]keybearer.Connection, error) {
	return s.Memory.ClaimDue(ctx, project, provider, now.Add(time.Microsecond), until, limit)
}

// countsClaims takes a claim for a write of the row.
type countsClaims struct{ *keybearer.Memory }

func (s countsClaims) ClaimDue(ctx context.Context, project keybearer.ProjectID, provider keybearer.ProviderID, now, until time.Time, limit int) ([]keybearer.Connection, error) {
	due, err := s.Memory.ClaimDue(ctx, project, provider, now, until, limit)
	for i, c := range due {
		if due[i], err = s.PutConnection(ctx, c, c.Version); err != nil {
			return nil, err
		}
	}
	return due, err
}

type noLimit struct{ *keybearer.Memory }

func (s noLimit) ClaimDue(ctx context.Context, project keybearer.ProjectID, provider keybearer.ProviderID, now, until time.Time, _ int) ([]keybearer.Connection, error) {
	return s.Memory.ClaimDue(ctx, project, provider, now, until, 1000)
}

// onlyOnce loses what was claimed by somebody who died.
type onlyOnce struct{ *keybearer.Memory }

func (s onlyOnce) ClaimDue(ctx context.Context, project keybearer.ProjectID, provider keybearer.ProviderID, now, _ time.Time, limit int) ([]keybearer.Connection, error) {
	return s.Memory.ClaimDue(ctx, project, provider, now, time.Time{}, limit)
}

type keepsPlans struct{ *keybearer.Memory }

func (s keepsPlans) PutConnection(ctx context.Context, c keybearer.Connection, ifVersion int64) (keybearer.Connection, error) {
	if old, err := s.Connection(ctx, c.Ref); err == nil {
		c.DueAt = old.DueAt
	}
	return s.Memory.PutConnection(ctx, c, ifVersion)
}

// remembersDeleted has a queue of its own, which a deletion does not reach.
type remembersDeleted struct {
	*keybearer.Memory
	deleted []keybearer.Connection
}

func (s *remembersDeleted) DeleteConnection(ctx context.Context, project keybearer.ProjectID, id keybearer.ConnectionID, ifVersion int64) error {
	c, err := s.ConnectionByID(ctx, project, id)
	if err != nil {
		return err
	}
	s.deleted = append(s.deleted, c)
	return s.Memory.DeleteConnection(ctx, project, id, ifVersion)
}

func (s *remembersDeleted) ClaimDue(ctx context.Context, project keybearer.ProjectID, provider keybearer.ProviderID, now, until time.Time, limit int) ([]keybearer.Connection, error) {
	due, err := s.Memory.ClaimDue(ctx, project, provider, now, until, limit)
	return append(due, s.deleted...), err
}

// givesTwice gives every second rival what the one before got.
type givesTwice struct {
	*keybearer.Memory
	mu   sync.Mutex
	last []keybearer.Connection
}

func (s *givesTwice) ClaimDue(ctx context.Context, project keybearer.ProjectID, provider keybearer.ProviderID, now, until time.Time, limit int) ([]keybearer.Connection, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if due := s.last; due != nil {
		s.last = nil
		return due, nil
	}
	due, err := s.Memory.ClaimDue(ctx, project, provider, now, until, limit)
	s.last = due
	return due, err
}

// plansLate claims a row, and writes the new time when somebody else has written the row meanwhile.
type plansLate struct {
	*keybearer.Memory
	claimed, written chan struct{}
	once, twice      sync.Once
}

func newPlansLate() *plansLate {
	return &plansLate{Memory: keybearer.NewMemory(), claimed: make(chan struct{}), written: make(chan struct{})}
}

func (s *plansLate) PutConnection(ctx context.Context, c keybearer.Connection, ifVersion int64) (keybearer.Connection, error) {
	if ifVersion > 0 {
		<-s.claimed
		defer s.twice.Do(func() { close(s.written) })
	}
	return s.Memory.PutConnection(ctx, c, ifVersion)
}

func (s *plansLate) ClaimDue(ctx context.Context, project keybearer.ProjectID, provider keybearer.ProviderID, now, until time.Time, limit int) ([]keybearer.Connection, error) {
	due, err := s.Memory.ClaimDue(ctx, project, provider, now, until, limit)
	if len(due) == 0 {
		return due, err
	}
	s.once.Do(func() { close(s.claimed) })
	<-s.written
	return due, ignoresVersions{s.Memory}.Postpone(ctx, due)
}

// lastUse believes whoever writes last.
type lastUse struct {
	*keybearer.Memory
	used sync.Map
}

func (s *lastUse) Touch(_ context.Context, used map[keybearer.Ref]time.Time) error {
	for ref, at := range used {
		s.used.Store(ref, at.UTC().Truncate(time.Microsecond))
	}
	return nil
}

func (s *lastUse) with(c keybearer.Connection) keybearer.Connection {
	if at, ok := s.used.Load(c.Ref); ok {
		c.UsedAt = at.(time.Time)
	}
	return c
}

func (s *lastUse) PutConnection(ctx context.Context, c keybearer.Connection, ifVersion int64) (keybearer.Connection, error) {
	s.used.Store(c.Ref, c.UsedAt.UTC().Truncate(time.Microsecond))
	c, err := s.Memory.PutConnection(ctx, c, ifVersion)
	return s.with(c), err
}

func (s *lastUse) Connection(ctx context.Context, ref keybearer.Ref) (keybearer.Connection, error) {
	c, err := s.Memory.Connection(ctx, ref)
	return s.with(c), err
}

// touchesByRow notes a use as a write of the whole row, and loses to whoever else writes it.
type touchesByRow struct{ *keybearer.Memory }

func (s touchesByRow) Touch(ctx context.Context, used map[keybearer.Ref]time.Time) error {
	for ref, at := range used {
		c, err := s.Connection(ctx, ref)
		if err != nil {
			continue
		}
		pause()
		c.UsedAt = at
		if _, err := s.PutConnection(ctx, c, c.Version); err != nil {
			return err
		}
	}
	return nil
}
