package keybearer

import (
	"context"
	"fmt"
	"time"
)

type memoryLease struct {
	generation int64
	until      time.Time
	released   chan struct{}
}

// Acquire implements [Leaser]. While it waits on another clock than the system's it looks at that
// clock twenty times a second.
func (m *Memory) Acquire(ctx context.Context, key string, ttl time.Duration) (Lease, error) {
	for {
		lease, held, wait := m.tryAcquire(key, ttl)
		if held == nil {
			return lease, nil
		}
		timer := time.NewTimer(min(wait, leaseLook))
		select {
		case <-held.released:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return Lease{}, fmt.Errorf("waiting for the lease %q: %w", key, ctx.Err())
		}
		timer.Stop()
	}
}

// tryAcquire takes the lease, or says who holds it and how long at most.
func (m *Memory) tryAcquire(key string, ttl time.Duration) (Lease, *memoryLease, time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	if held, ok := m.leases[key]; ok && now.Before(held.until) {
		return Lease{}, held, held.until.Sub(now)
	}
	m.generation++
	m.leases[key] = &memoryLease{generation: m.generation, until: now.Add(ttl), released: make(chan struct{})}
	return Lease{Key: key, Generation: m.generation}, nil, 0
}

// Extend implements [Leaser].
func (m *Memory) Extend(_ context.Context, l Lease, ttl time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	held, ok := m.leases[l.Key]
	if !ok || held.generation != l.Generation {
		return Errorf(Conflict, "the lease %q is no longer held", l.Key)
	}
	held.until = m.now().Add(ttl)
	return nil
}

// Release implements [Leaser].
func (m *Memory) Release(_ context.Context, l Lease) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if held, ok := m.leases[l.Key]; ok && held.generation == l.Generation {
		delete(m.leases, l.Key)
		close(held.released)
	}
	return nil
}
