package httpapi_test

import (
	"context"
	"strconv"
	"sync"
	"testing"

	"github.com/keybearer/keybearer"
)

// tryProxied goes through the routes of proxies with a success and a refusal.
func (l *lab) tryProxied() {
	l.t.Helper()
	l.do("GET", "/v1/auth/routes?user_id=bot", "").want(200, "")
	l.do("GET", "/v1/auth/routes", "").want(400, "bad_request")
	l.do("PUT", "/v1/auth/default_connection", `{"user_id":"bot","provider_id":"hooli","connection":""}`).want(204, "")
	l.do("PUT", "/v1/auth/default_connection", `{"user_id":"bot","provider_id":"hooli","connection":"no such"}`).want(400, "bad_request")
	l.do("PUT", "/v1/auth/default_connection", `{"user_id":"bot","provider_id":"hooli","connection":"other"}`).want(404, "not_found")
	l.do("POST", "/v1/auth/injections", `{"items":[{"time":"2026-11-28T12:00:00Z","user_id":"bot","provider_id":"hooli","method":"GET","host":"api.example.com","path":"/x","status":200,"sent":0,"received":2,"outcome":"ok"}]}`).want(204, "")
	l.do("POST", "/v1/auth/injections", `{"items":7}`).want(400, "")
	l.do("GET", "/v1/admin/events?action=inject&since=2026-11-28T11:00:00Z", "").want(200, "")
	l.do("GET", "/v1/admin/events?since=yesterday", "").want(400, "bad_request")
}

func TestWhatAProxyDidIsInTheAudit(t *testing.T) {
	kept := &keptEvents{}
	l := newLab(t, options{broker: func(c *keybearer.Config) { c.Recorder, c.Events = kept, kept }})
	l.connect("alice")
	l.do("POST", "/v1/auth/injections", `{"items":[{"time":"2026-11-28T12:00:00Z","run":"review","user_id":"alice","provider_id":"hooli","method":"GET","host":"api.example.com","path":"/x?code=1","status":200,"sent":1,"received":2,"outcome":"ok"}]}`).want(204, "")
	line := l.do("GET", "/v1/admin/events?action=inject&user_id=alice&provider_id=hooli", "").want(200, "")
	for path, want := range map[string]string{"run": "review", "method": "GET", "host": "api.example.com", "path": "/x"} {
		if got := line.str("items", 0, "request", path); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
	l.do("GET", "/v1/admin/events", "", "Authorization", appKey).want(403, "permission_denied")
}

// keptEvents keeps the audit in memory.
type keptEvents struct {
	mu    sync.Mutex
	lines []keybearer.RecordedEvent
}

func (k *keptEvents) Record(_ context.Context, e keybearer.Event) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lines = append(k.lines, keybearer.RecordedEvent{ID: strconv.Itoa(len(k.lines)), Event: e, Times: 1})
}

func (k *keptEvents) Events(_ context.Context, f keybearer.EventFilter) (found []keybearer.RecordedEvent, _ error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, e := range k.lines {
		if (f.Action == "" || f.Action == e.Action) && (f.User == "" || f.User == e.User) && !e.Time.Before(f.Since) {
			found = append(found, e)
		}
	}
	return found, nil
}
