package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/client"
	"github.com/keybearer/keybearer/internal/config"
	"github.com/keybearer/keybearer/internal/engine"
	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testKey = "arc_A-KEY-THAT-OPENS-NOTHING-ELSE"

// patience bounds waits that only a failure uses up.
const patience = time.Minute

// lab is a provider, and engines with one public address, of which the test chooses who answers.
type lab struct {
	provider *providertest.Running
	public   string
	env      map[string]string
}

func newLab(t *testing.T) *lab {
	t.Helper()
	const public = "http://localhost:9"
	p := providertest.Start(t, providertest.Config{Clients: []providertest.Client{
		{ID: "app", Secret: "not-so-secret", RedirectURIs: []string{public + "/api/v1/oauth/hooli/callback"}},
	}})
	p.Approve("alice")
	return &lab{provider: p, public: public, env: map[string]string{
		"KEYBEARER_API_KEY": testKey, "KEYBEARER_ADMIN_PASSWORD": "not-for-people",
	}}
}

// yaml is a configuration that all replicas share, with its storage.
func (l *lab) yaml(storage string) string {
	return fmt.Sprintf(`
api: {host: 127.0.0.1, port: 0, public_host: %q, development: true}
auth:
  session_verification: {unsafe_skip_verification: true}
  confirm_page: never
  providers:
    - id: hooli
      client_id: app
      client_secret: not-so-secret
      oauth2:
        scope_delimiter: " "
        authorize_request: {endpoint: "%[2]s/authorize"}
        token_request: {endpoint: "%[2]s/token", auth_method: client_secret_basic}
        refresh_request: {endpoint: "%[2]s/token", auth_method: client_secret_basic}
security: {root_keys: [{id: k1, value: a-root-key-for-tests-alone}]}
%[3]s`, l.public, l.provider.URL, storage)
}

// replica is an engine of the lab.
type replica struct {
	*client.Client
	*engine.Engine
	address string
	log     *transcript
	said    *transcript
	stop    func()
}

// transcript is what somebody wrote.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Write(p)
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

// prepare gives the options of an engine on a storage.
func (l *lab) prepare(t *testing.T, storage string) (engine.Options, *transcript, *transcript) {
	t.Helper()
	dir := t.TempDir()
	cfg, problems := config.Parse("engine.yaml", []byte(l.yaml(storage)), config.Source{
		Dir: dir, DataDir: dir, LookupEnv: func(name string) (string, bool) { v, ok := l.env[name]; return v, ok },
	})
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	log, said := new(transcript), new(transcript)
	return engine.Options{Config: cfg, Log: slog.New(slog.NewTextHandler(log, nil)), Announce: said, Version: "test"}, log, said
}

// replica starts an engine, which is stopped at the end of the test.
func (l *lab) replica(t *testing.T, storage string, options ...func(*engine.Options)) *replica {
	t.Helper()
	o, log, said := l.prepare(t, storage)
	for _, option := range options {
		option(&o)
	}
	e, err := engine.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	r := &replica{Engine: e, address: "http://" + e.Address(), log: log, said: said}
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("stopping an engine: %v", err)
		}
	})
	t.Cleanup(r.stop)
	r.Client = r.as(t, secret.New(testKey))
	return r
}

func transport(t *testing.T) *http.Transport {
	tr := new(http.Transport)
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

// here is a link of the shared public address, at this replica.
func (l *lab) here(r *replica, link string) string {
	return strings.Replace(link, l.public, r.address, 1)
}

// consent opens a link at one replica, consents, and comes back to another one.
func (l *lab) consent(t *testing.T, link string, begin, back *replica) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Transport: transport(t), Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	follow := func(link string) string {
		resp, err := browser.Get(link)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		if err := errors.Join(err, resp.Body.Close()); err != nil {
			t.Fatal(err)
		}
		to, err := resp.Location()
		if err != nil {
			if resp.StatusCode == http.StatusOK {
				return ""
			}
			t.Fatalf("got %s, %v from %s: %s", resp.Status, err, link, text)
		}
		return to.String()
	}
	asked := follow(l.here(begin, link))
	returned := follow(asked)
	if u, err := url.Parse(returned); err != nil || u.Query().Get("code") == "" {
		t.Fatalf("the provider sent the browser to %s, want a code", returned)
	}
	follow(l.here(back, returned))
}

func ask(user string) keybearer.AuthorizeRequest {
	return keybearer.AuthorizeRequest{ID: "hooli", User: keybearer.UserID(user), Scopes: []string{"read"}}
}

func must[T any](t *testing.T) func(T, error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// as is a client of the replica with another key.
func (r *replica) as(t *testing.T, key secret.String) *client.Client {
	t.Helper()
	return must[*client.Client](t)(client.New(r.address, key, client.WithHTTPClient(&http.Client{Transport: transport(t)})))
}

func (r *replica) logged(text string) bool { return strings.Contains(r.log.String(), text) }

// until looks again and again, and fails when it never comes true.
func until(t *testing.T, what string, isSo func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for over := time.Now().Add(patience); !isSo(); <-tick.C {
		if time.Now().After(over) {
			t.Fatalf("waited %v for %s", patience, what)
		}
	}
}

// stop ends an engine that never served.
func stop(t *testing.T, e *engine.Engine) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := e.Run(ctx); err != nil {
		t.Error(err)
	}
}
