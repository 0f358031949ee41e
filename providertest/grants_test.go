package providertest_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keybearer/keybearer/providertest"
)

func TestGrantsTellWhatTheHistoryHasForgotten(t *testing.T) {
	b := start(t, providertest.Config{Leeway: time.Minute})
	consent := func() string { return b.post("/token", b.codeForm(b.code())).text(t, "refresh_token") }
	first, second := consent(), consent()
	next := b.refresh(first).text(t, "refresh_token")
	b.refresh(first) // within the leeway
	b.server.Advance(time.Minute)
	b.refresh(first) // after it
	b.refresh(next)  // the family is dead
	b.server.History().Clear()

	grants := b.server.Grants()
	if len(grants) != 2 {
		t.Fatalf("got %d grants, want 2", len(grants))
	}
	g := grants[0]
	var got []providertest.Outcome
	for _, try := range g.Tries {
		got = append(got, try.Outcome)
	}
	want := []providertest.Outcome{providertest.Rotated, providertest.Leeway, providertest.Reused, providertest.DeadGrant}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tries (-want +got):\n%s", diff)
	}
	if g.User != "alice" || g.Rotations != 1 || g.Leeways != 1 || g.Reuses != 1 || g.Dead == "" {
		t.Errorf("got %+v, want one rotation, one leeway and one reuse that killed it", g)
	}
	if g.Tries[0].Token != providertest.Hash(first) || g.Tries[3].Token != providertest.Hash(next) {
		t.Error("the tries do not name the tokens that were presented")
	}
	if other := grants[1]; other.Dead != "" || len(other.Tries) != 0 {
		t.Errorf("the other grant: got %+v, want it untouched", other)
	}

	for range 101 {
		second = b.refresh(second).text(t, "refresh_token")
	}
	if g := b.server.Grants()[1]; g.Rotations != 101 || len(g.Tries) != 100 {
		t.Errorf("got %d rotations and %d tries, want 101 and 100", g.Rotations, len(g.Tries))
	}
}

func TestExpiryOfAccessTokens(t *testing.T) {
	b := start(t, providertest.Config{AccessLifetime: time.Minute})
	access := b.post("/token", b.codeForm(b.code())).text(t, "access_token")
	at, ok := b.server.Expiry(access)
	if left := at.Sub(b.server.Now()); !ok || left <= 0 || left > time.Minute {
		t.Errorf("got %s from now, %t, want a minute at most", left, ok)
	}
	b.server.DropAccessTokens()
	if _, ok := b.server.Expiry(access); ok {
		t.Error("a token that was taken back has an end")
	}
}
