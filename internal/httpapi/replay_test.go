package httpapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
)

func TestIdempotencyKeyReplaysTheFirstAnswer(t *testing.T) {
	l := newLab(t, options{})
	body := full(l.provider.URL)
	first := l.do("POST", "/v1/admin/auth_providers", body, "Idempotency-Key", "stainless-node-retry-1").want(201, "")
	again := l.do("POST", "/v1/admin/auth_providers", body, "Idempotency-Key", "stainless-node-retry-1").want(201, "")
	if first.text != again.text {
		t.Errorf("got %s again, want %s", again.text, first.text)
	}
	if first.header.Get("Idempotent-Replayed") != "" || again.header.Get("Idempotent-Replayed") != "true" {
		t.Error("want the second answer, and only it, marked as replayed")
	}
	l.do("POST", "/v1/admin/auth_providers", body, "Idempotency-Key", "another").want(409, "conflict")
	r := l.do("POST", "/v1/admin/auth_providers", `{"id":"x"}`, "Idempotency-Key", "stainless-node-retry-1").want(409, "conflict")
	if r.header.Get("x-should-retry") != "false" || !strings.Contains(r.str("message"), "Idempotency-Key") {
		t.Errorf("got %s, want it to be about the Idempotency-Key and final", r.text)
	}
	l.do("POST", "/v1/admin/auth_providers", body, "Idempotency-Key", strings.Repeat("k", 256)).want(400, "bad_request")

	// The same key of another caller, or of another route, is another key.
	l.do("POST", "/v1/admin/auth_providers", body, "Idempotency-Key", "stainless-node-retry-1", "Authorization", appKey).want(403, "permission_denied")
	l.do("POST", "/v1/auth/authorize", authorizeBody("hooli", "alice", "[]"), "Idempotency-Key", "stainless-node-retry-1").want(200, "")

	// And it ends.
	l.do("DELETE", "/v1/admin/auth_providers/my-hooli", "").want(200, "")
	l.clock.move(10*time.Minute - time.Second)
	l.do("POST", "/v1/admin/auth_providers", body, "Idempotency-Key", "stainless-node-retry-1").want(201, "")
	l.do("GET", "/v1/admin/auth_providers/my-hooli", "").want(404, "not_found")
	l.clock.move(time.Second)
	l.do("POST", "/v1/admin/auth_providers", body, "Idempotency-Key", "stainless-node-retry-1").want(201, "")
	l.do("GET", "/v1/admin/auth_providers/my-hooli", "").want(200, "")
}

func TestRefusalsAndTokensAreNotReplayed(t *testing.T) {
	l := newLab(t, options{})
	body := authorizeBody("hooli", "alice", scopesOfAlice)
	l.do("POST", "/v1/auth/authorize", authorizeBody("other", "alice", "[]"), "Idempotency-Key", "k1").want(400, "provider_not_found")
	l.do("POST", "/v1/auth/authorize", body, "Idempotency-Key", "k1").want(200, "")

	l.connect("alice")
	if got := l.do("POST", "/v1/auth/authorize", body, "Idempotency-Key", "k2").want(200, "").str("status"); got != "completed" {
		t.Fatalf("got status %q, want completed", got)
	}
	page := l.do("GET", "/v1/admin/user_connections", "").want(200, "")
	l.do("DELETE", "/v1/admin/user_connections/"+page.str("items", 0, "id"), "").want(204, "")
	// The grant has gone: a remembered token would be a stolen one.
	if got := l.do("POST", "/v1/auth/authorize", body, "Idempotency-Key", "k2").want(200, "").str("status"); got != "pending" {
		t.Errorf("got status %q, want pending", got)
	}
}

// Clients repeat a request that takes too long while the engine still works on it.
func TestRepeatedRequestWaitsForTheFirst(t *testing.T) {
	l := newLab(t, options{})
	const at = 20
	ids := make([]string, at)
	var all sync.WaitGroup
	for i := range at {
		all.Go(func() {
			ids[i] = l.do("POST", "/v1/admin/api_keys", `{"name":"ci"}`, "Idempotency-Key", "once").want(201, "").str("id")
		})
	}
	all.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("got keys %s and %s, want one", id, ids[0])
		}
	}
	if got := l.do("GET", "/v1/admin/api_keys", "").at("total_count"); got != 3.0 {
		t.Errorf("got %v keys, want three", got)
	}
}

func TestPanicUnderAnIdempotencyKeyLocksNobodyOut(t *testing.T) {
	store := &broken{Memory: keybearer.NewMemory(), panics: "boom"}
	l := newLab(t, options{broker: func(cfg *keybearer.Config) { cfg.Connections = store }})
	body := authorizeBody("hooli", "alice", "[]")
	l.do("POST", "/v1/auth/authorize", body, "Idempotency-Key", "k").want(500, "internal_error")
	store.panics, store.err = nil, keybearer.NotFound
	l.do("POST", "/v1/auth/authorize", body, "Idempotency-Key", "k").want(200, "")
}

// However many keys come, the memory of them is bounded: the oldest are forgotten.
func TestReplaysAreBounded(t *testing.T) {
	l := newLab(t, options{})
	first := l.do("POST", "/v1/admin/api_keys", `{"name":"ci"}`, "Idempotency-Key", "first").want(201, "").str("id")
	for i := range 4096 {
		r, err := http.NewRequestWithContext(t.Context(), "POST", "/v1/auth/authorize", strings.NewReader(authorizeBody("hooli", "alice", "[]")))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", adminKey)
		r.Header.Set("Idempotency-Key", fmt.Sprint("key-", i))
		l.server.Config.Handler.ServeHTTP(&discard{header: http.Header{}}, r)
	}
	if again := l.do("POST", "/v1/admin/api_keys", `{"name":"ci"}`, "Idempotency-Key", "first").want(201, "").str("id"); again == first {
		t.Error("the oldest answer is remembered beyond the bound")
	}
}

// discard is a response that nobody reads.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}
