package workers_test

import (
	"context"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/postgrestest"
	"github.com/keybearer/keybearer/internal/sqlstore"
	"github.com/keybearer/keybearer/internal/workers"
	"github.com/keybearer/keybearer/seal"
	"github.com/keybearer/keybearer/secret"
	"github.com/keybearer/keybearer/storetest"
)

func TestReplicasOfAFileRunAToolOnce(t *testing.T) {
	t.Parallel() // it waits most of the time
	replicasRunOnce(t, sqlstore.Config{Path: filepath.Join(t.TempDir(), "keybearer.db")})
}

func TestPostgresReplicasRunAToolOnce(t *testing.T) {
	t.Parallel() // it waits most of the time
	replicasRunOnce(t, sqlstore.Config{Postgres: secret.New(postgrestest.Database(t))})
}

// Nothing that tools are given or give lies in the open.
func TestStoredToolsAreNotInTheOpen(t *testing.T) {
	dir := t.TempDir()
	ring := must(seal.NewKeyring(seal.Key{ID: "k1", Default: true, Secret: secret.New("a root key for tests")}))(t)
	db := must(sqlstore.Open(t.Context(), sqlstore.Config{Path: filepath.Join(dir, "keybearer.db")}))(t)
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	l := open(t, options{broker: func(c *keybearer.Config) { c.Sealer, c.Workers, c.ToolSecrets, c.Runs = ring, db, db, db }})
	const hook, given = "canary: the address of the hook", "canary: what alice wrote"
	must(l.admin.PutToolSecret(t.Context(), "HOOK", secret.New(hook), "where it goes"))(t)
	at := l.clock.Now()
	done := must(l.box.Execute(t.Context(), l.app, workers.Call{Tool: "Hooli.Notify", User: alice, At: at, Input: inputs(t, map[string]any{"text": given})}))(t)
	l.box.RunDue(t.Context())
	if d := l.detail(done.ID); d.ExecutionStatus != "success" || !strings.Contains(string(d.Attempts[0].Output.Value), given) {
		t.Fatalf("got %+v, want it run", d)
	}
	storetest.NoPlaintext(t, dir, workerSecret, hook, given)
}

// replicasRunOnce has four replicas look for what is due, over and over, and wants each tool run once.
func replicasRunOnce(t *testing.T, storage sqlstore.Config) {
	ring := must(seal.NewKeyring(seal.Key{ID: "k1", Default: true, Secret: secret.New("a root key for tests")}))(t)
	configured := func(c *keybearer.Config) {
		db := must(sqlstore.Open(t.Context(), storage))(t)
		t.Cleanup(func() {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
		c.Sealer, c.Workers, c.ToolSecrets, c.Runs, c.Leases = ring, db, db, db, db
	}
	l := open(t, options{broker: configured})
	boxes := []*workers.Toolbox{l.box}
	for range 3 {
		cfg := keybearer.Config{PublicURL: publicURL, Now: l.clock.Now}
		configured(&cfg)
		broker := must(keybearer.New(cfg))(t)
		t.Cleanup(func() {
			if err := broker.Close(context.WithoutCancel(t.Context())); err != nil {
				t.Error(err)
			}
		})
		boxes = append(boxes, l.open(func(c *workers.Config) { c.Broker = broker }))
	}
	const runs = 12
	ids := map[string]int{}
	for range runs {
		ids[l.scheduled(l.app, "Hooli.Echo")] = 0
	}
	l.clock.Advance(time.Hour)
	var all sync.WaitGroup
	for _, box := range boxes {
		all.Go(func() {
			for range 4 {
				box.RunDue(t.Context())
			}
		})
	}
	all.Wait()
	for _, in := range l.worker.History() {
		ids[in.ExecutionID]++
	}
	for id, calls := range ids {
		if d := l.detail(id); calls != 1 || d.ExecutionStatus != "success" || len(d.Attempts) != 1 {
			t.Errorf("got %d calls, and %s after %d attempts, of %s", calls, d.ExecutionStatus, len(d.Attempts), id)
		}
	}
	if len(ids) != runs {
		t.Errorf("got %d runs, want %d", len(ids), runs)
	}
}
