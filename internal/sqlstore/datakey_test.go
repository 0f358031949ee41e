package sqlstore_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/sqlstore"
	"github.com/keybearer/keybearer/seal"
)

func TestDataKeys(t *testing.T) { dataKeys(t, sqlstore.Config{}) }

func TestPostgresDataKeys(t *testing.T) { dataKeys(t, onPostgres(t)) }

func dataKeys(t *testing.T, cfg sqlstore.Config) {
	ctx := t.Context()
	db := open(t, cfg)
	want := []seal.DataKey{
		{Number: 2, Sealed: seal.Value("second"), CreatedAt: noon()},
		{Number: 10, Sealed: seal.Value("tenth"), CreatedAt: noon()},
	}
	rival := seal.DataKey{Number: 2, Sealed: seal.Value("of a rival"), CreatedAt: noon()}
	for _, c := range []struct {
		key     seal.DataKey
		created bool
	}{{want[1], true}, {want[0], true}, {rival, false}} {
		if created, err := db.CreateDataKey(ctx, c.key); err != nil || created != c.created {
			t.Fatalf("storing %d: got %v, %v; want %v", c.key.Number, created, err, c.created)
		}
	}
	list := func(want []seal.DataKey) {
		t.Helper()
		got, err := db.DataKeys(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	list(want)

	for _, from := range []string{"tenth", "tenth"} { // the second finds another value there
		if err := db.RewrapDataKey(ctx, 10, seal.Value(from), seal.Value(from+" again")); err != nil {
			t.Fatal(err)
		}
	}
	want[1].Sealed = seal.Value("tenth again")
	list(want)

	wrapped := []seal.DataKey{{Number: 2, Sealed: seal.Value("by another"), CreatedAt: noon()}, {Number: 10, Sealed: seal.Value("by another"), CreatedAt: noon()}}
	wrapped = append(wrapped, seal.DataKey{Number: 11, Sealed: seal.Value("new"), CreatedAt: noon()})
	for _, read := range [][]seal.DataKey{nil, want[:1], {want[0], rival}, wrapped} {
		if err := db.ReplaceDataKeys(ctx, read, wrapped); !errors.Is(err, keybearer.Conflict) {
			t.Errorf("replacing others than there are: got %v, want a conflict", err)
		}
	}
	list(want)
	if err := db.ReplaceDataKeys(ctx, want, wrapped); err != nil {
		t.Fatal(err)
	}
	for i := range want {
		wrapped[i].CreatedAt = want[i].CreatedAt // that of the first storing stays
	}
	want = wrapped
	list(want)

	for _, number := range []int64{2, 10, 2, 11} { // the highest stays
		if err := db.DeleteDataKey(ctx, number); err != nil {
			t.Fatal(err)
		}
	}
	list(want[2:])
}

func TestWaitingUnderCountsFlowsAndAttempts(t *testing.T) { waitingUnder(t, sqlstore.Config{}) }

func TestPostgresWaitingUnderCountsFlowsAndAttempts(t *testing.T) { waitingUnder(t, onPostgres(t)) }

func waitingUnder(t *testing.T, cfg sqlstore.Config) {
	ctx := t.Context()
	db := open(t, cfg)
	value := func(key string) seal.Value { return append(seal.Head(key), "and the rest"...) }
	for i, key := range []string{"d1", "d1", "d10"} {
		f := keybearer.Flow{
			ID: keybearer.AuthorizationID(rune('a' + i)), Ref: keybearer.Ref{Project: "default", User: keybearer.UserID(rune('a' + i)), Provider: "hooli"},
			State: keybearer.FlowPending, CreatedAt: noon(), Deadline: noon(),
		}
		stored, err := db.CreateFlow(ctx, f, noon())
		if err != nil {
			t.Fatal(err)
		}
		stored.Grant = value(key)
		if _, err := db.AdvanceFlow(ctx, stored); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.PutAttempt(ctx, keybearer.Attempt{
		StateHash: []byte("state"), Project: "default", Flow: "a", Provider: "hooli", Verifier: value("d1"), CreatedAt: noon(), Deadline: noon(),
	}); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]int{"d1": 3, "d10": 1, "d": 0} {
		if got, err := db.WaitingUnder(ctx, key); err != nil || got != want {
			t.Errorf("%s: got %d, %v; want %d", key, got, err, want)
		}
	}
}
