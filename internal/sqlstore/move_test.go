package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/sqlstore"
)

func moved() keybearer.Event {
	return keybearer.Event{Time: noon(), Project: "default", Actor: "operator", Action: "storage.move", Outcome: "ok"}
}

// toMove makes a database with rows and gives its path.
func toMove(t *testing.T, rows int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "old.db")
	db := open(t, sqlstore.Config{Path: path})
	one(t, db)
	_, err := db.ImportConnections(t.Context(), func(yield func(keybearer.Connection) bool) {
		for i := 10; i < 10+rows && yield(big(i)); i++ {
		}
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

func openToMove(t *testing.T, path string) *sqlstore.DB {
	t.Helper()
	db, err := sqlstore.OpenToMove(t.Context(), sqlstore.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func TestMove(t *testing.T) {
	onBoth(t, func(t *testing.T, cfg sqlstore.Config) {
		ctx := t.Context()
		path := toMove(t, 120)
		source, target := openToMove(t, path), open(t, cfg)
		contents, err := target.Move(ctx, source, "elsewhere", moved())
		if err != nil {
			t.Fatal(err)
		}
		rows := map[string]int64{}
		for table, digest := range contents {
			rows[table] = digest.Rows
		}
		want := map[string]int64{
			"connections": 122, "flows": 2, "attempts": 1, "providers": 1, "api_keys": 1, "accounts": 1, "sessions": 1, "settings": 1,
			"root_keys": 1, "data_keys": 1, "events": 1, "workers": 1, "tool_secrets": 1, "scheduled_runs": 3, "registered_clients": 1, "client_grants": 1,
		}
		if diff := cmp.Diff(want, rows); diff != "" {
			t.Error(diff)
		}
		for _, ref := range []keybearer.Ref{user(1), user(2), user(10), user(129)} {
			before, err1 := source.Connection(ctx, ref)
			after, err2 := target.Connection(ctx, ref)
			if err1 != nil || err2 != nil {
				t.Fatal(err1, err2)
			}
			if diff := cmp.Diff(before, after); diff != "" {
				t.Errorf("a move changes no row (-before +after):\n%s", diff)
			}
		}
		if _, err := target.TakeAttempt(ctx, []byte("h")); err != nil {
			t.Errorf("got %v, want the attempt carried: somebody may be at the provider", err)
		}
		if events, err := target.Events(ctx, sqlstore.EventFilter{Action: "storage.move"}); err != nil || len(events) != 1 {
			t.Errorf("got %v, %v, want the move in the audit", events, err)
		}
		_, err = target.Move(ctx, source, "elsewhere", moved())
		saying(t, err, keybearer.Conflict, "was moved to elsewhere")
		if err := source.Close(); err != nil {
			t.Fatal(err)
		}
		for _, cfg := range []sqlstore.Config{{Path: path, Exclusive: true}, {Path: path}, {Path: path, ReadOnly: true}} {
			_, err := sqlstore.Open(ctx, cfg)
			saying(t, err, keybearer.Conflict, "was moved to elsewhere", "keybearer migrate --undo", path)
		}
	})
}

func TestMoveOfADatabaseInUseIsRefused(t *testing.T) {
	path := toMove(t, 1)
	engine := open(t, sqlstore.Config{Path: path, Exclusive: true})
	_, err := sqlstore.OpenToMove(t.Context(), sqlstore.Config{Path: path})
	saying(t, err, keybearer.Conflict, "another engine is using", "stop that one first")
	put(t, engine, 1000)

	_, err = sqlstore.OpenToMove(t.Context(), sqlstore.Config{Path: path + ".none"})
	saying(t, err, keybearer.NotFound, "there is no database")
}

func TestMoveIntoADatabaseWithRowsIsRefused(t *testing.T) {
	onBoth(t, func(t *testing.T, cfg sqlstore.Config) {
		path := toMove(t, 1)
		source, target := openToMove(t, path), open(t, cfg)
		if err := target.PutKeyCheck(t.Context(), "k1", []byte("x")); err != nil {
			t.Fatal(err)
		}
		_, err := target.Move(t.Context(), source, "elsewhere", moved())
		saying(t, err, keybearer.Conflict, "not empty", "root_keys: 1")
		if err := source.Close(); err != nil {
			t.Fatal(err)
		}
		open(t, sqlstore.Config{Path: path, Exclusive: true}) // it is as it was
	})
}

func TestTakeBack(t *testing.T) {
	ctx := t.Context()
	path := toMove(t, 1)
	source, target := openToMove(t, path), open(t, sqlstore.Config{})
	_, err := source.TakeBack(ctx, moved())
	saying(t, err, keybearer.BadRequest, "was not moved")
	if _, err := target.Move(ctx, source, "elsewhere", moved()); err != nil {
		t.Fatal(err)
	}
	if doubtful, err := source.TakeBack(ctx, moved()); err != nil || doubtful != 1 {
		t.Errorf("got %d, %v, want one connection in doubt", doubtful, err)
	}
	if err := source.Close(); err != nil {
		t.Fatal(err)
	}
	db := open(t, sqlstore.Config{Path: path, Exclusive: true})
	if c, err := db.Connection(ctx, user(1)); err != nil || !c.Rotation.At.Equal(noon()) {
		t.Errorf("got %+v, %v, want the refresh token in doubt since the move", c.Rotation, err)
	}
}

// move moves a database into "<path>.new" and says when it is done.
func move(ctx context.Context, path string, out io.Writer) error {
	source, err := sqlstore.OpenToMove(ctx, sqlstore.Config{Path: path})
	if err != nil {
		return err
	}
	target, err := sqlstore.Open(ctx, sqlstore.Config{Path: path + ".new", Exclusive: true})
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "begins")
	if _, err := target.Move(ctx, source, "elsewhere", moved()); err != nil {
		return err
	}
	fmt.Fprintln(out, "done")
	select {}
}

// Wherever a move is killed, at most one of the two databases lets an engine in, and the same move,
// again, comes to its end with every row.
func TestKilledMoveLeavesOneDatabase(t *testing.T) {
	t.Parallel() // it waits for the disk most of the time
	const rows = 400
	const rounds = 5
	refusals := 0
	whole, err := os.ReadFile(toMove(t, rows))
	if err != nil {
		t.Fatal(err)
	}
	for round := range rounds {
		path := filepath.Join(t.TempDir(), "old.db")
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
		p := start(t, "move", path)
		if !p.lines.Scan() {
			t.Fatal("the move did not begin")
		}
		if round < rounds-1 {
			wrote(t, path+".new-wal", int64(round)*400<<10) // 3.5 MB are written at the end
		} else if !p.lines.Scan() {
			t.Fatal("the move did not end")
		}
		p.kill(t)
		_, errOld := usable(t, path)
		filled, errNew := usable(t, path+".new")
		switch {
		case errOld == nil && errNew == nil && filled:
			t.Errorf("round %d: both databases can be used", round)
		case errOld != nil:
			refusals++
		}
		source, target := openToMove(t, path), open(t, sqlstore.Config{Path: path + ".new", Exclusive: true})
		if _, err := target.Move(t.Context(), source, "elsewhere", moved()); err != nil && errOld == nil {
			t.Errorf("round %d: got %v at the second attempt", round, err)
		}
		if _, total, err := target.Connections(t.Context(), keybearer.ConnectionFilter{Limit: 1}); err != nil || total != rows+2 {
			t.Errorf("round %d: got %d connections, %v, want %d", round, total, err, rows+2)
		}
	}
	if refusals == 0 || refusals == rounds {
		t.Errorf("got %d of %d moves killed after their end, want some before and some after: adjust the sizes", refusals, rounds)
	}
}

// wrote waits until a file has a size.
func wrote(t *testing.T, path string, size int64) {
	t.Helper()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for {
		if info, err := os.Stat(path); err == nil && info.Size() >= size {
			return
		}
		select {
		case <-look.C:
		case <-t.Context().Done():
			t.Fatalf("%s did not grow to %d bytes", path, size)
		}
	}
}

// usable says whether an engine may run on the database, and whether there are connections in it.
func usable(t *testing.T, path string) (filled bool, err error) {
	t.Helper()
	db, err := sqlstore.Open(t.Context(), sqlstore.Config{Path: path, Exclusive: true})
	if err != nil {
		return false, err
	}
	defer db.Close()
	_, total, err := db.Connections(t.Context(), keybearer.ConnectionFilter{Limit: 1})
	return total > 0, err
}

// The two steps of the mark, each by itself: died before the commit, and after it.
func TestMoveThatDiedAroundItsCommit(t *testing.T) {
	for name, committed := range map[string]bool{"before": false, "after": true} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, cfg sqlstore.Config) {
				ctx := t.Context()
				path := toMove(t, 1)
				source, target := openToMove(t, path), open(t, cfg)
				if committed {
					if _, err := target.Move(ctx, source, "elsewhere", moved()); err != nil {
						t.Fatal(err)
					}
					do(t, raw(t, path), `UPDATE settings SET value = replace(value, '"moved"', '"moving"') WHERE project = ''`)
					put(t, target, 77) // an engine has begun there
				} else if err := source.PutSetting(ctx, "", "storage", []byte(`{"state":"moving","to":"elsewhere","line":"none"}`)); err != nil {
					t.Fatal(err)
				}
				_, err := sqlstore.Open(ctx, sqlstore.Config{Path: path})
				saying(t, err, keybearer.Conflict, "broken off", "--undo")
				contents, err := target.Move(ctx, source, "elsewhere", moved())
				if err != nil || contents["connections"].Rows != 3 {
					t.Errorf("got %v, %v, want the move at its end", contents, err)
				}
				_, err = sqlstore.Open(ctx, sqlstore.Config{Path: path})
				saying(t, err, keybearer.Conflict, "was moved to elsewhere")
			})
		})
	}
}

// Nobody knows what became of a commit that failed, so the old database is not used until somebody asks.
func TestMoveWhoseCommitFails(t *testing.T) {
	ctx := t.Context()
	path, into := toMove(t, 1), filepath.Join(t.TempDir(), "new.db")
	source, target := openToMove(t, path), open(t, sqlstore.Config{Path: into})
	hand := raw(t, into)
	do(t, hand, `CREATE TABLE a (x INTEGER PRIMARY KEY);
		CREATE TABLE b (y INTEGER REFERENCES a (x) DEFERRABLE INITIALLY DEFERRED);
		CREATE TRIGGER late AFTER INSERT ON events BEGIN INSERT INTO b VALUES (1); END`)
	if _, err := target.Move(ctx, source, "elsewhere", moved()); err == nil {
		t.Fatal("got no error of a commit that cannot be")
	}
	_, err := sqlstore.Open(ctx, sqlstore.Config{Path: path})
	saying(t, err, keybearer.Conflict, "broken off")
	do(t, hand, "DROP TRIGGER late")
	if _, err := target.Move(ctx, source, "elsewhere", moved()); err != nil {
		t.Errorf("got %v at the second attempt", err)
	}
}
