package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/config"
	"github.com/keybearer/keybearer/internal/engine"
	"github.com/keybearer/keybearer/internal/postgrestest"
	"github.com/keybearer/keybearer/internal/sqlstore"
	"github.com/keybearer/keybearer/providertest"
)

// clock is the time of a whole test.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// configured is an engine's configuration with a provider at url, a root key, and storage as told.
func configured(t *testing.T, url, storage string) *config.Config {
	t.Helper()
	cfg, problems := config.Parse("engine.yaml", fmt.Appendf(nil, `
api: {host: 127.0.0.1, port: 0}
auth:
  session_verification: {unsafe_skip_verification: true}
  confirm_page: never
  providers:
    - id: hooli
      client_id: app
      client_secret: test-secret-of-the-app
      oauth2:
        scope_delimiter: " "
        refresh: {ahead: never}
        authorize_request: {endpoint: "%[1]s/authorize"}
        token_request: {endpoint: "%[1]s/token", auth_method: client_secret_basic}
        refresh_request: {endpoint: "%[1]s/token", auth_method: client_secret_basic}
security:
  root_keys: [{id: k1, value: the root key of this test and of nothing else}]
storage: {%[2]s}
`, url, storage), config.Source{DataDir: t.TempDir(), Dir: t.TempDir(), LookupEnv: func(string) (string, bool) { return "", false }})
	if problems.Failed() {
		t.Fatal(problems.Err())
	}
	return cfg
}

// serve runs an engine until the test ends or stop is called.
func serve(t *testing.T, cfg *config.Config, at *clock) (e *engine.Engine, stop func()) {
	t.Helper()
	e, err := engine.Start(t.Context(), engine.Options{Config: cfg, Log: quiet(), Announce: io.Discard, Version: "test", Now: at.Now})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return e, stop
}

func app(e *engine.Engine) *keybearer.View {
	return e.Broker().As(keybearer.Caller{Project: keybearer.DefaultProject, Name: "key:app"})
}

// consent lets a person consent whom the provider knows.
func consent(t *testing.T, e *engine.Engine, provider *providertest.Running, user string) {
	t.Helper()
	a, err := app(e).Authorize(t.Context(), keybearer.AuthorizeRequest{ID: "hooli", User: keybearer.UserID(user), Scopes: []string{"read"}})
	if err != nil {
		t.Fatal(err)
	}
	provider.Decide(providertest.Decision{Answer: "approve", User: user})
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := (&http.Client{Jar: jar}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if a, err = app(e).Status(t.Context(), a.ID); err != nil || a.Status != keybearer.AuthorizationCompleted {
		t.Fatalf("got %s, %v after the consent of %s", a.Status, err, user)
	}
}

func token(t *testing.T, e *engine.Engine, user keybearer.UserID) (keybearer.Token, error) {
	t.Helper()
	return app(e).Token(t.Context(), keybearer.Ref{Project: keybearer.DefaultProject, User: user, Provider: "hooli"})
}

// hooli is a provider whose refresh tokens work once, and that takes a second use for a theft.
func hooli(t *testing.T, at *clock) *providertest.Running {
	return providertest.Start(t, providertest.Config{Clock: at.Now, AccessLifetime: time.Hour})
}

// The whole story, with the provider's own history as the judge: what was spent since the backup is
// presented once and told, what was not goes on.
func TestRestoredBackupDoesNotSpendTokensTwice(t *testing.T) {
	at := &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	provider := hooli(t, at)
	before := configured(t, provider.URL, "")
	first, stop := serve(t, before, at)
	provider.Register(providertest.Client{
		ID: "app", Secret: "test-secret-of-the-app", RedirectURIs: []string{first.URL() + "/api/v1/oauth/hooli/callback"},
	})
	consent(t, first, provider, "alice")
	consent(t, first, provider, "bob")

	path := filepath.Join(t.TempDir(), "backup.sqlite3")
	found, err := engine.Backup(t.Context(), before, engine.BackupOptions{Path: path, Now: at.Now(), Version: "test"})
	if err != nil || found.Opened["connections"] != 2 || found.NotOpened != 0 {
		t.Fatalf("got %+v, %v, want two grants that open", found.Verified, err)
	}
	at.advance(2 * time.Hour)
	if _, err := token(t, first, "alice"); err != nil { // what the backup has of her is spent now
		t.Fatal(err)
	}
	stop()

	after := configured(t, provider.URL, "")
	done, err := engine.Restore(t.Context(), after, path, at.Now())
	if err != nil || done.Doubtful != 2 {
		t.Fatalf("got %d doubtful connections, %v, want 2", done.Doubtful, err)
	}
	at.advance(2 * time.Hour)
	provider.History().Clear()
	second, stop := serve(t, after, at)
	for range 3 { // however often she asks
		if _, err := token(t, second, "alice"); !errors.Is(err, keybearer.Reauthorize) {
			t.Errorf("got %v for a grant that was spent, want a new consent asked for", err)
		}
	}
	if got, err := token(t, second, "bob"); err != nil || got.Access.IsZero() {
		t.Errorf("got %v for a grant that was not spent since", err)
	}
	stop()
	if reuses, refreshes := provider.History().Reuses(), provider.History().Refreshes(); reuses != 1 || refreshes != 1 {
		t.Errorf("the provider saw %d spent tokens and %d good ones, want one of each", reuses, refreshes)
	}
	db := openDB(t, sqlstore.Config{Path: after.Storage.SQLite.ConnectionString})
	c, err := db.Connection(t.Context(), keybearer.Ref{Project: keybearer.DefaultProject, User: "alice", Provider: "hooli"})
	if err != nil || c.State != keybearer.ConnectionReauthorize || !strings.Contains(c.Reason, "backup of 2026-03-01T12:00:00Z") {
		t.Errorf("got state %s because %q, %v, want the backup as the reason", c.State, c.Reason, err)
	}
	events, err := db.Events(t.Context(), sqlstore.EventFilter{Action: keybearer.ActionRestore})
	if err != nil || len(events) != 1 || !strings.Contains(events[0].Reason, "2026-03-01T12:00:00Z") {
		t.Errorf("got %+v, %v, want the restore in the audit", events, err)
	}
}

// A row that was tampered with is named, and the backup is kept: the others are good.
func TestBackupNamesValuesThatDoNotOpen(t *testing.T) {
	at := &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	provider := hooli(t, at)
	cfg := configured(t, provider.URL, "")
	e, stop := serve(t, cfg, at)
	provider.Register(providertest.Client{
		ID: "app", Secret: "test-secret-of-the-app", RedirectURIs: []string{e.URL() + "/api/v1/oauth/hooli/callback"},
	})
	consent(t, e, provider, "alice")
	consent(t, e, provider, "bob")
	stop()
	db := openDB(t, sqlstore.Config{Path: cfg.Storage.SQLite.ConnectionString})
	page, _, err := db.Connections(t.Context(), keybearer.ConnectionFilter{})
	if err != nil || len(page) != 2 {
		t.Fatalf("got %d connections, %v", len(page), err)
	}
	page[0].Grant = page[1].Grant // into another's row
	if _, err := db.PutConnection(t.Context(), page[0], page[0].Version); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "backup.sqlite3")
	found, err := engine.Backup(t.Context(), cfg, engine.BackupOptions{Path: path, Now: at.Now(), Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	if found.NotOpened != 1 || found.Opened["connections"] != 1 || found.Closed[0].Row != string(page[0].ID) {
		t.Errorf("got %+v, want the row %s named", found.Verified, page[0].ID)
	}

	cfg.Security.RootKeys[0].Value = rootKey("other").Value
	again := filepath.Join(t.TempDir(), "again.sqlite3")
	_, err = engine.Backup(t.Context(), cfg, engine.BackupOptions{Path: again, Now: at.Now(), Version: "test"})
	if failed, ok := errors.AsType[*engine.CheckError](err); !ok || failed.Path != again || !strings.Contains(err.Error(), `"k1"`) {
		t.Errorf("got %v with another root key, want it named", err)
	}
	if _, err := os.Stat(again); err != nil {
		t.Errorf("got %v, want the backup kept", err)
	}
	target := configured(t, provider.URL, "")
	target.Security = cfg.Security
	if _, err := engine.Restore(t.Context(), target, path, at.Now()); err == nil {
		t.Error("restored without the root key")
	}
	if _, err := os.Stat(target.Storage.SQLite.ConnectionString); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want nothing written", err)
	}
}

// From SQLite to PostgreSQL, there into a backup while the engine serves, and back into SQLite: the
// token that the user's agent has stays the one that it gets.
func TestPostgresTakesOverFromSQLiteAndGivesBack(t *testing.T) {
	at := &clock{now: time.Now()}
	provider := hooli(t, at)
	small := configured(t, provider.URL, "")
	e, stop := serve(t, small, at)
	provider.Register(providertest.Client{
		ID: "app", Secret: "test-secret-of-the-app", RedirectURIs: []string{e.URL() + "/api/v1/oauth/hooli/callback"},
	})
	consent(t, e, provider, "alice")
	want, err := token(t, e, "alice")
	if err != nil {
		t.Fatal(err)
	}
	wantToken := func(e *engine.Engine) {
		t.Helper()
		if got, err := token(t, e, "alice"); err != nil || got.Access.Reveal() != want.Access.Reveal() {
			t.Errorf("got another token, or %v; want the one from before", err)
		}
	}
	large := configured(t, provider.URL, fmt.Sprintf("postgres: {url: %q}", postgrestest.Database(t)))
	file := small.Storage.SQLite.ConnectionString
	if _, err := engine.Migrate(t.Context(), large, file, at.Now()); !errors.Is(err, keybearer.Conflict) || !strings.Contains(err.Error(), "another engine") {
		t.Errorf("got %v while an engine runs, want it refused", err)
	}
	stop()

	moved, err := engine.Migrate(t.Context(), large, file, at.Now())
	if err != nil || moved.Contents["connections"].Rows != 1 || moved.Opened["connections"] != 1 {
		t.Fatalf("got %+v, %v, want the connection moved", moved, err)
	}
	if _, err := engine.Start(t.Context(), engine.Options{Config: small, Log: quiet(), Announce: io.Discard, Now: at.Now}); !errors.Is(err, keybearer.Conflict) ||
		!strings.Contains(err.Error(), "was moved to "+moved.To) {
		t.Errorf("got %v from an engine on the old file, want it refused", err)
	}
	e, stop = serve(t, large, at)
	wantToken(e)
	path := filepath.Join(t.TempDir(), "backup.sqlite3")
	found, err := engine.Backup(t.Context(), large, engine.BackupOptions{Path: path, Now: at.Now(), Version: "test"})
	if err != nil || found.Opened["connections"] != 1 {
		t.Fatalf("got %+v, %v, want a backup while the engine serves", found, err)
	}
	stop()

	back := configured(t, provider.URL, "")
	if done, err := engine.Restore(t.Context(), back, path, at.Now()); err != nil || done.Doubtful != 1 {
		t.Fatalf("got %+v, %v", done, err)
	}
	e, stop = serve(t, back, at)
	wantToken(e)
	stop()
}
