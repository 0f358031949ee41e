package storetest

import (
	"fmt"
	"testing"

	"github.com/keybearer/keybearer"
)

func attempt(n int) keybearer.Attempt {
	return keybearer.Attempt{
		StateHash: hash(n), Flow: "ac_1", Project: project, Provider: "hooli",
		BrowserHash: hash(n + 1000), Verifier: []byte{0, 255, byte(n)}, RedirectURI: "https://keys.example.com/cb?x=ü",
		CreatedAt: at(n), Deadline: at(n + 600),
	}
}

func keptAttempt(a keybearer.Attempt) keybearer.Attempt {
	a.CreatedAt, a.Deadline = kept(a.CreatedAt), kept(a.Deadline)
	return a
}

func attemptExam() []question {
	return []question{
		{"TakenOnce", attemptTakenOnce},
		{"EmptyFields", attemptEmptyFields},
		{"NotAliased", attemptNotAliased},
		{"TakeRace", attemptTakeRace},
		{"SameStateRace", attemptSameStateRace},
		{"Bound", attemptBound},
		{"BoundRace", attemptBoundRace},
	}
}

func attemptTakenOnce(t *testing.T, s Stores) {
	ctx := t.Context()
	_, err := s.Attempts.TakeAttempt(ctx, hash(1))
	wantKind(t, "TakeAttempt", err, keybearer.NotFound)
	ok(t, s.Attempts.PutAttempt(ctx, attempt(1)))
	ok(t, s.Attempts.PutAttempt(ctx, attempt(2)))
	wantKind(t, "the same state again", s.Attempts.PutAttempt(ctx, attempt(1)), keybearer.Conflict)
	same(t, "TakeAttempt", must[keybearer.Attempt](t)(s.Attempts.TakeAttempt(ctx, hash(1))), keptAttempt(attempt(1)))
	_, err = s.Attempts.TakeAttempt(ctx, hash(1))
	wantKind(t, "TakeAttempt again", err, keybearer.NotFound)
	same(t, "the other", must[keybearer.Attempt](t)(s.Attempts.TakeAttempt(ctx, hash(2))), keptAttempt(attempt(2)))
}

func attemptEmptyFields(t *testing.T, s Stores) {
	a := attempt(1)
	a.Verifier, a.BrowserHash = nil, []byte{}
	ok(t, s.Attempts.PutAttempt(t.Context(), a))
	if got := must[keybearer.Attempt](t)(s.Attempts.TakeAttempt(t.Context(), hash(1))); got.Verifier != nil || got.BrowserHash != nil {
		t.Errorf("got verifier %v, browser %v, want nil", got.Verifier, got.BrowserHash)
	}
}

func attemptNotAliased(t *testing.T, s Stores) {
	a := attempt(1)
	ok(t, s.Attempts.PutAttempt(t.Context(), a))
	a.StateHash[0], a.BrowserHash[0], a.Verifier[0] = 'X', 'X', 'X'
	same(t, "TakeAttempt", must[keybearer.Attempt](t)(s.Attempts.TakeAttempt(t.Context(), hash(1))), keptAttempt(attempt(1)))
}

func attemptTakeRace(t *testing.T, s Stores) {
	ok(t, s.Attempts.PutAttempt(t.Context(), attempt(1)))
	oneWins(t, race(rivals, func(i int) error {
		got, err := s.of(i).Attempts.TakeAttempt(t.Context(), hash(1))
		if err == nil && got.Flow != attempt(1).Flow {
			return fmt.Errorf("got the attempt of flow %q", got.Flow)
		}
		return err
	}), keybearer.NotFound)
}

func attemptSameStateRace(t *testing.T, s Stores) {
	oneWins(t, race(rivals, func(i int) error { return s.of(i).Attempts.PutAttempt(t.Context(), attempt(1)) }), keybearer.Conflict)
	must[keybearer.Attempt](t)(s.Attempts.TakeAttempt(t.Context(), hash(1)))
}

func attemptBound(t *testing.T, s Stores) {
	ctx := t.Context()
	other := attempt(999)
	other.Flow, other.CreatedAt = "ac_2", at(-1)
	ok(t, s.Attempts.PutAttempt(ctx, other))
	for n := range 25 {
		ok(t, s.Attempts.PutAttempt(ctx, attempt(n)))
	}
	for n := range 25 {
		_, err := s.Attempts.TakeAttempt(ctx, hash(n))
		if n < 5 {
			wantKind(t, fmt.Sprintf("attempt %d of 25", n), err, keybearer.NotFound)
		} else if err != nil {
			t.Errorf("attempt %d of 25: got %v, want it", n, err)
		}
	}
	must[keybearer.Attempt](t)(s.Attempts.TakeAttempt(ctx, hash(999)))
}

func attemptBoundRace(t *testing.T, s Stores) {
	ctx := t.Context()
	for _, err := range race(rivals, func(i int) error { return s.of(i).Attempts.PutAttempt(ctx, attempt(i)) }) {
		ok(t, err)
	}
	left := 0
	for n := range rivals {
		if _, err := s.Attempts.TakeAttempt(ctx, hash(n)); err == nil {
			left++
		}
	}
	if left != 20 {
		t.Errorf("got %d attempts of one flow, want 20", left)
	}
}
