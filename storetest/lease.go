package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
)

func leaseExam() []question {
	return []question{
		{"OneHolder", leaseOneHolder},
		{"Generations", leaseGenerations},
		{"ExpiresByItself", leaseExpires},
		{"LateReleaseIsHarmless", leaseLateRelease},
		{"WaitingEnds", leaseWaitingEnds},
	}
}

func leaseOneHolder(t *testing.T, s Stores) {
	var holders, most atomic.Int64
	for _, err := range race(rivals, func(int) error {
		l, err := s.Leases.Acquire(t.Context(), "refresh:1", time.Minute)
		if err != nil {
			return err
		}
		if n := holders.Add(1); n > 1 {
			most.Store(n)
		}
		holders.Add(-1)
		return s.Leases.Release(t.Context(), l)
	}) {
		ok(t, err)
	}
	if n := most.Load(); n > 1 {
		t.Errorf("got %d holders of one lease at once, want 1", n)
	}
}

func leaseGenerations(t *testing.T, s Stores) {
	ctx := t.Context()
	var last int64
	for i := range 5 {
		l := must[keybearer.Lease](t)(s.Leases.Acquire(ctx, "a", time.Minute))
		if l.Key != "a" || l.Generation <= last {
			t.Errorf("acquisition %d: got %+v after generation %d", i, l, last)
		}
		last = l.Generation
		must[keybearer.Lease](t)(s.Leases.Acquire(ctx, fmt.Sprintf("other %d", i), time.Minute))
		ok(t, s.Leases.Release(ctx, l))
	}
}

func leaseExpires(t *testing.T, s Stores) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	first := must[keybearer.Lease](t)(s.Leases.Acquire(ctx, "a", 20*time.Millisecond))
	second := must[keybearer.Lease](t)(s.Leases.Acquire(ctx, "a", time.Minute))
	if second.Generation <= first.Generation {
		t.Errorf("got generation %d after %d, want more", second.Generation, first.Generation)
	}
}

func leaseLateRelease(t *testing.T, s Stores) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	first := must[keybearer.Lease](t)(s.Leases.Acquire(ctx, "a", time.Nanosecond))
	second := must[keybearer.Lease](t)(s.Leases.Acquire(ctx, "a", time.Minute))
	ok(t, s.Leases.Release(ctx, first)) // a holder that was frozen and wakes late
	soon, stop := context.WithTimeout(ctx, 30*time.Millisecond)
	defer stop()
	if l, err := s.Leases.Acquire(soon, "a", time.Minute); err == nil {
		t.Errorf("got the lease %+v while %+v is held", l, second)
	}
	ok(t, s.Leases.Release(ctx, second))
	ok(t, s.Leases.Release(ctx, second)) // twice does no harm
	must[keybearer.Lease](t)(s.Leases.Acquire(ctx, "a", time.Minute))
}

func leaseWaitingEnds(t *testing.T, s Stores) {
	held := must[keybearer.Lease](t)(s.Leases.Acquire(t.Context(), "a", time.Minute))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := s.Leases.Acquire(ctx, "a", time.Minute)
		ended <- err
	}()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v from a wait that was cancelled, want context.Canceled", err)
	}
	waiting := make(chan error, 1)
	go func() {
		_, err := s.Leases.Acquire(t.Context(), "a", time.Minute)
		waiting <- err
	}()
	ok(t, s.Leases.Release(t.Context(), held))
	ok(t, <-waiting)
}
