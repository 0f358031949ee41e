package httpapi_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
)

// watched tells when a waiting request has looked at its flow, and so begins to wait.
type watched struct {
	*keybearer.Memory
	looked chan struct{}
}

func (w *watched) Flow(ctx context.Context, project keybearer.ProjectID, id keybearer.AuthorizationID) (keybearer.Flow, error) {
	f, err := w.Memory.Flow(ctx, project, id)
	select {
	case w.looked <- struct{}{}:
	default:
	}
	return f, err
}

func newWaitingLab(t *testing.T, o options) (*lab, *watched) {
	t.Helper()
	w := &watched{Memory: keybearer.NewMemory(), looked: make(chan struct{}, 1)}
	o.broker = func(cfg *keybearer.Config) { cfg.Flows = w }
	return newLab(t, o), w
}

// waiting sends a long poll and returns once it waits. The channel gives its answer.
func (l *lab) waiting(w *watched, ctx context.Context, id string) <-chan *http.Response {
	l.t.Helper()
	select {
	case <-w.looked: // what came before
	default:
	}
	answers := make(chan *http.Response, 1)
	go func() {
		defer close(answers)
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, l.url+"/v1/auth/status?id="+id+"&wait=59", nil)
		if err != nil {
			l.t.Error(err)
			return
		}
		r.Header.Set("Authorization", adminKey)
		resp, err := l.server.Client().Do(r)
		switch {
		case err == nil:
			answers <- resp
		case ctx.Err() == nil:
			l.t.Error(err)
		}
	}()
	<-w.looked
	return answers
}

func TestLongPollWakesAtOnce(t *testing.T) {
	l, w := newWaitingLab(t, options{})
	id := l.pending("alice")
	flow := l.consent(id)
	answers := l.waiting(w, t.Context(), id)
	began := time.Now()
	l.do("POST", "/v1/auth/confirm_user", `{"flow_id":"`+flow+`","user_id":"alice"}`).want(200, "")
	r := l.read("GET", "/v1/auth/status", <-answers).want(200, "")
	if r.str("status") != "completed" || r.str("context", "token") == "" {
		t.Errorf("got %s, want completed with a token", r.text)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the long poll ended after %s, want at once", took)
	}
}

func TestLongPollEndsWhenTheAuthorizationFails(t *testing.T) {
	l, w := newWaitingLab(t, options{})
	id := l.pending("alice")
	answers := l.waiting(w, t.Context(), id)
	l.provider.Decline()
	if _, err := l.browse(id); err == nil {
		t.Fatal("the callback of somebody who declined succeeded")
	}
	l.read("GET", "/v1/auth/status", <-answers).want(400, "authorization_failed")
}

func TestLongPollEndsWithTheServer(t *testing.T) {
	l, w := newWaitingLab(t, options{})
	id := l.pending("alice")
	answers := l.waiting(w, t.Context(), id)
	l.broker.Drain()
	if got := l.read("GET", "/v1/auth/status", <-answers).want(200, "").str("status"); got != "pending" {
		t.Errorf("got status %q, want pending", got)
	}
}

func TestLongPollEndsWithTheClient(t *testing.T) {
	ended := make(chan struct{}, 10)
	l, w := newWaitingLab(t, options{behind: func(door http.Handler) http.Handler {
		return http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
			door.ServeHTTP(out, r)
			if r.URL.Query().Has("wait") {
				ended <- struct{}{}
			}
		})
	}})
	id := l.pending("alice")
	ctx, hangUp := context.WithCancel(t.Context())
	answers := l.waiting(w, ctx, id)
	hangUp()
	<-ended
	<-answers
}

// The reference configuration has a read timeout of 30 s and a write timeout of 60 s.
func TestLongPollOutlivesTheServersTimeouts(t *testing.T) {
	l := newLab(t, options{server: func(s *http.Server) {
		s.ReadTimeout, s.WriteTimeout = 100*time.Millisecond, 100*time.Millisecond
	}})
	id := l.pending("alice")
	if got := l.do("GET", "/v1/auth/status?id="+id+"&wait=1", "").want(200, "").str("status"); got != "pending" {
		t.Errorf("got status %q, want pending", got)
	}
}

func TestWaitIsClamped(t *testing.T) {
	l := newLab(t, options{})
	id := l.pending("alice")
	l.broker.Drain() // so that nothing really waits
	for _, c := range []struct {
		wait string
		most time.Duration // of the write deadline; 0: none is set
	}{
		{"1", 20 * time.Second},
		{"59", 80 * time.Second},
		{"60", 80 * time.Second},
		{"100000", 80 * time.Second},
		{"99999999999999999999", 80 * time.Second},
		{"0", 0},
		{"", 0},
		{"-5", 0},
		{"-99999999999999999999", 0},
	} {
		w := &timed{ResponseRecorder: httptest.NewRecorder()}
		r := httptest.NewRequest("GET", "/v1/auth/status?id="+id+"&wait="+c.wait, nil)
		r.Header.Set("Authorization", adminKey)
		began := time.Now()
		l.server.Config.Handler.ServeHTTP(w, r)
		if w.Code != 200 {
			t.Errorf("wait=%s: got status %d, want 200: %s", c.wait, w.Code, w.Body)
		}
		if c.most == 0 {
			if !w.deadline.IsZero() {
				t.Errorf("wait=%s: a deadline was moved for an answer at once", c.wait)
			}
			continue
		}
		if w.deadline.Before(began) || w.deadline.After(time.Now().Add(c.most)) {
			t.Errorf("wait=%s: the answer may take until %s from now, want at most %s", c.wait, w.deadline.Sub(began), c.most)
		}
	}
	for _, wait := range []string{"soon", "1.5", "10s", "1e1"} {
		l.do("GET", "/v1/auth/status?id="+id+"&wait="+wait, "").want(400, "bad_request")
	}
	l.do("GET", "/v1/auth/status", "").want(400, "bad_request")
	l.do("GET", "/v1/auth/status?id=%zz", "").want(400, "bad_request")
	l.do("GET", "/v1/auth/status?id=ac_unknown&wait=45", "").want(404, "not_found")
	l.do("GET", "/v1/auth/status?authorizationId="+id, "").want(200, "")
}

// timed is a recorder whose deadline can be moved.
type timed struct {
	*httptest.ResponseRecorder
	deadline time.Time
}

func (w *timed) SetReadDeadline(time.Time) error { return nil }

func (w *timed) SetWriteDeadline(at time.Time) error {
	w.deadline = at
	return nil
}
