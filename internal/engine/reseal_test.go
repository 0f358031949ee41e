package engine_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/config"
	"github.com/keybearer/keybearer/internal/engine"
	"github.com/keybearer/keybearer/internal/sqlstore"
	"github.com/keybearer/keybearer/seal"
	"github.com/keybearer/keybearer/secret"
)

// journal is a log that can be waited for.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
	more chan struct{}
}

func newJournal() *journal { return &journal{more: make(chan struct{})} }

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	close(j.more)
	j.more = make(chan struct{})
	return j.text.Write(p)
}

func (j *journal) read() (string, <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String(), j.more
}

// waitFor waits for a line that has all the words.
func (j *journal) waitFor(t *testing.T, words ...string) {
	t.Helper()
	late := time.NewTimer(30 * time.Second)
	defer late.Stop()
	for {
		text, more := j.read()
		for line := range strings.Lines(text) {
			if !missing(line, words) {
				return
			}
		}
		select {
		case <-more:
		case <-late.C:
			t.Fatalf("no line of the log has %q:\n%s", words, text)
		}
	}
}

func missing(line string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(line, w) {
			return true
		}
	}
	return false
}

// running is an engine that serves.
type running struct {
	*engine.Engine
	*journal
	stop func()
}

// start starts an engine on a database file, at a time after noon.
func start(t *testing.T, path string, after time.Duration, keys ...config.RootKey) *running {
	t.Helper()
	r, err := tryStart(t, path, after, keys...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func tryStart(t *testing.T, path string, after time.Duration, keys ...config.RootKey) (*running, error) {
	t.Helper()
	cfg, problems := config.Parse("engine.yaml", []byte("api: {host: 127.0.0.1, port: 0}"), config.Source{
		Dir: t.TempDir(), DataDir: filepath.Dir(path),
		LookupEnv: func(string) (string, bool) { return "", false },
	})
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	cfg.Storage.SQLite.ConnectionString, cfg.Security.RootKeys = path, keys
	r := &running{journal: newJournal()}
	log := slog.New(slog.NewTextHandler(r.journal, nil))
	e, err := engine.Start(t.Context(), engine.Options{
		Config: cfg, Log: log, Announce: new(strings.Builder), Now: func() time.Time { return noon().Add(after) },
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	r.Engine = e
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(r.stop)
	return r, nil
}

func noon() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

const oldConnections = 300

// oldDatabase is one from before there were data keys: k0 was replaced by k1, and not all was sealed anew.
func oldDatabase(t *testing.T, path string) {
	t.Helper()
	ctx := t.Context()
	db, err := sqlstore.Open(ctx, sqlstore.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	rings := map[string]*seal.Keyring{}
	for _, id := range []string{"k0", "k1"} {
		if rings[id], err = seal.NewKeyring(seal.Key{ID: id, Secret: rootKey(id).Value}); err != nil {
			t.Fatal(err)
		}
		check, err := engine.KeyCheck(rings[id], id)
		if err != nil {
			t.Fatal(err)
		}
		execute(t, path, "INSERT INTO root_keys (id, sealed_check) VALUES ($1, $2)", id, check)
	}
	with := func(id, plain string, place []byte) seal.Value {
		v, err := rings[id].Seal([]byte(plain), place)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for n := range oldConnections {
		c := keybearer.Connection{
			ID:    keybearer.ConnectionID(fmt.Sprintf("conn_%04d", n)),
			Ref:   keybearer.Ref{Project: keybearer.DefaultProject, User: keybearer.UserID(fmt.Sprint("user-", n)), Provider: "hooli"},
			State: keybearer.ConnectionActive, CreatedAt: noon(),
		}
		c.Grant = with([]string{"k0", "k1"}[n%2], fmt.Sprint("the grant of user-", n), c.GrantPlace())
		if _, err := db.PutConnection(ctx, c, 0); err != nil {
			t.Fatal(err)
		}
	}
	p := keybearer.Provider{
		Project: keybearer.DefaultProject, ID: "hooli", Type: "atlassian", Status: keybearer.ProviderDisabled, Origin: keybearer.FromAPI, CreatedAt: noon(),
	}
	p.ClientSecret = with("k1", "the secret of hooli", p.SecretPlace())
	if _, err := db.PutProvider(ctx, p, 0); err != nil {
		t.Fatal(err)
	}
	f := keybearer.Flow{
		ID: "ac_old", Ref: keybearer.Ref{Project: keybearer.DefaultProject, User: "alice", Provider: "hooli"},
		State: keybearer.FlowPending, CreatedAt: noon(), Deadline: noon().Add(time.Hour),
	}
	if f, err = db.CreateFlow(ctx, f, noon()); err != nil {
		t.Fatal(err)
	}
	f.Grant = with("k0", "the grant that waits", f.GrantPlace())
	if _, err := db.AdvanceFlow(ctx, f); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// wantSealedBy opens everything in a database, and wants it under one key but for so many values.
func wantSealedBy(t *testing.T, path, key string, others int, keys ...config.RootKey) {
	t.Helper()
	db, err := sqlstore.Open(t.Context(), sqlstore.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	sealer, err := engine.OpenKeys(t.Context(), withKeys(keys...), db)
	if err != nil {
		t.Fatal(err)
	}
	count, foreign := 0, 0
	for value, err := range db.Sealed(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if id, _ := value.Value.KeyID(); id != key {
			foreign++
			continue
		}
		count++
		plain, err := sealer.Open(value.Value, value.Place)
		if err != nil || !strings.HasPrefix(string(plain), "the ") {
			t.Errorf("%s %s: got %q, %v; want what was stored", value.Table, value.Row, plain, err)
		}
	}
	if foreign != others || count < oldConnections-1 {
		t.Errorf("%d values are sealed with %s and %d with others, want all but %d", count, key, foreign, others)
	}
}

func TestOlderDatabaseIsTakenOverAndLaterRotated(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keybearer.sqlite3")
	oldDatabase(t, path)

	e := start(t, path, 0, rootKey("k0"), defaultKey("k1"))
	e.waitFor(t, "from before there were data keys")
	e.waitFor(t, "all stored values are sealed with the newest data key", "key=data:1", "sealed_anew=301")
	e.stop()
	wantSealedBy(t, path, "data:1", 1, rootKey("k0"), defaultKey("k1")) // the flow is left alone

	// Both root keys stay needed for two hours, and for as long as anything is sealed with them.
	e = start(t, path, time.Hour, rootKey("k0"), defaultKey("k1"))
	e.waitFor(t, "former keys are kept", "until=2026-03-01T14:00:00")
	e.stop()
	for _, keys := range [][]config.RootKey{{defaultKey("k1")}, {defaultKey("k0")}} {
		if _, err := tryStart(t, path, time.Hour, keys...); err == nil || !strings.Contains(err.Error(), "is missing") {
			t.Errorf("started with %s alone: %v", keys[0].ID, err)
		}
	}
	e = start(t, path, 3*time.Hour, rootKey("k0"), defaultKey("k1"))
	e.waitFor(t, "no value is sealed with this root key directly any more", "key=k1")
	e.stop()
	if _, err := tryStart(t, path, 3*time.Hour, defaultKey("k1")); err == nil || !strings.Contains(err.Error(), `"k0" is missing`) {
		t.Errorf("started without k0, with which a flow's grant is sealed: %v", err)
	}
	execute(t, path, "DELETE FROM flows")
	e = start(t, path, 3*time.Hour, rootKey("k0"), defaultKey("k1"))
	e.waitFor(t, "no value is sealed with this root key directly any more", "key=k0")
	e.stop()

	// A value that does not open holds its key.
	execute(t, path, "UPDATE connections SET sealed_grant = CAST(sealed_grant || x'00' AS BLOB) WHERE id = 'conn_0007'")
	e = start(t, path, 3*time.Hour, defaultKey("k1"))
	key, err := e.Broker().As(keybearer.Caller{Name: "test", Admin: true}).RotateKeys(t.Context())
	if err != nil || key.ID != "data:2" {
		t.Fatalf("rotating: got %+v, %v; want data:2", key, err)
	}
	e.waitFor(t, "some values do not open", "left=1")
	e.stop()
	wantSealedBy(t, path, "data:2", 1, defaultKey("k1"))
	e = start(t, path, 6*time.Hour, defaultKey("k1"))
	e.waitFor(t, "some values do not open", "left=1")
	e.stop()
	wantSealedBy(t, path, "data:2", 1, defaultKey("k1"))

	execute(t, path, "DELETE FROM connections WHERE id = 'conn_0007'")
	e = start(t, path, 6*time.Hour, defaultKey("k1"))
	e.waitFor(t, "nothing is sealed with this data key any more", "key=data:1")
	keys, err := e.Broker().As(keybearer.Caller{Name: "test", Admin: true}).SealingKeys(t.Context())
	if err != nil || len(keys) != 2 || keys[1].ID != "data:2" || keys[1].Values != oldConnections || keys[0].Values != 1 {
		t.Errorf("got %+v, %v; want k1 with one data key and data:2 with %d values", keys, err, oldConnections)
	}
	e.stop()
}

func TestRootKeysOfFilesAndCommands(t *testing.T) {
	file := filepath.Join(t.TempDir(), "root")
	text := "a root key of this test alone"
	write(t, file, text+"\n", 0o600)
	ring, err := seal.NewKeyring(seal.Key{ID: "k1", Secret: secret.New(text)})
	if err != nil {
		t.Fatal(err)
	}
	for name, k := range map[string]config.RootKey{
		"file":    {File: file},
		"command": {Command: []string{"cat", file}},
	} {
		db := openDB(t, onFile(t))
		k.ID = "k1"
		openKeyring(t, withKeys(k), db)
		keys, err := db.DataKeys(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ring.Open(keys[0].Sealed, seal.Place("data_keys", "data:1")); err != nil {
			t.Errorf("%s: the root key is not the text without its line end: %v", name, err)
		}
	}
}

func TestRootKeysThatCannotBeHad(t *testing.T) {
	dir := t.TempDir()
	open, empty, large := filepath.Join(dir, "open"), filepath.Join(dir, "empty"), filepath.Join(dir, "large")
	write(t, open, "canary-of-this-test", 0o640)
	write(t, empty, "\n", 0o600)
	write(t, large, strings.Repeat("canary-of-this-test", 1<<12), 0o600)
	for name, c := range map[string]struct {
		key  config.RootKey
		says string
	}{
		"others may read it":       {config.RootKey{File: open}, "chmod 600 " + open},
		"no file":                  {config.RootKey{File: filepath.Join(dir, "none")}, "no such file"},
		"a folder":                 {config.RootKey{File: dir}, "not a regular file"},
		"an empty file":            {config.RootKey{File: empty}, "gave nothing"},
		"a large file":             {config.RootKey{File: large}, "larger than 64 KB"},
		"no such program":          {config.RootKey{Command: []string{"keybearer-test-no-such-program"}}, "not found"},
		"it fails":                 {config.RootKey{Command: []string{"sh", "-c", "echo canary-of-this-test; echo access was denied >&2; exit 3"}}, "exit status 3): access was denied"},
		"it prints nothing":        {config.RootKey{Command: []string{"true"}}, "true gave nothing"},
		"it prints much":           {config.RootKey{Command: []string{"cat", large}}, "cat printed more than 64 KB"},
		"arguments are not parsed": {config.RootKey{Command: []string{"echo $HOME"}}, "not found"},
	} {
		db := openDB(t, onFile(t))
		c.key.ID = "k1"
		_, err := engine.OpenKeyring(t.Context(), withKeys(c.key), db, quiet(), time.Now)
		if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), `"k1"`) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: got %v, want it to name k1 and to say %q", name, err, c.says)
		}
		if keys, err := db.DataKeys(t.Context()); err != nil || len(keys) > 0 {
			t.Errorf("%s: %d data keys were made, %v", name, len(keys), err)
		}
	}
}

// A command that hangs is ended when the start is.
func TestRootKeyCommandEndsWithTheStart(t *testing.T) {
	db := openDB(t, onFile(t))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := engine.OpenKeyring(ctx, withKeys(config.RootKey{ID: "k1", Command: []string{"sh", "-c", "sleep 20 & sleep 20"}}), db, quiet(), time.Now)
	if took := time.Since(began); err == nil || took > 10*time.Second {
		t.Errorf("got %v after %s, want it to end at once", err, took)
	}
}
