package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
)

func flow(n int) keybearer.Flow {
	return keybearer.Flow{
		ID:     keybearer.AuthorizationID(fmt.Sprintf("ac_%08d", n)),
		Ref:    keybearer.Ref{Project: project, User: "alice@example.com", Provider: "hooli"},
		State:  keybearer.FlowPending,
		Scopes: []string{"read"}, Asked: []string{"offline_access", "read"},
		App: "key:ci", CreatedAt: at(0), Deadline: at(600),
	}
}

// keptFlow is what a store gives back for a flow.
func keptFlow(f keybearer.Flow, version int64) keybearer.Flow {
	f.CreatedAt, f.Deadline = kept(f.CreatedAt), kept(f.Deadline)
	f.IssuedAt, f.ExpiresAt = kept(f.IssuedAt), kept(f.ExpiresAt)
	f.Version = version
	return f
}

func flowExam() []question {
	return []question{
		{"RoundTrip", flowRoundTrip},
		{"NotFound", flowNotFound},
		{"Advance", flowAdvance},
		{"AdvanceRace", flowAdvanceRace},
		{"NotAliased", flowNotAliased},
		{"SamePending", flowSamePending},
		{"OtherIsNotSame", flowOtherIsNotSame},
		{"OverduePendingDoesNotBlock", flowOverdue},
		{"EndedDoesNotBlock", flowEnded},
		{"CreateRace", flowCreateRace},
		{"CreateRaceOverdue", flowCreateRaceOverdue},
		{"NextURIRace", flowNextURIRace},
		{"SameVerificationRace", flowSameVerificationRace},
	}
}

func create(t *testing.T, s Stores, f keybearer.Flow, now time.Time) keybearer.Flow {
	t.Helper()
	return must[keybearer.Flow](t)(s.Flows.CreateFlow(t.Context(), f, now))
}

func flowRoundTrip(t *testing.T, s Stores) {
	ctx := t.Context()
	f := flow(1)
	f.NextURI, f.Name = "https://app.example.com/done?x=1&y=ü", "work"
	want := keptFlow(f, 1)
	same(t, "CreateFlow", create(t, s, f, at(0)), want)
	same(t, "Flow", must[keybearer.Flow](t)(s.Flows.Flow(ctx, f.Project, f.ID)), want)

	full := want
	full.VerificationID, full.State, full.Kind, full.Reason = "af_1", keybearer.FlowVerifying, keybearer.ProviderRefused, "it said no"
	full.Scopes, full.Asked, full.Granted = []string{"a"}, []string{"a", "b"}, []string{"c d"}
	full.Grant, full.IssuedAt, full.ExpiresAt, full.Refreshable = []byte{0, 1}, at(5), at(6), true
	full.App, full.NextURI, full.DryRun = "key:other", "", true
	full.CreatedAt, full.Deadline = at(7), at(8)
	want = keptFlow(full, 2)
	same(t, "AdvanceFlow", must[keybearer.Flow](t)(s.Flows.AdvanceFlow(ctx, full)), want)
	same(t, "Flow", must[keybearer.Flow](t)(s.Flows.Flow(ctx, f.Project, f.ID)), want)
	same(t, "FlowByVerification", must[keybearer.Flow](t)(s.Flows.FlowByVerification(ctx, f.Project, "af_1")), want)
}

func flowNotFound(t *testing.T, s Stores) {
	ctx := t.Context()
	create(t, s, flow(1), at(0))
	_, err := s.Flows.Flow(ctx, project, "ac_none")
	wantKind(t, "Flow", err, keybearer.NotFound)
	_, err = s.Flows.Flow(ctx, "other", flow(1).ID)
	wantKind(t, "Flow in another project", err, keybearer.NotFound)
	_, err = s.Flows.FlowByVerification(ctx, project, "af_none")
	wantKind(t, "FlowByVerification", err, keybearer.NotFound)
	_, err = s.Flows.FlowByVerification(ctx, project, "") // what every flow has before it is verified
	wantKind(t, "FlowByVerification without an id", err, keybearer.NotFound)
}

func flowAdvance(t *testing.T, s Stores) {
	ctx := t.Context()
	f := create(t, s, flow(1), at(0))
	_, err := s.Flows.CreateFlow(ctx, f, at(0))
	ok(t, err) // the same pending flow
	missing := flow(2)
	missing.Version = 1
	_, err = s.Flows.AdvanceFlow(ctx, missing)
	wantKind(t, "advancing a flow that is not there", err, keybearer.Conflict)
	f.State = keybearer.FlowExchanging
	next := must[keybearer.Flow](t)(s.Flows.AdvanceFlow(ctx, f))
	if next.Version != 2 || next.State != keybearer.FlowExchanging {
		t.Errorf("got version %d, state %q, want 2, exchanging", next.Version, next.State)
	}
	f.State = keybearer.FlowFailed
	_, err = s.Flows.AdvanceFlow(ctx, f)
	wantKind(t, "advancing an old version", err, keybearer.Conflict)
	same(t, "Flow", must[keybearer.Flow](t)(s.Flows.Flow(ctx, f.Project, f.ID)), next)
	next.VerificationID = "af_1"
	next = must[keybearer.Flow](t)(s.Flows.AdvanceFlow(ctx, next))
	same(t, "FlowByVerification", must[keybearer.Flow](t)(s.Flows.FlowByVerification(ctx, f.Project, "af_1")), next)
	_, err = s.Flows.FlowByVerification(ctx, "other", "af_1")
	wantKind(t, "FlowByVerification in another project", err, keybearer.NotFound)
}

func flowAdvanceRace(t *testing.T, s Stores) {
	ctx := t.Context()
	f := create(t, s, flow(1), at(0))
	for version := int64(1); version <= 3; version++ {
		errs := race(rivals, func(i int) error {
			mine := f
			mine.Version, mine.State, mine.Reason = version, keybearer.FlowExchanging, fmt.Sprintf("rival %d", i)
			_, err := s.of(i).Flows.AdvanceFlow(ctx, mine)
			return err
		})
		oneWins(t, errs, keybearer.Conflict)
		got := must[keybearer.Flow](t)(s.Flows.Flow(ctx, f.Project, f.ID))
		if got.Version != version+1 {
			t.Fatalf("got version %d after the race, want %d", got.Version, version+1)
		}
		for i, err := range errs {
			if want := fmt.Sprintf("rival %d", i); err == nil && got.Reason != want {
				t.Errorf("got the row of %s, want that of the winner, %s", got.Reason, want)
			}
		}
	}
}

func flowNotAliased(t *testing.T, s Stores) {
	ctx := t.Context()
	f := flow(1)
	f.VerificationID, f.Grant, f.Granted = "af_1", []byte{1, 2}, []string{"read"}
	spoil := func(f keybearer.Flow) {
		f.Scopes[0], f.Asked[0], f.Granted[0], f.Grant[0] = "spoilt", "spoilt", "spoilt", 'X'
	}
	want := keptFlow(f, 1)
	want.Scopes, want.Asked, want.Granted, want.Grant = []string{"read"}, []string{"offline_access", "read"}, []string{"read"}, []byte{1, 2}
	spoil(create(t, s, f, at(0)))
	spoil(f)
	for range 2 {
		byID := must[keybearer.Flow](t)(s.Flows.Flow(ctx, f.Project, f.ID))
		same(t, "Flow", byID, want)
		spoil(byID)
		byVerification := must[keybearer.Flow](t)(s.Flows.FlowByVerification(ctx, f.Project, "af_1"))
		same(t, "FlowByVerification", byVerification, want)
		spoil(byVerification)
	}
}

func flowSamePending(t *testing.T, s Stores) {
	ctx := t.Context()
	first := create(t, s, flow(1), at(0))
	again := flow(2)
	again.Asked = []string{"read", "offline_access", "read"} // the same set
	again.Scopes, again.Deadline = []string{"offline_access"}, at(1200)
	same(t, "the second start", create(t, s, again, at(1)), first)
	_, err := s.Flows.Flow(ctx, project, again.ID)
	wantKind(t, "the id that was not used", err, keybearer.NotFound)

	again.NextURI = "https://app.example.com/done"
	got := create(t, s, again, at(2))
	if got.ID != first.ID || got.NextURI != again.NextURI || got.Version != 2 {
		t.Errorf("got %s with next %q, version %d, want %s with %q, 2", got.ID, got.NextURI, got.Version, first.ID, again.NextURI)
	}
	same(t, "Flow", must[keybearer.Flow](t)(s.Flows.Flow(ctx, project, first.ID)), got)
	again.NextURI = ""
	same(t, "a start without a next URI", create(t, s, again, at(3)), got)
	again.NextURI = got.NextURI
	same(t, "a start with the same next URI", create(t, s, again, at(3)), got)
}

func flowOtherIsNotSame(t *testing.T, s Stores) {
	create(t, s, flow(0), at(0))
	for i, change := range []func(*keybearer.Flow){
		func(f *keybearer.Flow) { f.Project = "other" },
		func(f *keybearer.Flow) { f.User = "bob@example.com" },
		func(f *keybearer.Flow) { f.Provider = "atlassian" },
		func(f *keybearer.Flow) { f.Name = "work" },
		func(f *keybearer.Flow) { f.Asked = []string{"read"} },
		func(f *keybearer.Flow) { f.Asked = []string{"offline_access", "read", "write"} },
		func(f *keybearer.Flow) { f.Asked = []string{"offline_access read"} },
		func(f *keybearer.Flow) { f.Asked = nil },
	} {
		f := flow(i + 1)
		change(&f)
		if got := create(t, s, f, at(0)); got.ID != f.ID {
			t.Errorf("change %d: got the flow %s, want a new one", i, got.ID)
		}
	}
	taken := flow(0)
	taken.User = "carol@example.com"
	_, err := s.Flows.CreateFlow(t.Context(), taken, at(0))
	wantKind(t, "the id of another flow", err, keybearer.Conflict)
}

func flowOverdue(t *testing.T, s Stores) {
	ctx := t.Context()
	first := create(t, s, flow(1), at(0))
	second := flow(2)
	second.Deadline = at(1200)
	if got := create(t, s, second, at(600)); got.ID != second.ID || got.Version != 1 {
		t.Errorf("got %s, version %d at the deadline of the first, want %s, 1", got.ID, got.Version, second.ID)
	}
	old := must[keybearer.Flow](t)(s.Flows.Flow(ctx, project, first.ID))
	if old.State != keybearer.FlowExpired || old.Version != 2 {
		t.Errorf("got state %q, version %d of the overdue flow, want expired, 2", old.State, old.Version)
	}
	if got := create(t, s, flow(3), at(601)); got.ID != second.ID {
		t.Errorf("got %s, want the pending %s", got.ID, second.ID)
	}
}

func flowEnded(t *testing.T, s Stores) {
	ctx := t.Context()
	for i, state := range []keybearer.FlowState{
		keybearer.FlowExchanging, keybearer.FlowVerifying, keybearer.FlowCompleted, keybearer.FlowFailed, keybearer.FlowExpired,
	} {
		f := create(t, s, flow(i), at(0))
		if f.ID != flow(i).ID {
			t.Fatalf("got %s although the flow before it left pending, want %s", f.ID, flow(i).ID)
		}
		f.State = state
		must[keybearer.Flow](t)(s.Flows.AdvanceFlow(ctx, f))
	}
}

func flowCreateRace(t *testing.T, s Stores) { createRace(t, s) }

func flowCreateRaceOverdue(t *testing.T, s Stores) {
	f := flow(9999)
	f.Deadline = at(-1)
	create(t, s, f, at(-2))
	createRace(t, s)
}

// createRace checks that rivals who start the same thing all get the flow of one of them.
func createRace(t *testing.T, s Stores) {
	var (
		mu  sync.Mutex
		ids = make(map[keybearer.AuthorizationID]int)
	)
	for _, err := range race(rivals, func(i int) error {
		f, err := s.of(i).Flows.CreateFlow(t.Context(), flow(i), at(0))
		mu.Lock()
		defer mu.Unlock()
		ids[f.ID]++
		return err
	}) {
		if err != nil {
			t.Errorf("got %v from a rival, want none", err)
		}
	}
	if len(ids) != 1 {
		t.Errorf("got %d flows for one thing, want 1: %v", len(ids), ids)
	}
}

// Apps that start the same thing with another next URI each change the row, and each change counts.
func flowNextURIRace(t *testing.T, s Stores) {
	ctx := t.Context()
	first := create(t, s, flow(0), at(0))
	for _, err := range race(rivals, func(i int) error {
		f := flow(i + 1)
		f.NextURI = fmt.Sprintf("https://app.example.com/%d", i)
		got, err := s.of(i).Flows.CreateFlow(ctx, f, at(1))
		if err == nil && (got.ID != first.ID || got.NextURI != f.NextURI) {
			return fmt.Errorf("got %s with next %q, want %s with %q", got.ID, got.NextURI, first.ID, f.NextURI)
		}
		return err
	}) {
		ok(t, err)
	}
	got := must[keybearer.Flow](t)(s.Flows.Flow(ctx, project, first.ID))
	if got.Version != 1+rivals {
		t.Errorf("got version %d after %d changes, want %d", got.Version, rivals, 1+rivals)
	}
}

// A verification id is the proof of one consent.
func flowSameVerificationRace(t *testing.T, s Stores) {
	ctx := t.Context()
	flows := make([]keybearer.Flow, rivals)
	for i := range flows {
		f := flow(i)
		f.User = keybearer.UserID(fmt.Sprint(i))
		flows[i] = create(t, s, f, at(0))
		flows[i].State, flows[i].VerificationID = keybearer.FlowVerifying, "af_1"
	}
	errs := race(rivals, func(i int) error {
		_, err := s.of(i).Flows.AdvanceFlow(ctx, flows[i])
		return err
	})
	oneWins(t, errs, keybearer.Conflict)
	found := must[keybearer.Flow](t)(s.Flows.FlowByVerification(ctx, project, "af_1"))
	for i, err := range errs {
		if err == nil && found.ID != flows[i].ID {
			t.Errorf("got %s, want the winner's %s", found.ID, flows[i].ID)
		}
	}
}
