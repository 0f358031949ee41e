package storetest

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
)

// patience is how long the exam waits for what has to happen, on however busy a machine.
const patience = time.Minute

func leaseExam() []question {
	return []question{
		{"OneHolder", leaseOneHolder},
		{"Generations", leaseGenerations},
		{"ExpiresByItself", leaseExpires},
		{"LateReleaseIsHarmless", leaseLateRelease},
		{"WaitingEnds", leaseWaitingEnds},
		{"KeysAreApart", leaseKeysApart},
		{"ExtendedKeepsRivalsOut", leaseExtended},
		{"ExtendCountsFromNow", leaseExtendShorter},
		{"ExtendAfterAnother", leaseExtendLost},
		{"LateExtendIsHarmless", leaseLateExtend},
	}
}

// Each holder reads a number and writes it raised by one: a second holder at the same time loses a step.
func leaseOneHolder(t *testing.T, s Stores) {
	var (
		steps       atomic.Int64
		generations sync.Map
	)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, err := range race(rivals, func(i int) error {
		leases := s.of(i).Leases
		l, err := leases.Acquire(ctx, "refresh:1", time.Minute)
		if err != nil {
			return err
		}
		if rival, taken := generations.LoadOrStore(l.Generation, i); taken {
			t.Errorf("got generation %d for rival %d and for rival %d", l.Generation, rival, i)
		}
		before := steps.Load()
		runtime.Gosched()
		steps.Store(before + 1)
		return leases.Release(ctx, l)
	}) {
		ok(t, err)
	}
	if n := steps.Load(); n != rivals {
		t.Errorf("got %d steps of %d rivals who each held the lease alone, want %[2]d", n, rivals)
	}
}

func leaseGenerations(t *testing.T, s Stores) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var last int64
	for i := range 5 {
		l := must[keybearer.Lease](t)(s.Leases.Acquire(ctx, "a", time.Minute))
		if l.Key != "a" || l.Generation <= last {
			t.Errorf("acquisition %d: got %+v after generation %d", i, l, last)
		}
		last = l.Generation
		ok(t, s.Leases.Release(ctx, l))
	}
}

func leaseExpires(t *testing.T, s Stores) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	first := must[keybearer.Lease](t)(s.Leases.Acquire(ctx, "a", 20*time.Millisecond))
	second := must[keybearer.Lease](t)(s.of(1).Leases.Acquire(ctx, "a", time.Minute))
	if second.Generation <= first.Generation {
		t.Errorf("got generation %d after %d, want more", second.Generation, first.Generation)
	}
}

func leaseLateRelease(t *testing.T, s Stores) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	first := must[keybearer.Lease](t)(s.Leases.Acquire(ctx, "a", time.Nanosecond))
	second := must[keybearer.Lease](t)(s.Leases.Acquire(ctx, "a", time.Minute))
	ok(t, s.Leases.Release(ctx, first)) // a holder that was frozen and wakes late
	wantHeld(t, s, "a", 30*time.Millisecond)
	ok(t, s.Leases.Release(ctx, second))
	ok(t, s.Leases.Release(ctx, second)) // twice does no harm
	must[keybearer.Lease](t)(s.Leases.Acquire(ctx, "a", time.Minute))
}

func leaseWaitingEnds(t *testing.T, s Stores) {
	patient, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	held := must[keybearer.Lease](t)(s.Leases.Acquire(patient, "a", time.Hour))
	ctx, cancel := context.WithCancel(patient)
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
		_, err := s.of(1).Leases.Acquire(patient, "a", time.Minute)
		waiting <- err
	}()
	ok(t, s.Leases.Release(patient, held))
	ok(t, <-waiting)
}

func leaseKeysApart(t *testing.T, s Stores) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, key := range []string{"refresh/a/1", "refresh/a/10", "refresh/A/1", "refresh/a/1 ", "", "ü' OR 1=1 --"} {
		must[keybearer.Lease](t)(s.Leases.Acquire(ctx, key, time.Minute))
	}
}

// wantHeld checks that nobody gets a lease for a while.
func wantHeld(t *testing.T, s Stores, key string, while time.Duration) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), while)
	defer stop()
	if l, err := s.of(1).Leases.Acquire(ctx, key, time.Minute); err == nil {
		t.Errorf("got the lease %+v while somebody else holds it", l)
	}
}

// A rival waits from before the lease is extended until the first ttl is long over. Where this process
// got so little time that the lease ended before it could be extended, that is tried with a longer one.
func leaseExtended(t *testing.T, s Stores) {
	for ttl := 100 * time.Millisecond; ; ttl *= 2 {
		key := ttl.String()
		l := must[keybearer.Lease](t)(s.Leases.Acquire(t.Context(), key, ttl))
		ctx, stop := context.WithTimeout(t.Context(), 2*ttl)
		defer stop()
		waiting := make(chan error, 1)
		go func() {
			_, err := s.of(1).Leases.Acquire(ctx, key, time.Minute)
			waiting <- err
		}()
		err := s.Leases.Extend(t.Context(), l, time.Minute)
		got := <-waiting
		if errors.Is(err, keybearer.Conflict) && ttl < patience {
			continue
		}
		ok(t, err)
		if got == nil {
			t.Fatal("got the lease for a rival after its first ttl, though it was extended")
		}
		ok(t, s.Leases.Release(t.Context(), l))
		must[keybearer.Lease](t)(s.Leases.Acquire(t.Context(), key, time.Minute))
		return
	}
}

func leaseExtendShorter(t *testing.T, s Stores) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	first := must[keybearer.Lease](t)(s.Leases.Acquire(ctx, "a", time.Hour))
	ok(t, s.Leases.Extend(ctx, first, 20*time.Millisecond))
	second := must[keybearer.Lease](t)(s.of(1).Leases.Acquire(ctx, "a", time.Minute))
	if second.Generation <= first.Generation {
		t.Errorf("got generation %d after %d, want more", second.Generation, first.Generation)
	}
}

// A holder that was frozen learns that somebody else has its place, and takes nothing from them.
func leaseExtendLost(t *testing.T, s Stores) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	first := must[keybearer.Lease](t)(s.Leases.Acquire(ctx, "a", time.Nanosecond))
	second := must[keybearer.Lease](t)(s.of(1).Leases.Acquire(ctx, "a", time.Minute))
	wantKind(t, "extending a lease that somebody else has", s.Leases.Extend(ctx, first, time.Nanosecond), keybearer.Conflict)
	wantHeld(t, s, "a", 30*time.Millisecond)
	ok(t, s.of(1).Leases.Extend(ctx, second, time.Minute))
	ok(t, s.of(1).Leases.Release(ctx, second))
	third := must[keybearer.Lease](t)(s.Leases.Acquire(ctx, "a", time.Minute))
	wantKind(t, "extending a lease that was released and taken", s.of(1).Leases.Extend(ctx, second, time.Hour), keybearer.Conflict)
	ok(t, s.Leases.Release(ctx, third))
}

// One that ended, and that nobody took, may be extended or not, but generations go on.
func leaseLateExtend(t *testing.T, s Stores) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	first := must[keybearer.Lease](t)(s.Leases.Acquire(ctx, "a", time.Nanosecond))
	if err := s.Leases.Extend(ctx, first, 20*time.Millisecond); err != nil {
		wantKind(t, "extending a lease that has ended", err, keybearer.Conflict)
	}
	second := must[keybearer.Lease](t)(s.of(1).Leases.Acquire(ctx, "a", time.Minute))
	if second.Generation <= first.Generation {
		t.Errorf("got generation %d after %d, want more", second.Generation, first.Generation)
	}
	wantHeld(t, s, "a", 30*time.Millisecond)
}
