package storetest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/keybearer/keybearer"
)

// Leasers, each with one defect. None lets the exam wait in vain for long.

type manyHolders struct {
	*keybearer.Memory
	n atomic.Int64
}

func (s *manyHolders) Acquire(ctx context.Context, key string, ttl time.Duration) (keybearer.Lease, error) {
	return s.Memory.Acquire(ctx, fmt.Sprint(key, s.n.Add(1)), ttl)
}

// anyGeneration lets whoever once had a lease act on that of its present holder.
type anyGeneration struct {
	*keybearer.Memory
	held sync.Map
}

func (s *anyGeneration) Acquire(ctx context.Context, key string, ttl time.Duration) (keybearer.Lease, error) {
	l, err := s.Memory.Acquire(ctx, key, ttl)
	if err == nil {
		s.held.Store(key, l)
	}
	return l, err
}

func (s *anyGeneration) present(l keybearer.Lease) keybearer.Lease {
	if held, ok := s.held.Load(l.Key); ok {
		return held.(keybearer.Lease)
	}
	return l
}

func (s *anyGeneration) Extend(ctx context.Context, l keybearer.Lease, ttl time.Duration) error {
	return s.Memory.Extend(ctx, s.present(l), ttl)
}

func (s *anyGeneration) Release(ctx context.Context, l keybearer.Lease) error {
	return s.Memory.Release(ctx, s.present(l))
}

type noGenerations struct{ *anyGeneration }

func (s noGenerations) Acquire(ctx context.Context, key string, ttl time.Duration) (keybearer.Lease, error) {
	l, err := s.anyGeneration.Acquire(ctx, key, ttl)
	l.Generation = 1
	return l, err
}

// forever refuses a lease that was not released, however long ago it was to end.
type forever struct {
	*keybearer.Memory
	held sync.Map
}

func (s *forever) Acquire(ctx context.Context, key string, ttl time.Duration) (keybearer.Lease, error) {
	if _, taken := s.held.LoadOrStore(key, true); taken {
		return keybearer.Lease{}, keybearer.Conflict
	}
	return s.Memory.Acquire(ctx, key, ttl)
}

type caseless struct{ *forever }

func (s caseless) Acquire(ctx context.Context, key string, ttl time.Duration) (keybearer.Lease, error) {
	return s.forever.Acquire(ctx, strings.ToLower(key), ttl)
}

type hidesCauses struct{ *keybearer.Memory }

func (s hidesCauses) Acquire(ctx context.Context, key string, ttl time.Duration) (keybearer.Lease, error) {
	l, err := s.Memory.Acquire(ctx, key, ttl)
	if err != nil {
		err = errors.New("no lease")
	}
	return l, err
}

type extendsNothing struct{ *keybearer.Memory }

func (extendsNothing) Extend(context.Context, keybearer.Lease, time.Duration) error { return nil }

type onlyLengthens struct{ *keybearer.Memory }

func (s onlyLengthens) Extend(ctx context.Context, l keybearer.Lease, ttl time.Duration) error {
	if ttl < time.Minute {
		return keybearer.Conflict
	}
	return s.Memory.Extend(ctx, l, ttl)
}

// restarts counts generations from the beginning when a lease was extended that had ended.
type restarts struct {
	*keybearer.Memory
	extended atomic.Bool
}

func (s *restarts) Extend(ctx context.Context, l keybearer.Lease, ttl time.Duration) error {
	s.extended.Store(true)
	return s.Memory.Extend(ctx, l, ttl)
}

func (s *restarts) Acquire(ctx context.Context, key string, ttl time.Duration) (keybearer.Lease, error) {
	l, err := s.Memory.Acquire(ctx, key, ttl)
	if s.extended.Load() {
		l.Generation = 1
	}
	return l, err
}
