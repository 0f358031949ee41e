package sqlstore_test

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/sqlstore"
	"github.com/keybearer/keybearer/storetest"
)

func noon() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

func TestKeyChecks(t *testing.T) { onBoth(t, keyChecks) }

func keyChecks(t *testing.T, cfg sqlstore.Config) {
	ctx := t.Context()
	db := open(t, cfg)
	if checks, err := db.KeyChecks(ctx); err != nil || len(checks) != 0 {
		t.Fatalf("got %v, %v of a new database, want none", checks, err)
	}
	for _, c := range []struct{ id, sealed string }{{"k1", "one"}, {"k2", "two"}} {
		if err := db.PutKeyCheck(ctx, c.id, []byte(c.sealed)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := db.KeyChecks(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string][]byte{"k1": []byte("one"), "k2": []byte("two")}, got); diff != "" {
		t.Error(diff)
	}
	for range 2 {
		if err := db.DeleteKeyCheck(ctx, "k1"); err != nil {
			t.Fatal(err)
		}
	}
	if got, err = db.KeyChecks(ctx); err != nil || len(got) != 1 || got["k2"] == nil {
		t.Errorf("got %v, %v, want k2 alone", got, err)
	}
}

// each gives every event with a count of its own.
func each(events ...keybearer.Event) iter.Seq2[keybearer.Event, int64] {
	return func(yield func(keybearer.Event, int64) bool) {
		for i, e := range events {
			if !yield(e, int64(i+1)) {
				return
			}
		}
	}
}

func event(n int) keybearer.Event {
	return keybearer.Event{
		Time: noon().Add(time.Duration(n) * time.Second), Project: "default", Actor: "key:ci", Action: keybearer.ActionToken,
		User: "alice", Provider: "hooli", Connection: "conn_1", Flow: "ac_1", Outcome: "ok", Reason: fmt.Sprint("event ", n),
	}
}

func TestEvents(t *testing.T) { onBoth(t, events) }

func events(t *testing.T, cfg sqlstore.Config) {
	ctx := t.Context()
	db := open(t, cfg)
	other := event(3)
	other.Project, other.Actor, other.Action, other.User, other.Provider = "p2", "browser", keybearer.ActionStart, "bob", "atlassian"
	other.Connection, other.Flow, other.Outcome = "conn_2", "ac_2", string(keybearer.NotFound)
	twin := event(2)
	twin.Reason = "event 2, written later"
	if err := db.WriteEvents(ctx, each(event(2), event(1), other, twin)); err != nil {
		t.Fatal(err)
	}
	if err := db.WriteEvents(ctx, each()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		filter sqlstore.EventFilter
		want   []string
	}{
		{"all", sqlstore.EventFilter{}, []string{"event 3", "event 2, written later", "event 2", "event 1"}},
		{"page", sqlstore.EventFilter{Limit: 2, Offset: 1}, []string{"event 2, written later", "event 2"}},
		{"project", sqlstore.EventFilter{Project: "p2"}, []string{"event 3"}},
		{"actor", sqlstore.EventFilter{Actor: "browser"}, []string{"event 3"}},
		{"action", sqlstore.EventFilter{Action: keybearer.ActionStart}, []string{"event 3"}},
		{"outcome", sqlstore.EventFilter{Outcome: string(keybearer.NotFound)}, []string{"event 3"}},
		{"user", sqlstore.EventFilter{User: "bob"}, []string{"event 3"}},
		{"provider", sqlstore.EventFilter{Provider: "atlassian"}, []string{"event 3"}},
		{"connection", sqlstore.EventFilter{Connection: "conn_2"}, []string{"event 3"}},
		{"flow", sqlstore.EventFilter{Flow: "ac_2"}, []string{"event 3"}},
		{"time", sqlstore.EventFilter{Since: event(1).Time, Before: event(2).Time}, []string{"event 1"}},
		{"two", sqlstore.EventFilter{Project: "default", User: "bob"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			events, err := db.Events(ctx, c.filter)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, e := range events {
				got = append(got, e.Reason)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	events, err := db.Events(ctx, sqlstore.EventFilter{Flow: "ac_2"})
	if err != nil || len(events) != 1 {
		t.Fatalf("got %v, %v, want one event", events, err)
	}
	if diff := cmp.Diff(sqlstore.Event{ID: events[0].ID, Event: other, Times: 3}, events[0]); diff != "" {
		t.Error(diff)
	}
}

func TestPrune(t *testing.T) { onBoth(t, prune) }

func prune(t *testing.T, cfg sqlstore.Config) {
	ctx := t.Context()
	db := open(t, cfg)
	now := noon().Add(100 * time.Hour)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 { // over for 25, 12 and -1 hours
		n := fmt.Sprint(i)
		deadline := now.Add([]time.Duration{-25, -12, 1}[i] * time.Hour)
		_, err := db.CreateFlow(ctx, keybearer.Flow{ID: keybearer.AuthorizationID(n), Ref: keybearer.Ref{User: keybearer.UserID(n)}, Deadline: deadline}, noon())
		must(err)
		must(db.PutAttempt(ctx, keybearer.Attempt{StateHash: []byte(n), Deadline: deadline}))
		must(db.PutSession(ctx, keybearer.Session{Hash: []byte(n), Expires: deadline}))
	}
	old := event(0)
	old.Time = now.Add(-91 * 24 * time.Hour)
	must(db.WriteEvents(ctx, each(old, event(1))))
	c := put(t, db, 1)
	for i, days := range []int{-31, -29} {
		_, err := db.PutRun(ctx, keybearer.Run{ID: keybearer.RunID(fmt.Sprint(i)), FinishedAt: now.Add(time.Duration(days) * 24 * time.Hour)}, 0)
		must(err)
	}

	got, err := db.Prune(ctx, now, sqlstore.Retention{Events: -1})
	must(err)
	if want := (sqlstore.Pruned{Flows: 1, Attempts: 2, Sessions: 2, Runs: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	got, err = db.Prune(ctx, now, sqlstore.Retention{Flows: time.Hour})
	must(err)
	if want := (sqlstore.Pruned{Flows: 1, Events: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	_, err = db.Flow(ctx, "", "2")
	must(err)
	_, err = db.TakeAttempt(ctx, []byte("2"))
	must(err)
	_, err = db.Session(ctx, []byte("2"))
	must(err)
	_, err = db.Connection(ctx, c.Ref)
	must(err)
}

func TestPruneDeadConnections(t *testing.T) { onBoth(t, pruneDeadConnections) }

func pruneDeadConnections(t *testing.T, cfg sqlstore.Config) {
	ctx := t.Context()
	db := open(t, cfg)
	day := 24 * time.Hour
	for i, c := range []keybearer.Connection{
		{State: keybearer.ConnectionReauthorize, UpdatedAt: noon().Add(-91 * day)},                     // dead for long
		{State: keybearer.ConnectionReauthorize, UpdatedAt: noon().Add(-89 * day), Refreshable: true},  // not that long
		{State: keybearer.ConnectionActive, UpdatedAt: noon().Add(-400 * day), Refreshable: true},      // alive
		{State: keybearer.ConnectionActive, ExpiresAt: noon().Add(-91 * day)},                          // ended, and nobody asked
		{State: keybearer.ConnectionActive, UpdatedAt: noon().Add(-400 * day)},                         // does not end
		{State: keybearer.ConnectionActive, ExpiresAt: noon().Add(-400 * day), Refreshable: true},      // can be refreshed
		{State: keybearer.ConnectionReauthorize, UpdatedAt: noon().Add(-200 * day), Refreshable: true}, // dead for longer
	} {
		c.ID, c.Ref = keybearer.ConnectionID(fmt.Sprint("conn_", i)), user(i)
		if _, err := db.PutConnection(ctx, c, 0); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Connection(ctx, c.Ref); err != nil { // it is kept in memory, too
			t.Fatal(err)
		}
	}
	if got, err := db.Prune(ctx, noon(), sqlstore.Retention{Dead: -1}); err != nil || got.Connections != 0 {
		t.Errorf("got %+v, %v with connections kept for ever", got, err)
	}
	if got, err := db.Prune(ctx, noon(), sqlstore.Retention{}); err != nil || got.Connections != 3 {
		t.Errorf("got %+v, %v, want 3 connections gone", got, err)
	}
	for i, gone := range []bool{true, false, false, true, false, false, true} {
		if _, err := db.Connection(ctx, user(i)); errors.Is(err, keybearer.NotFound) != gone {
			t.Errorf("connection %d: got %v, want it gone: %v", i, err, gone)
		}
	}
	events, err := db.Events(ctx, sqlstore.EventFilter{Action: keybearer.ActionDisconnect, User: user(3).User})
	if err != nil || len(events) != 1 || events[0].Actor != "engine" || events[0].Connection != "conn_3" {
		t.Fatalf("got %+v, %v, want the removal in the audit", events, err)
	}
	if want := "did not consent again within 90 days"; !strings.Contains(events[0].Reason, want) {
		t.Errorf("got reason %q, want %q", events[0].Reason, want)
	}
}

func TestPruneManyInSteps(t *testing.T) { onBoth(t, pruneManyInSteps) }

func pruneManyInSteps(t *testing.T, cfg sqlstore.Config) {
	db := open(t, cfg)
	const count = 1203
	err := db.WriteEvents(t.Context(), func(yield func(keybearer.Event, int64) bool) {
		for i := range count {
			if !yield(event(i), 1) {
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := db.Prune(t.Context(), noon().Add(time.Hour), sqlstore.Retention{Events: time.Nanosecond})
	if err != nil || got.Events != count {
		t.Errorf("got %+v, %v, want %d events gone", got, err, count)
	}
}

func TestDeletedValuesLeaveTheFile(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	db := open(t, sqlstore.Config{Path: filepath.Join(dir, "keybearer.db"), Exclusive: true})
	c := big(1)
	c.Grant = bytes.Repeat([]byte("canary-value-"), 500)
	c, err := db.PutConnection(ctx, c, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.DeleteConnection(ctx, c.Project, c.ID, c.Version); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	storetest.NoPlaintext(t, dir, "canary-value-canary-value-")
}

func TestImportConnections(t *testing.T) { onBoth(t, importConnections) }

func importConnections(t *testing.T, cfg sqlstore.Config) {
	ctx := t.Context()
	db := open(t, cfg)
	const count = 1001 // a batch and one more
	imported, err := db.ImportConnections(ctx, func(yield func(keybearer.Connection) bool) {
		for i := range count {
			c := big(i)
			c.Grant, c.Version = []byte{1}, 7
			if !yield(c) {
				return
			}
		}
	})
	if err != nil || imported != count {
		t.Fatalf("got %d, %v, want %d", imported, err, count)
	}
	c, err := db.Connection(ctx, user(count-1))
	if err != nil || c.Version != 7 {
		t.Errorf("got version %d, %v, want 7", c.Version, err)
	}
	imported, err = db.ImportConnections(ctx, func(yield func(keybearer.Connection) bool) { yield(big(1)) })
	if keybearer.KindOf(err) != keybearer.Conflict || imported != 0 {
		t.Errorf("got %d, %v for a row that exists, want conflict", imported, err)
	}
}

func TestCacheIsBounded(t *testing.T) {
	ctx := t.Context()
	db := open(t, sqlstore.Config{Exclusive: true, CachedRows: 4})
	for i := range 20 {
		put(t, db, i)
	}
	large := big(20)
	large.Grant = make([]byte, 20<<10)
	if _, err := db.PutConnection(ctx, large, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Connection(ctx, large.Ref); err != nil || db.Cached() != 0 {
		t.Errorf("got %d rows kept, %v after reading a large one, want 0", db.Cached(), err)
	}
	for i := range 63 {
		if c, err := db.Connection(ctx, user(i%21)); err != nil || c.Ref != user(i%21) {
			t.Fatalf("got %v, %v", c.Ref, err)
		}
		if n := db.Cached(); n > 4 {
			t.Fatalf("got %d rows kept, want at most 4", n)
		}
	}
	if db.Cached() == 0 {
		t.Error("got nothing kept")
	}
}
