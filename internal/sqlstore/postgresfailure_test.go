package sqlstore_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/postgrestest"
	"github.com/keybearer/keybearer/internal/sqlstore"
	"github.com/keybearer/keybearer/secret"
)

// own is a server that a test may stop.
func own(t *testing.T) *postgrestest.Server {
	t.Helper()
	s, err := postgrestest.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// grantOf is a large value that only one version has, so that half a write shows.
func grantOf(version int64) []byte {
	return bytes.Repeat(binary.BigEndian.AppendUint64(nil, uint64(version)), 1000)
}

func at(url string) sqlstore.Config { return sqlstore.Config{Postgres: secret.New(url)} }

// through is a configuration whose connections go through a relay.
func through(r *relay, cfg sqlstore.Config, server *postgrestest.Server) sqlstore.Config {
	return at(strings.Replace(cfg.Postgres.Reveal(), server.Address(), r.Addr().String(), 1))
}

func TestPostgresStopsAndComesBack(t *testing.T) {
	ctx := t.Context()
	server := own(t)
	db := open(t, at(server.URL("postgres")))
	c := put(t, db, 1)
	if err := server.Halt(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	_, err := db.Connection(ctx, c.Ref)
	unavailable(t, err, "PostgreSQL", "check that the server runs")
	_, err = db.PutConnection(ctx, c, c.Version)
	unavailable(t, err, "PostgreSQL")
	_, err = db.CreateFlow(ctx, keybearer.Flow{ID: "ac_1"}, time.Now())
	unavailable(t, err, "PostgreSQL")
	unavailable(t, db.Ping(ctx), "PostgreSQL")
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("four calls took %v while the server is away, want them to fail at once", took)
	}
	if err := server.Resume(ctx); err != nil {
		t.Fatal(err)
	}
	got, err := db.Connection(ctx, c.Ref)
	if err != nil || got.Version != c.Version {
		t.Fatalf("got version %d, %v after the server came back, want %d", got.Version, err, c.Version)
	}
	if _, err := db.PutConnection(ctx, got, got.Version); err != nil {
		t.Errorf("got %v for a write after the server came back", err)
	}
}

// A network that swallows everything keeps nobody for long, and nobody for ever.
func TestPostgresSilenceIsBounded(t *testing.T) {
	ctx := t.Context()
	server, cfg := postgrestest.Shared(t), onPostgres(t)
	r := newRelay(t, server.Address())
	db := open(t, through(r, cfg, server))
	c := put(t, db, 1)
	r.hush()
	began := time.Now()
	var all sync.WaitGroup
	for range 30 { // more than there are connections
		all.Go(func() {
			_, err := db.Connection(ctx, c.Ref)
			unavailable(t, err, "the database") // it does not answer, or too much waits for it
		})
		all.Go(func() {
			_, err := db.PutConnection(ctx, c, c.Version)
			unavailable(t, err)
		})
	}
	impatient, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if _, err := db.Connection(impatient, c.Ref); err == nil {
		t.Error("got an answer out of silence")
	}
	all.Wait()
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("calls were kept for %v", took)
	}
	r.speak()
	got, err := db.Connection(ctx, c.Ref)
	if err != nil {
		t.Fatalf("got %v after the silence", err)
	}
	if _, err := db.PutConnection(ctx, got, got.Version); err != nil {
		t.Errorf("got %v for a write after the silence", err)
	}
}

// Connections are cut while many write: what was answered is there, what was not is there as a whole or
// not at all, and reading goes on.
func TestPostgresCutInTheMiddleOfWrites(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	server, cfg := postgrestest.Shared(t), onPostgres(t)
	db := open(t, at(cfg.Postgres.Reveal()+"&application_name=cutme"))
	const count = 8
	var (
		answered [count]int64
		failed   [count]int
		written  = make(chan struct{}, 1)
		all      sync.WaitGroup
	)
	for i := range count {
		c := put(t, db, i)
		all.Go(func() {
			for ctx.Err() == nil {
				next := c
				next.Grant = grantOf(c.Version + 1)
				stored, err := db.PutConnection(ctx, next, c.Version)
				switch {
				case err == nil:
					c, answered[i] = stored, stored.Version
					select {
					case written <- struct{}{}:
					default:
					}
				case ctx.Err() != nil:
				default:
					failed[i]++
					if c, err = db.Connection(ctx, c.Ref); err != nil && ctx.Err() == nil {
						t.Errorf("got %v for a read, want it tried again", err)
						return
					}
				}
			}
		})
	}
	for range 20 {
		for range count { // each may go on for a while
			<-written
		}
		if err := server.Exec(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cutme'"); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	all.Wait()
	var cuts int
	for i := range count {
		cuts += failed[i]
		got, err := db.Connection(t.Context(), user(i))
		if err != nil {
			t.Fatal(err)
		}
		if got.Version < answered[i] || got.Version > answered[i]+1 && answered[i] > 0 {
			t.Errorf("got version %d, want %d, which was answered, or the next one", got.Version, answered[i])
		}
		if got.Version > 1 && string(got.Grant) != string(grantOf(got.Version)) {
			t.Errorf("got another grant than that of version %d", got.Version)
		}
	}
	t.Logf("%d writes were cut, versions answered %v", cuts, answered)
	if cuts == 0 {
		t.Error("no write was cut: nothing was tried")
	}
}

// Where a server comes back all connections are dead. The first that is found so speaks for the others.
func TestPostgresCutCostsOneWrite(t *testing.T) {
	ctx := t.Context()
	server, cfg := postgrestest.Shared(t), onPostgres(t)
	db := open(t, at(cfg.Postgres.Reveal()+"&application_name=cutonce"))
	c := put(t, db, 1)
	var all sync.WaitGroup
	for range 12 {
		all.Go(func() {
			for range 20 {
				if _, err := db.Connection(ctx, c.Ref); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if err := server.Exec(ctx, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cutonce'"); err != nil {
		t.Fatal(err)
	}
	var failed int
	for i := range 12 {
		if err := db.PutSetting(ctx, "default", fmt.Sprint(i), []byte("1")); err != nil {
			failed++
		}
	}
	if failed > 1 {
		t.Errorf("%d of 12 writes failed after all connections were cut, want one", failed)
	}
}

func TestPostgresTellsWhatIsWrong(t *testing.T) {
	ctx := t.Context()
	server := postgrestest.Shared(t)
	with := func(text string) func(string) string { return func(url string) string { return url + "&" + text } }
	do := func(text string) {
		t.Helper()
		if err := server.Exec(ctx, text); err != nil {
			t.Fatal(err)
		}
	}
	do("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
	do("CREATE ROLE guest LOGIN")
	do("CREATE SCHEMA theirs")
	do("CREATE TABLE theirs.bookmarks (url TEXT)")
	t.Cleanup(func() {
		for _, text := range []string{"DROP DATABASE latin", "DROP ROLE guest", "DROP SCHEMA theirs CASCADE"} {
			if err := server.Exec(context.Background(), text); err != nil {
				t.Error(err)
			}
		}
	})
	for name, c := range map[string]struct {
		change func(url string) string
		kind   keybearer.Kind
		says   string
	}{
		"nobody listens": {func(url string) string { return strings.Replace(url, server.Address(), "127.0.0.1:1", 1) }, keybearer.Unavailable, "check that the server runs"},
		"no database":    {func(url string) string { return strings.Replace(url, "/postgres?", "/nowhere?", 1) }, keybearer.BadRequest, "does not exist"},
		"no user":        {func(url string) string { return strings.Replace(url, "keybearer@", "nobody:pass-word@", 1) }, keybearer.BadRequest, "refuses the user"},
		"no right":       {func(url string) string { return strings.Replace(url, "keybearer@", "guest@", 1) }, keybearer.BadRequest, "owner"},
		"no schema":      {with("search_path=nowhere"), keybearer.BadRequest, "make the one that search_path names"},
		"encoding":       {func(url string) string { return strings.Replace(url, "/postgres?", "/latin?", 1) }, keybearer.BadRequest, "LATIN1"},
		"standby":        {with("default_transaction_read_only=on"), keybearer.Unavailable, "target_session_attrs"},
		"others":         {with("search_path=theirs"), keybearer.BadRequest, "another program"},
		"pool":           {with("pool_max_conns=none"), keybearer.BadRequest, "pool_max_conns"},
		"certificate":    {with("sslrootcert=/nowhere.pem"), keybearer.BadRequest, "/nowhere.pem"},
		"no URL":         {func(string) string { return "postgres://user:pass-word@ho st/" }, keybearer.BadRequest, "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			db, err := sqlstore.Open(ctx, at(c.change(server.URL("postgres"))))
			if err == nil {
				t.Error(db.Close())
			}
			saying(t, err, c.kind, c.says)
			if strings.Contains(err.Error(), "pass-word") {
				t.Errorf("got the password in %v", err)
			}
		})
	}
}

// The codes of what is hard to bring about come from a trigger.
func TestPostgresFailuresWhileItRuns(t *testing.T) {
	ctx := t.Context()
	server, cfg := postgrestest.Shared(t), onPostgres(t)
	db := open(t, cfg)
	c := put(t, db, 1)
	_, schema, _ := strings.Cut(cfg.Postgres.Reveal(), "search_path=")
	do := func(text string) {
		t.Helper()
		if err := server.Exec(ctx, text); err != nil {
			t.Fatal(err)
		}
	}
	for code, want := range map[string]struct {
		kind keybearer.Kind
		says string
	}{
		"53100": {keybearer.Unavailable, "no space is left"},
		"25006": {keybearer.Unavailable, "only reads"},
		"53300": {keybearer.Unavailable, "max_connections"},
		"53200": {keybearer.Unavailable, "no memory"},
		"58030": {keybearer.Unavailable, "look at its log"},
		"57P01": {keybearer.Unavailable, "try again"},
		"57014": {keybearer.Unavailable, "try again"},
		"40P01": {keybearer.Unavailable, "others were in the way"},
		"23514": {keybearer.Conflict, "another row"},
		"42501": {keybearer.Unavailable, "may not do that"},
		"XX001": {keybearer.Internal, "damaged"},
	} {
		do(fmt.Sprintf(`CREATE FUNCTION %[1]s.fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '%[2]s'; END $$`, schema, code))
		do(fmt.Sprintf(`CREATE TRIGGER fail BEFORE UPDATE ON %[1]s.connections FOR EACH ROW EXECUTE FUNCTION %[1]s.fail()`, schema))
		_, err := db.PutConnection(ctx, c, c.Version)
		saying(t, err, want.kind, want.says)
		do(fmt.Sprintf(`DROP FUNCTION %s.fail() CASCADE`, schema))
	}
	if _, err := db.PutConnection(ctx, c, c.Version); err != nil {
		t.Errorf("got %v when all was well again", err)
	}
	strange := big(2)
	strange.User = "alice\x00"
	_, err := db.PutConnection(ctx, strange, 0)
	saying(t, err, keybearer.BadRequest, "zero bytes")
}

func TestPostgresPointReadIsOneRoundTrip(t *testing.T) {
	ctx := t.Context()
	server, cfg := postgrestest.Shared(t), onPostgres(t)
	r := newRelay(t, server.Address())
	db := open(t, at(through(r, cfg, server).Postgres.Reveal()+"&pool_max_conns=2"))
	c := put(t, db, 1)
	count := func(call func() error) int64 {
		t.Helper()
		for range 3 { // until the connection knows the statement
			if err := call(); err != nil {
				t.Fatal(err)
			}
		}
		before := r.trips.Load()
		if err := call(); err != nil {
			t.Fatal(err)
		}
		return r.trips.Load() - before
	}
	read := count(func() error { _, err := db.Connection(ctx, c.Ref); return err })
	write := count(func() (err error) { c, err = db.PutConnection(ctx, c, c.Version); return err })
	flow := must[keybearer.Flow](t)(db.CreateFlow(ctx, keybearer.Flow{ID: "ac_1", Ref: c.Ref, Deadline: time.Now().Add(time.Hour)}, time.Now()))
	advance := count(func() (err error) { flow, err = db.AdvanceFlow(ctx, flow); return err })
	if read != 1 || write != 1 || advance != 1 {
		t.Errorf("got %d round trips for a read, %d for a write, %d for a flow that moves, want 1 each", read, write, advance)
	}
}

func TestPostgresTellsItsNews(t *testing.T) {
	server, cfg := postgrestest.Shared(t), onPostgres(t)
	db, other := open(t, cfg), open(t, at(cfg.Postgres.Reveal()+"&application_name=listener"))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	news := make(chan sqlstore.News, 100)
	ended := make(chan error, 1)
	listen := func() {
		go func() { ended <- other.Listen(ctx, func(n sqlstore.News) { news <- n }) }()
	}
	hear := func(want sqlstore.News) {
		t.Helper()
		deadline := time.After(time.Minute)
		for {
			select {
			case n := <-news:
				if n == want {
					return
				}
				t.Errorf("got %+v, want %+v", n, want)
			case err := <-ended:
				t.Fatalf("listening ended: %v", err)
			case <-deadline:
				t.Fatalf("nobody told of %+v", want)
			}
		}
	}
	listen()
	hear(sqlstore.News{})
	hear(sqlstore.News{Rules: true})
	f := must[keybearer.Flow](t)(db.CreateFlow(ctx, keybearer.Flow{ID: "ac_1", Ref: user(1), Deadline: time.Now().Add(time.Hour)}, time.Now()))
	must[keybearer.Flow](t)(db.AdvanceFlow(ctx, f))
	hear(sqlstore.News{Flow: "ac_1"})
	if _, err := db.AdvanceFlow(ctx, f); !errors.Is(err, keybearer.Conflict) {
		t.Errorf("got %v, want conflict", err)
	} // which is no news
	if err := db.PutKey(ctx, keybearer.Key{Project: "default", ID: "key_1", Hash: []byte("h")}); err != nil {
		t.Fatal(err)
	}
	hear(sqlstore.News{Rules: true})
	must[keybearer.Provider](t)(db.PutProvider(ctx, keybearer.Provider{Project: "default", ID: "hooli"}, 0))
	hear(sqlstore.News{Rules: true})
	if err := db.DeleteProvider(ctx, "default", "hooli"); err != nil {
		t.Fatal(err)
	}
	hear(sqlstore.News{Rules: true})

	if err := server.Exec(ctx, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'listener'"); err != nil {
		t.Fatal(err)
	}
	unavailable(t, <-ended, "listening to the database")
	listen()
	hear(sqlstore.News{})
	hear(sqlstore.News{Rules: true})
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func TestPostgresClock(t *testing.T) {
	db := open(t, onPostgres(t))
	before := time.Now().Add(-time.Second)
	now, err := db.Clock(t.Context())
	if err != nil || now.Before(before) || now.After(time.Now().Add(time.Second)) {
		t.Errorf("got %v, %v, want about now", now, err)
	}
}

func TestPostgresTellsAWayInTheClear(t *testing.T) {
	server, cfg := postgrestest.Shared(t), onPostgres(t)
	if open(t, cfg).InTheClear() {
		t.Error("a way within this machine is said to be in the clear")
	}
	away := at(strings.Replace(cfg.Postgres.Reveal(), server.Address(), server.Address()+",db.example.com:5432", 1))
	if !open(t, away).InTheClear() {
		t.Error("a way without TLS to another machine is not told")
	}
}
