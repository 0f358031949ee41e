package sqlstore_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/sqlstore"
	"github.com/keybearer/keybearer/seal"
)

// one puts a row into every table that a program fills.
func one(t *testing.T, db *sqlstore.DB) {
	t.Helper()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	refreshable := big(1)
	refreshable.State, refreshable.Refreshable, refreshable.Scopes = keybearer.ConnectionActive, true, []string{"a", "b"}
	refreshable.CreatedAt, refreshable.Family = noon(), "f"
	_, err := db.PutConnection(ctx, refreshable, 0)
	must(err)
	dead := big(2)
	dead.State, dead.Refreshable = keybearer.ConnectionReauthorize, true
	_, err = db.PutConnection(ctx, dead, 0)
	must(err)
	for i, state := range []keybearer.FlowState{keybearer.FlowVerifying, keybearer.FlowCompleted} {
		f, err := db.CreateFlow(ctx, keybearer.Flow{
			ID: keybearer.AuthorizationID(fmt.Sprint("ac_", i)), Ref: user(i), Deadline: noon().Add(time.Hour),
		}, noon())
		must(err)
		f.State, f.VerificationID, f.Grant = state, keybearer.FlowID(fmt.Sprint(i)), seal.Value("sealed")
		_, err = db.AdvanceFlow(ctx, f)
		must(err)
	}
	must(db.PutAttempt(ctx, keybearer.Attempt{StateHash: []byte("h"), Flow: "ac_0", Verifier: seal.Value("v"), Deadline: noon()}))
	_, err = db.PutProvider(ctx, keybearer.Provider{Project: "default", ID: "hooli", ClientSecret: seal.Value("s")}, 0)
	must(err)
	_, err = db.PutWorker(ctx, keybearer.Worker{Project: "default", ID: "tools", Enabled: true, Secret: seal.Value("w")}, 0)
	must(err)
	_, err = db.PutToolSecret(ctx, keybearer.ToolSecret{Project: "default", ID: "sec_1", Key: "HOOK", Value: seal.Value("t")}, 0)
	must(err)
	must(db.PutRegisteredClient(ctx, keybearer.RegisteredClient{Project: "default", ID: "mcp_1", CreatedAt: noon()}))
	_, err = db.PutClientGrant(ctx, keybearer.ClientGrant{Project: "default", ID: "cg_1", Client: "mcp_1", CodeHash: []byte("c"), ExpiresAt: noon()}, 0)
	must(err)
	for i, state := range []keybearer.RunState{keybearer.RunScheduled, keybearer.RunScheduled, keybearer.RunSuccess} {
		at := noon().Add(time.Duration(i) * 1000 * time.Hour)
		_, err = db.PutRun(ctx, keybearer.Run{Project: "default", ID: keybearer.RunID(fmt.Sprint("te_", i)), State: state, RunAt: at, DueAt: at, Content: seal.Value("r")}, 0)
		must(err)
	}
	must(db.PutKey(ctx, keybearer.Key{Project: "default", ID: "key_1", Hash: []byte{0, 1, 255}}))
	must(db.PutAccount(ctx, keybearer.Account{Project: "default", User: "alice", Admin: true}))
	must(db.PutSession(ctx, keybearer.Session{Hash: []byte("s"), Expires: noon()}))
	must(db.PutSetting(ctx, "default", "x", []byte("1")))
	must(db.PutKeyCheck(ctx, "k1", []byte("check")))
	_, err = db.CreateDataKey(ctx, seal.DataKey{Number: 1, Sealed: seal.Value("key"), CreatedAt: noon()})
	must(err)
	must(db.WriteEvents(ctx, each(event(1))))
}

// onBoth runs a test on a new database of either kind.
func onBoth(t *testing.T, test func(t *testing.T, cfg sqlstore.Config)) {
	t.Run("sqlite", func(t *testing.T) {
		test(t, sqlstore.Config{Path: filepath.Join(t.TempDir(), "keybearer.db"), Exclusive: true})
	})
	t.Run("postgres", func(t *testing.T) { test(t, onPostgres(t)) })
}

func backedUp(t *testing.T, db *sqlstore.DB) (path string, m sqlstore.Manifest) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "backup.sqlite3")
	m, err := db.Backup(t.Context(), path, false, noon(), "v1")
	if err != nil {
		t.Fatal(err)
	}
	return path, m
}

func openedBackup(t *testing.T, path string) (*sqlstore.DB, sqlstore.Manifest) {
	t.Helper()
	db, m, err := sqlstore.OpenBackup(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db, m
}

// saying wants an error of a kind that says all of these.
func saying(t *testing.T, err error, kind keybearer.Kind, texts ...string) {
	t.Helper()
	if keybearer.KindOf(err) != kind {
		t.Fatalf("got %v, want an error of kind %v", err, kind)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("got %q, want it to say %q", err, text)
		}
	}
}

func restored() keybearer.Event {
	return keybearer.Event{Time: noon(), Project: "default", Actor: "operator", Action: "storage.restore", Outcome: "ok"}
}

// Whoever adds a table decides what copies do with it.
func TestCopiesKnowEveryTable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keybearer.db")
	one(t, open(t, sqlstore.Config{Path: path}))
	known := map[string]bool{"schema_version": true, "leases": true} // belong to one database
	for _, name := range sqlstore.CopiedTables() {
		known[name] = true
	}
	rows, err := raw(t, path).QueryContext(t.Context(), "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
	if err != nil {
		t.Fatal(err)
	}
	var tables []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		tables = append(tables, name)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		t.Fatal(err)
	}
	for _, name := range tables {
		if !known[name] {
			t.Errorf("copies do not know the table %s: add it to copiedTables in copy.go, or here if it belongs to one database", name)
		}
		var count int
		if err := raw(t, path).QueryRowContext(t.Context(), "SELECT count(*) FROM "+name).Scan(&count); err != nil {
			t.Fatal(err)
		}
		if count == 0 && name != "leases" {
			t.Errorf("the tests of copies have no row in %s: add one to one()", name)
		}
	}
	if len(tables) < 10 {
		t.Errorf("got tables %v, want all of the schema", tables)
	}
}

func TestBackupHoldsWhatMattersLater(t *testing.T) {
	onBoth(t, func(t *testing.T, cfg sqlstore.Config) {
		engine := open(t, cfg)
		one(t, engine)
		cfg.ReadOnly = true
		db := open(t, cfg)
		path, m := backedUp(t, db)
		if err := db.PutSetting(t.Context(), "default", "x", []byte("2")); err == nil {
			t.Error("wrote through a database that was opened for reading")
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("got mode %v, %v, want 0600", info.Mode(), err)
		}
		if files, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); err != nil || len(files) != 0 {
			t.Errorf("got %v, %v beside the backup, want nothing", files, err)
		}
		rows := map[string]int64{}
		for table, digest := range m.Contents {
			rows[table] = digest.Rows
		}
		want := map[string]int64{
			"connections": 2, "flows": 2, "providers": 1, "api_keys": 1, "accounts": 1, "settings": 1, "root_keys": 1, "data_keys": 1,
			"events": 1, "workers": 1, "tool_secrets": 1, "scheduled_runs": 3, "registered_clients": 1, "client_grants": 1,
		}
		if diff := cmp.Diff(want, rows); diff != "" {
			t.Error(diff)
		}
		if err := os.Chmod(path, 0o400); err != nil {
			t.Fatal(err)
		}
		copied, read := openedBackup(t, path)
		if diff := cmp.Diff(m, read); diff != "" {
			t.Errorf("got another manifest than was written (-want +got):\n%s", diff)
		}
		for _, ref := range []keybearer.Ref{user(1), user(2)} {
			before, err1 := db.Connection(t.Context(), ref)
			after, err2 := copied.Connection(t.Context(), ref)
			if err := errors.Join(err1, err2); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(before, after); diff != "" {
				t.Error(diff)
			}
		}
		if err := copied.PutSetting(t.Context(), "default", "x", []byte("2")); err == nil {
			t.Error("wrote into a backup")
		}
		_, err = sqlstore.Open(t.Context(), sqlstore.Config{Path: path, Exclusive: true})
		saying(t, err, keybearer.Conflict, "is a backup", "keybearer restore")
	})
}

func TestBackupNeverReplacesByItself(t *testing.T) {
	db := open(t, sqlstore.Config{})
	one(t, db)
	path := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := db.Backup(t.Context(), path, false, noon(), "v1")
	saying(t, err, keybearer.Conflict, "exists already", "--force")
	if text, err := os.ReadFile(path); err != nil || string(text) != "mine" {
		t.Errorf("got %q, %v, want it untouched", text, err)
	}
	if _, err := db.Backup(t.Context(), path, true, noon(), "v1"); err != nil {
		t.Fatal(err)
	}
	openedBackup(t, path)
	_, err = db.Backup(t.Context(), filepath.Join(path, "below"), false, noon(), "v1")
	if err == nil {
		t.Error("made a backup below a file")
	}
}

// What is left of a backup that failed is nothing at all.
func TestFailedBackupLeavesNothing(t *testing.T) {
	db := open(t, sqlstore.Config{})
	one(t, db)
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := db.Backup(ctx, filepath.Join(dir, "b"), false, noon(), "v1"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("got %v, %v, want an empty folder", left, err)
	}
}

func TestBackupOnAFullDiskLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	backups := filepath.Join(dir, "backups")
	if err := os.Mkdir(backups, 0o700); err != nil {
		t.Fatal(err)
	}
	p := start(t, "fullbackup", filepath.Join(dir, "keybearer.db"))
	done := p.lines.Scan() && p.lines.Text() == "done"
	if err := p.Wait(); err != nil || !done {
		t.Errorf("got %v, done: %v", err, done)
	}
	if left, err := os.ReadDir(backups); err != nil || len(left) != 0 {
		t.Errorf("got %v, %v, want nothing of the backup left", left, err)
	}
}

// follow writes a number into a setting and then a row of that number into a later table, without end.
func follow(ctx context.Context, path string, out io.Writer) error {
	db, err := sqlstore.Open(ctx, sqlstore.Config{Path: path, Exclusive: true})
	for i := 1; err == nil; i++ {
		if err = db.PutSetting(ctx, "default", "count", []byte(fmt.Sprint(i))); err == nil {
			err = db.WriteEvents(ctx, each(event(i)))
		}
		fmt.Fprintln(out, i)
	}
	return err
}

// An engine of its own process writes meanwhile; every table must be of the same moment.
func TestBackupIsOfOneMoment(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keybearer.db")
	db := open(t, sqlstore.Config{Path: path})
	_, err := db.ImportConnections(t.Context(), func(yield func(keybearer.Connection) bool) {
		for i := range 400 { // so that time passes between settings and events
			if !yield(big(i)) {
				return
			}
		}
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	writer := start(t, "follow", path)
	for range 5 {
		if !writer.lines.Scan() {
			t.Fatal("the engine has ended")
		}
	}
	drained := make(chan struct{})
	go func() { // so that it never waits for us
		defer close(drained)
		for writer.lines.Scan() {
		}
	}()
	look := open(t, sqlstore.Config{Path: path, ReadOnly: true})
	var last int64
	for range 2 {
		file, m := backedUp(t, look)
		copied, _ := openedBackup(t, file)
		text, err := copied.Setting(t.Context(), "default", "count")
		if err != nil {
			t.Fatal(err)
		}
		var count int64
		if _, err := fmt.Sscan(string(text), &count); err != nil {
			t.Fatal(err)
		}
		if events := m.Contents["events"].Rows; events != count && events != count-1 {
			t.Errorf("got %d events at count %d, want one for each", events, count)
		}
		if count <= last {
			t.Errorf("got count %d after %d, want later ones in a later backup", count, last)
		}
		last = count
	}
	if err := writer.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-drained
	_ = writer.Wait()
}

// On PostgreSQL a snapshot is one of a transaction's, if it is asked for.
func TestPostgresBackupIsOfOneMoment(t *testing.T) {
	cfg := onPostgres(t)
	engine := open(t, cfg)
	if _, err := engine.ImportConnections(t.Context(), func(yield func(keybearer.Connection) bool) {
		for i := 0; i < 400 && yield(big(i)); i++ {
		}
	}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended, begun := make(chan error, 1), make(chan struct{}, 1)
	go func() {
		var err error
		for i := 1; err == nil && ctx.Err() == nil; i++ {
			if err = engine.PutSetting(t.Context(), "default", "count", []byte(fmt.Sprint(i))); err == nil {
				err = engine.WriteEvents(t.Context(), each(event(i)))
			}
			select {
			case begun <- struct{}{}:
			default:
			}
		}
		ended <- err
	}()
	<-begun
	cfg.ReadOnly = true
	path, m := backedUp(t, open(t, cfg))
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	copied, _ := openedBackup(t, path)
	text, err := copied.Setting(t.Context(), "default", "count")
	if err != nil {
		t.Fatal(err)
	}
	var count int64
	if _, err := fmt.Sscan(string(text), &count); err != nil {
		t.Fatal(err)
	}
	if events := m.Contents["events"].Rows; events != count && events != count-1 {
		t.Errorf("got %d events at count %d, want one for each", events, count)
	}
}

func TestReadOnlyMakesNothing(t *testing.T) {
	dir := t.TempDir()
	_, err := sqlstore.Open(t.Context(), sqlstore.Config{Path: filepath.Join(dir, "none", "keybearer.db"), ReadOnly: true})
	saying(t, err, keybearer.NotFound, "there is no database")
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("got %v, %v, want nothing made", left, err)
	}
	path := filepath.Join(dir, "keybearer.db")
	old(t, path)
	_, err = sqlstore.Open(t.Context(), sqlstore.Config{Path: path, ReadOnly: true})
	saying(t, err, keybearer.BadRequest, "version 1", "start the engine with this one first")
}

// old makes a database of the first schema, with a connection in it.
func old(t *testing.T, path string) *sql.DB {
	t.Helper()
	text, err := os.ReadFile("migrations/00001_first.sql")
	if err != nil {
		t.Fatal(err)
	}
	db := raw(t, path)
	do(t, db, string(text))
	do(t, db, `CREATE TABLE schema_version (id INTEGER PRIMARY KEY AUTOINCREMENT, version_id INTEGER NOT NULL,
		is_applied INTEGER NOT NULL, tstamp TIMESTAMP DEFAULT (datetime('now')))`)
	do(t, db, "INSERT INTO schema_version (version_id, is_applied) VALUES (0, 1), (1, 1)")
	do(t, db, `INSERT INTO connections VALUES ('default', 'conn_1', 'alice', 'hooli', '', 'active', '', '["a"]', x'01', 1, 2, 1, 3, 4, 5)`)
	return db
}

func TestRestore(t *testing.T) {
	onBoth(t, func(t *testing.T, cfg sqlstore.Config) {
		ctx := t.Context()
		db := open(t, sqlstore.Config{})
		one(t, db)
		path, _ := backedUp(t, db)
		backup, m := openedBackup(t, path)
		target := open(t, cfg)
		done, err := target.Restore(ctx, backup, m, restored())
		if err != nil {
			t.Fatal(err)
		}
		if done.Doubtful != 1 {
			t.Errorf("got %d doubtful connections, want the one that is active", done.Doubtful)
		}
		c, err := target.Connection(ctx, user(1))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(keybearer.Rotation{At: noon()}, c.Rotation); diff != "" {
			t.Errorf("want the refresh token in doubt since the backup (-want +got):\n%s", diff)
		}
		if c.DueAt.IsZero() || !bytes.Equal(c.Grant, big(1).Grant) || c.Family != "f" {
			t.Errorf("got due %v and a grant of %d bytes, want it planned and whole", c.DueAt, len(c.Grant))
		}
		if dead, err := target.Connection(ctx, user(2)); err != nil || dead.Rotation.Open() {
			t.Errorf("got %+v, %v for a dead grant, want no entry", dead.Rotation, err)
		}
		for id, want := range map[keybearer.AuthorizationID]keybearer.FlowState{"ac_0": keybearer.FlowExpired, "ac_1": keybearer.FlowCompleted} {
			if f, err := target.Flow(ctx, "default", id); err != nil || f.State != want {
				t.Errorf("got flow %s in state %s, %v, want %s", id, f.State, err, want)
			}
		}
		for id, want := range map[keybearer.RunID]keybearer.RunState{"te_0": keybearer.RunFailed, "te_1": keybearer.RunScheduled, "te_2": keybearer.RunSuccess} {
			if r, err := target.Run(ctx, "default", id); err != nil || r.State != want || (len(r.Attempts) == 1) != (want == keybearer.RunFailed) {
				t.Errorf("got run %s in state %s with %v, %v, want %s: what came due may have run since the backup", id, r.State, r.Attempts, err, want)
			}
		}
		events, err := target.Events(ctx, sqlstore.EventFilter{Action: "storage.restore"})
		if err != nil || len(events) != 1 {
			t.Errorf("got %v, %v, want the restore in the audit", events, err)
		}
		_, err = target.Restore(ctx, backup, m, restored())
		saying(t, err, keybearer.Conflict, "not empty", "connections: 2", "nothing was changed")
	})
}

func TestRestoreOfAnOlderSchemaIsMigrated(t *testing.T) {
	path := filepath.Join(t.TempDir(), "old.sqlite3")
	file := old(t, path)
	do(t, file, `INSERT INTO settings VALUES ('', 'storage', '{"state":"backup","at":"2026-03-01T12:00:00Z","contents":{}}')`)
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	backup, m := openedBackup(t, path)
	target := open(t, sqlstore.Config{})
	done, err := target.Restore(t.Context(), backup, m, restored())
	if err != nil || done.Doubtful != 1 {
		t.Fatalf("got %+v, %v, want one doubtful connection", done, err)
	}
	if c, err := target.ConnectionByID(t.Context(), "default", "conn_1"); err != nil || !c.Rotation.At.Equal(noon()) || c.Version != 6 {
		t.Errorf("got %+v, %v, want the old row in doubt since the backup", c, err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the backup was changed, %v", err)
	}
}

func TestFilesThatAreNoBackups(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	db := open(t, sqlstore.Config{Path: file("engine")})
	one(t, db)
	if err := errors.Join(db.Close(), os.WriteFile(file("text"), []byte("a letter to my bank"), 0o600), os.WriteFile(file("empty"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	do(t, raw(t, file("other")), "CREATE TABLE bookmarks (url TEXT)")
	newer := old(t, file("newer"))
	do(t, newer, "INSERT INTO schema_version (version_id, is_applied) VALUES (99, 1)")
	for name, c := range map[string]struct {
		kind keybearer.Kind
		says string
	}{
		"engine": {keybearer.BadRequest, "make one of it with `keybearer backup`"},
		"text":   {keybearer.BadRequest, "not a Keybearer database"},
		"empty":  {keybearer.BadRequest, "is no backup"},
		"other":  {keybearer.BadRequest, "another program"},
		"newer":  {keybearer.BadRequest, "newer Keybearer"},
		"none":   {keybearer.NotFound, "there is no database"},
	} {
		_, _, err := sqlstore.OpenBackup(t.Context(), file(name))
		saying(t, err, c.kind, c.says, file(name))
	}
}

func TestAlteredBackupsAreFound(t *testing.T) {
	db := open(t, sqlstore.Config{})
	one(t, db)
	for i := 10; i < 30; i++ {
		put(t, db, i)
	}
	written, _ := backedUp(t, db)
	whole, err := os.ReadFile(written)
	if err != nil {
		t.Fatal(err)
	}
	for name, alter := range map[string]func(path string){
		"a row is gone":  func(path string) { do(t, raw(t, path), "DELETE FROM connections WHERE id = 'conn_10'") },
		"a row is moved": func(path string) { do(t, raw(t, path), "UPDATE connections SET user_id = 'eve' WHERE id = 'conn_10'") },
		"a value is null": func(path string) {
			do(t, raw(t, path), "UPDATE connections SET sealed_grant = NULL WHERE id = 'conn_10'")
		},
		"a key is added": func(path string) { do(t, raw(t, path), "INSERT INTO root_keys VALUES ('k2', x'00')") },
		"it ends early": func(path string) {
			info, err := os.Stat(path)
			if err == nil {
				err = os.Truncate(path, info.Size()/2/4096*4096)
			}
			if err != nil {
				t.Fatal(err)
			}
		},
	} {
		path := filepath.Join(t.TempDir(), "backup.sqlite3")
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
		alter(path)
		if _, _, err := sqlstore.OpenBackup(t.Context(), path); keybearer.KindOf(err) != keybearer.Internal || err == nil {
			t.Errorf("%s: got %v, want it to be found", name, err)
		}
	}
}
