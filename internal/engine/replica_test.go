package engine_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/internal/engine"
	"github.com/keybearer/keybearer/internal/postgrestest"
	"github.com/keybearer/keybearer/internal/sqlstore"
	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/secret"
)

func storedAt(url string) string { return fmt.Sprintf("storage: {postgres: {url: %q}}", url) }

// Started at the first replica, opened there, called back at the second, waited for at the third.
func TestPostgresReplicasShareAFlow(t *testing.T) {
	l := newLab(t)
	storage := storedAt(postgrestest.Database(t))
	first, second, third := l.replica(t, storage), l.replica(t, storage), l.replica(t, storage)
	var waited []time.Duration
	for i := range 5 {
		a := must[keybearer.Authorization](t)(first.Authorize(t.Context(), ask(fmt.Sprint("user", i))))
		if a.Status != keybearer.AuthorizationPending {
			t.Fatalf("got %s, want pending", a.Status)
		}
		type end struct {
			keybearer.Authorization
			at  time.Time
			err error
		}
		ended := make(chan end, 1)
		go func() {
			a, err := third.Wait(t.Context(), a.ID)
			ended <- end{a, time.Now(), err}
		}()
		l.consent(t, a.URL, first, second)
		back := time.Now()
		e := <-ended
		if e.err != nil || e.Status != keybearer.AuthorizationCompleted || e.Token == nil {
			t.Fatalf("got %+v, %v at the third replica, want it completed", e.Authorization, e.err)
		}
		waited = append(waited, e.at.Sub(back))
	}
	t.Logf("the third replica answered after the second by %v", waited)
	var late int
	for _, d := range waited {
		if d > 900*time.Millisecond {
			late++
		}
	}
	if late > 1 { // without news it looks every second, and every second one would be late
		t.Errorf("%d of %d waiters were not woken: %v", late, len(waited), waited)
	}
}

func TestPostgresKeyRevokedAtOneReplicaEndsAtAll(t *testing.T) {
	l := newLab(t)
	storage := storedAt(postgrestest.Database(t))
	first, second := l.replica(t, storage), l.replica(t, storage)
	made, text, err := first.CreateKey(t.Context(), api.KeyCreate{Name: "worker"})
	if err != nil {
		t.Fatal(err)
	}
	worker := second.as(t, text)
	if _, err := worker.Authorize(t.Context(), ask("alice")); err != nil {
		t.Fatal(err)
	}
	if err := first.RevokeKey(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	revoked := time.Now()
	until(t, "the key to be refused", func() bool {
		_, err := worker.Authorize(t.Context(), ask("alice"))
		return err != nil
	})
	took := time.Since(revoked)
	t.Logf("refused at the other replica after %v", took)
	if took > 5*time.Second { // by itself it would be believed for ten
		t.Errorf("a revoked key was believed for %v at another replica", took)
	}
}

// One first key and one password come of it, whoever is first.
func TestPostgresTenEnginesStartAtOnce(t *testing.T) {
	l := newLab(t)
	l.env = nil
	url := postgrestest.Database(t) + "&pool_max_conns=4"
	// The lock of the migrations would let them in one by one.
	if err := openDB(t, sqlstore.Config{Postgres: secret.New(url)}).Close(); err != nil {
		t.Fatal(err)
	}
	storage := storedAt(url)
	type start struct {
		*engine.Engine
		said string
		err  error
	}
	starts := make(chan start)
	const count = 10
	for range count {
		o, _, said := l.prepare(t, storage)
		go func() {
			e, err := engine.Start(t.Context(), o)
			starts <- start{e, said.String(), err}
		}()
	}
	var said string
	for range count {
		s := <-starts
		if s.err != nil {
			t.Errorf("got %v, want it to start", s.err)
			continue
		}
		said += s.said
		stop(t, s.Engine)
	}
	if keys, passwords := strings.Count(said, "API key"), strings.Count(said, "password"); keys != 1 || passwords != 1 {
		t.Errorf("got %d keys and %d passwords shown, want one of each", keys, passwords)
	}
}

// The database's clock counts: what one replica stores is not overdue for another one.
func TestPostgresClocksMayDiffer(t *testing.T) {
	l := newLab(t)
	storage := storedAt(postgrestest.Database(t))
	ahead := func(by time.Duration) func(*engine.Options) {
		return func(o *engine.Options) { o.Now = func() time.Time { return time.Now().Add(by) } }
	}
	right, fast, slow := l.replica(t, storage), l.replica(t, storage, ahead(2*time.Hour)), l.replica(t, storage, ahead(-2*time.Hour))
	a := must[keybearer.Authorization](t)(slow.Authorize(t.Context(), ask("alice")))
	l.consent(t, a.URL, fast, right) // a flow lives for an hour
	for name, r := range map[string]*replica{"right": right, "fast": fast, "slow": slow} {
		got := must[keybearer.Authorization](t)(r.Status(t.Context(), a.ID))
		if got.Status != keybearer.AuthorizationCompleted || got.Token == nil {
			t.Fatalf("got %s at the %s replica, want it completed", got.Status, name)
		}
		if left := time.Until(got.Token.ExpiresAt); left < 50*time.Minute || left > 70*time.Minute {
			t.Errorf("got a token for %v at the %s replica, want an hour", left, name)
		}
	}
	if n := l.provider.History().Calls(providertest.Token); n != 1 {
		t.Errorf("got %d calls of the token endpoint, want the one of the consent", n)
	}
	for name, r := range map[string]*replica{"fast": fast, "slow": slow} {
		if !r.logged("clock of this machine differs") {
			t.Errorf("the %s replica did not tell that its clock is wrong", name)
		}
	}
	if right.logged("clock of this machine differs") {
		t.Error("the replica with the right time told that it is wrong")
	}
}

// The data key is replaced at one replica while both give tokens.
func TestPostgresReplicasShareARotation(t *testing.T) {
	l := newLab(t)
	storage := storedAt(postgrestest.Database(t))
	first, second := l.replica(t, storage), l.replica(t, storage)
	const users = 20
	for i := range users {
		a := must[keybearer.Authorization](t)(first.Authorize(t.Context(), ask(fmt.Sprint("user", i))))
		l.consent(t, a.URL, first, second)
	}
	rotated := must[api.SealingKey](t)(first.RotateKeys(t.Context()))
	if rotated.ID != "data:2" || !rotated.Default {
		t.Fatalf("got %+v, want the default data:2", rotated)
	}
	newcomer := must[keybearer.Authorization](t)(first.Authorize(t.Context(), ask("newcomer"))) // under the new key, finished where it is not known
	l.consent(t, newcomer.URL, first, second)
	until(t, "everything to be sealed anew", func() bool {
		for _, r := range []*replica{first, second} {
			for i := range users {
				a := must[keybearer.Authorization](t)(r.Authorize(t.Context(), ask(fmt.Sprint("user", i))))
				if a.Status != keybearer.AuthorizationCompleted || a.Token == nil {
					t.Fatalf("got %+v, want a token throughout", a)
				}
			}
		}
		for _, k := range must[[]api.SealingKey](t)(second.SealingKeys(t.Context())) {
			if k.ID == "data:2" {
				return k.Values == users+1
			}
		}
		return false
	})
}
