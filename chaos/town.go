package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"github.com/keybearer/keybearer/client"
	"github.com/keybearer/keybearer/internal/postgrestest"
	"github.com/keybearer/keybearer/secret"
)

// town is everything that runs: the provider, the database, the ways to it, and the replicas.
type town struct {
	s        settings
	dir      string
	http     *http.Transport
	provider *provider
	postgres *postgrestest.Server // nil with SQLite
	replicas []*replica

	end         context.CancelFunc
	supervision sync.WaitGroup
	mu          sync.Mutex
	trouble     error // of the supervision
}

// build makes the engine with the points in it, as `make build` does without them.
func build(ctx context.Context, dir string) (string, error) {
	binary := filepath.Join(dir, "keybearer")
	cmd := exec.CommandContext(ctx, "go", "build", "-tags", "chaos", "-o", binary, "github.com/keybearer/keybearer/cmd/keybearer")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("building the engine: %w", err)
	}
	return binary, nil
}

// found makes the town and waits until all replicas are well.
func found(ctx context.Context, s settings, dir string) (_ *town, err error) {
	t := &town{s: s, dir: dir, http: &http.Transport{MaxIdleConnsPerHost: s.clients}}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.close())
		}
	}()
	binary, err := build(ctx, dir)
	if err != nil {
		return nil, err
	}
	for n := range s.replicas() {
		r, err := t.site(ctx, n, binary)
		if err != nil {
			return nil, err
		}
		t.replicas = append(t.replicas, r)
	}
	public := "http://" + t.replicas[0].address
	if t.provider, err = startProvider(ctx, s, public+"/api/v1/oauth/"+providerID+"/callback"); err != nil {
		return nil, err
	}
	if s.database == "postgres" {
		if t.postgres, err = postgrestest.Start(ctx); err != nil {
			return nil, err
		}
	}
	supervised, end := context.WithCancel(ctx)
	t.end = end
	for _, r := range t.replicas {
		storage, err := t.storage(ctx, r)
		if err != nil {
			return nil, err
		}
		text := fmt.Sprintf(engineYAML, r.address[strings.LastIndex(r.address, ":")+1:], public, providerID, clientID, clientSecret, t.provider.url, s.graceYAML(), storage)
		if err := os.WriteFile(filepath.Join(r.dir, "engine.yaml"), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	for _, r := range t.replicas {
		t.supervision.Go(func() {
			if err := r.supervise(supervised); err != nil {
				t.mu.Lock()
				defer t.mu.Unlock()
				t.trouble = errors.Join(t.trouble, err)
			}
		})
	}
	return t, t.awaitHealth(ctx)
}

// engineYAML has the port, the public host, the provider's id, client and secret, its URL, how long it
// forgives, and the storage.
const engineYAML = `
api: {host: 127.0.0.1, port: %s, public_host: %q}
auth:
  session_verification: {unsafe_skip_verification: true}
  confirm_page: never
  providers:
    - id: %s
      client_id: %s
      client_secret: %q
      oauth2:
        pkce: {enabled: true}
        authorize_request: {endpoint: "%[6]s/authorize"}
        token_request: {endpoint: "%[6]s/token"}
        refresh_request: {}
        %[7]s
security:
  root_keys: [{id: chaos, value: "a root key that protects nothing"}]
storage: %[8]s
`

func (s settings) graceYAML() string {
	if s.leeway == 0 {
		return ""
	}
	return fmt.Sprintf("refresh: {reuse_grace: %s}", s.leeway)
}

// site prepares the place of a replica.
func (t *town) site(ctx context.Context, n int, binary string) (*replica, error) {
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	r := &replica{s: t.s, number: n, address: fmt.Sprintf("127.0.0.1:%d", port), binary: binary, dir: filepath.Join(t.dir, fmt.Sprintf("replica-%d", n)), calm: true}
	if err := os.MkdirAll(filepath.Join(r.dir, "data"), 0o700); err != nil {
		return nil, err
	}
	r.client, err = client.New("http://"+r.address, secret.New(apiKey), client.WithHTTPClient(&http.Client{Transport: t.http}))
	return r, err
}

// storage is the section of a replica's configuration, with its own way to the database.
func (t *town) storage(ctx context.Context, r *replica) (string, error) {
	if t.postgres == nil {
		return "{}", nil
	}
	u, err := url.Parse(t.postgres.URL("postgres"))
	if err != nil {
		return "", err
	}
	if r.database, err = newRelay(ctx, u.Host); err != nil {
		return "", err
	}
	u.Host = r.database.address()
	return fmt.Sprintf("{postgres: {url: %q}}", u), nil
}

func (t *town) awaitHealth(ctx context.Context) error {
	for _, r := range t.replicas {
		if err := r.awaitHealth(ctx, t.http); err != nil {
			return err
		}
	}
	return nil
}

// renew stops all processes in order and waits for those that take their places.
func (t *town) renew(ctx context.Context, calm bool) error {
	for _, r := range t.replicas {
		if err := r.renew(ctx, calm); err != nil {
			return err
		}
	}
	return t.awaitHealth(ctx)
}

func (t *town) close() error {
	var errs []error
	if t.provider != nil {
		t.provider.Heal()
	}
	if t.end != nil {
		t.end()
		t.supervision.Wait()
		errs = append(errs, t.trouble)
	}
	t.http.CloseIdleConnections()
	for _, r := range t.replicas {
		if r.database != nil {
			errs = append(errs, r.database.close())
		}
	}
	if t.provider != nil {
		errs = append(errs, t.provider.close())
	}
	if t.postgres != nil {
		errs = append(errs, t.postgres.Stop())
	}
	return errors.Join(errs...)
}

// freePort is one below those that the system gives to outgoing connections, which would take it while
// no process of its replica runs.
func freePort(ctx context.Context) (int, error) {
	for {
		port := 10000 + rand.IntN(5000)
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return port, l.Close()
		}
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
	}
}
