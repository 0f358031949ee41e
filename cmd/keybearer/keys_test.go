package main

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/config"
	"github.com/keybearer/keybearer/internal/engine"
	"github.com/keybearer/keybearer/internal/sqlstore"
)

func fillCommand(ts *testscript.TestScript, _ bool, args []string) {
	count, err := strconv.Atoi(args[2])
	ts.Check(err)
	ctx := context.Background()
	cfg, problems := config.Load(config.Source{
		Path: ts.MkAbs(args[0]), DataDir: ts.MkAbs(args[1]),
		LookupEnv: func(name string) (string, bool) { return ts.Getenv(name), true },
	})
	ts.Check(problems.Err())
	db, err := sqlstore.Open(ctx, sqlstore.Config{Path: cfg.Storage.SQLite.ConnectionString, Exclusive: true})
	ts.Check(err)
	defer func() { ts.Check(db.Close()) }()
	sealer, err := engine.OpenKeys(ctx, cfg, db)
	ts.Check(err)
	written, err := db.ImportConnections(ctx, connections(ts, sealer, count))
	ts.Check(err)
	ts.Logf("stored %d connections", written)
}

func connections(ts *testscript.TestScript, sealer keybearer.Sealer, count int) iter.Seq[keybearer.Connection] {
	return func(yield func(keybearer.Connection) bool) {
		for n := range count {
			c := keybearer.Connection{
				ID:    keybearer.ConnectionID(fmt.Sprintf("conn_%06d", n)),
				Ref:   keybearer.Ref{Project: keybearer.DefaultProject, User: keybearer.UserID(fmt.Sprint("user-", n)), Provider: "hooli"},
				State: keybearer.ConnectionActive, CreatedAt: time.Now(), UpdatedAt: time.Now(), Version: 1,
			}
			var err error
			c.Grant, err = sealer.Seal([]byte(`{"access_token":"FIXTURE"}`), c.GrantPlace())
			ts.Check(err)
			if !yield(c) {
				return
			}
		}
	}
}

func sealedCommand(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	flags := engineFlags{url: ts.Getenv(engineVariable)}
	remote, err := flags.client(world{env: func(name string) (string, bool) { return ts.Getenv(name), true }})
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for {
		keys, err := remote.SealingKeys(ctx)
		ts.Check(err)
		for _, k := range keys {
			if k.ID == args[0] && k.Values >= want {
				return
			}
		}
		<-look.C
	}
}
