package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/engine"
	"github.com/keybearer/keybearer/internal/postgrestest"
)

// ownServer is a PostgreSQL that a test may halt.
func ownServer(t *testing.T) *postgrestest.Server {
	t.Helper()
	s := must[*postgrestest.Server](t)(postgrestest.Start(t.Context()))
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// get asks once, as the client does not, and gives the status and how long it took.
func (r *replica) get(t *testing.T, path string) (int, string, time.Duration) {
	t.Helper()
	req := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), http.MethodGet, r.address+path, http.NoBody))
	req.Header.Set("Authorization", "Bearer "+testKey)
	began := time.Now()
	resp := must[*http.Response](t)((&http.Client{Transport: transport(t)}).Do(req))
	took := time.Since(began)
	text := must[[]byte](t)(io.ReadAll(resp.Body))
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text), took
}

func TestPostgresAwayInTheMiddle(t *testing.T) {
	l, server := newLab(t), ownServer(t)
	storage := storedAt(server.URL("postgres"))
	first, second := l.replica(t, storage), l.replica(t, storage)
	a := must[keybearer.Authorization](t)(first.Authorize(t.Context(), ask("alice")))
	l.consent(t, a.URL, first, second)
	status := "/v1/auth/status?id=" + string(a.ID)
	if code, text, _ := first.get(t, status); code != http.StatusOK {
		t.Fatalf("got %d: %s, want the token", code, text)
	}
	if err := server.Halt(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/v1/health", status, status + "&wait=30"} {
		code, text, took := first.get(t, path)
		if code != http.StatusServiceUnavailable || took > 5*time.Second {
			t.Errorf("%s: got %d after %v while the database is away, want 503 soon: %s", path, code, took, text)
		}
		if strings.Contains(text, server.Address()) {
			t.Errorf("%s: got %s, want nothing about the server", path, text)
		}
	}
	until(t, "the engine to notice that it hears nothing", func() bool { return first.logged("not heard") && second.logged("not heard") })
	if err := server.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, r := range []*replica{first, second} {
		until(t, "the engine to be healthy again", func() bool {
			code, _, _ := r.get(t, "/v1/health")
			return code == http.StatusOK
		})
		if code, text, _ := r.get(t, status); code != http.StatusOK || !strings.Contains(text, `"completed"`) {
			t.Errorf("got %d: %s after the database came back, want the token", code, text)
		}
		until(t, "the engine to hear news again", func() bool { return r.logged("heard again") })
	}
	b := must[keybearer.Authorization](t)(second.Authorize(t.Context(), ask("bob")))
	l.consent(t, b.URL, first, second)
	if got := must[keybearer.Authorization](t)(first.Status(t.Context(), b.ID)); got.Status != keybearer.AuthorizationCompleted {
		t.Errorf("got %s for an authorization after the database came back, want completed", got.Status)
	}
}

func TestPostgresAwayAtStart(t *testing.T) {
	l, server := newLab(t), ownServer(t)
	if err := server.Halt(); err != nil {
		t.Fatal(err)
	}
	o, log, _ := l.prepare(t, storedAt(server.URL("postgres")))
	soon, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := engine.Start(soon, o)
	if !errors.Is(err, keybearer.Unavailable) || !strings.Contains(fmt.Sprint(err), "check that the server runs") {
		t.Errorf("got %v, want it to say what to do", err)
	}

	type start struct {
		e   *engine.Engine
		err error
	}
	started := make(chan start, 1)
	go func() {
		e, err := engine.Start(t.Context(), o)
		started <- start{e, err}
	}()
	until(t, "the engine to tell that it waits", func() bool { return strings.Count(log.String(), "cannot be used yet") == 2 })
	if err := server.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := <-started
	if s.err != nil {
		t.Fatalf("got %v, want it to start when the database is there", s.err)
	}
	stop(t, s.e)
}
