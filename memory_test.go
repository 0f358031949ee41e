package keybearer_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/storetest"
)

func TestMemoryPassesTheExam(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Stores { return storetest.All(keybearer.NewMemory()) })
}

// movedClock is a clock that only the test moves.
type movedClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *movedClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *movedClock) move(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(by)
}

func TestMemoryLeaseEndsOnTheInjectedClock(t *testing.T) {
	clock := &movedClock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	m := keybearer.NewMemoryClock(clock.Now)
	if _, err := m.Acquire(t.Context(), "a", time.Hour); err != nil {
		t.Fatal(err)
	}
	clock.move(59 * time.Minute)
	soon, stop := context.WithTimeout(t.Context(), 120*time.Millisecond)
	defer stop()
	if _, err := m.Acquire(soon, "a", time.Hour); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v a minute before the lease ends, want to wait in vain", err)
	}
	waiting := make(chan error)
	go func() {
		_, err := m.Acquire(t.Context(), "a", time.Hour)
		waiting <- err
	}()
	clock.move(time.Minute)
	if err := <-waiting; err != nil {
		t.Fatal(err)
	}
}

func TestMemoryForgetsWhatEndedLongAgo(t *testing.T) {
	ctx := t.Context()
	clock := &movedClock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	m := keybearer.NewMemoryClock(clock.Now)
	start := func(n int) keybearer.Flow {
		t.Helper()
		f, err := m.CreateFlow(ctx, keybearer.Flow{
			ID:        keybearer.AuthorizationID(fmt.Sprintf("ac_%d", n)),
			Ref:       keybearer.Ref{Project: "default", User: keybearer.UserID(fmt.Sprintf("user%d", n)), Provider: "hooli"},
			CreatedAt: clock.Now(), Deadline: clock.Now().Add(10 * time.Minute),
		}, clock.Now())
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	first := start(0)
	clock.move(3 * time.Hour)
	late := start(1)
	for n := 2; n < 1100; n++ {
		start(n)
	}
	if _, err := m.Flow(ctx, "default", first.ID); !errors.Is(err, keybearer.NotFound) {
		t.Errorf("got %v for a flow that ended hours ago, want not found", err)
	}
	if _, err := m.Flow(ctx, "default", late.ID); err != nil {
		t.Errorf("got %v for a flow that runs, want it", err)
	}
}
