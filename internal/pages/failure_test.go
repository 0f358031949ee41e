package pages_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
)

// brokenFlows is a store that fails.
type brokenFlows struct {
	keybearer.FlowStore
	err error
}

func (s *brokenFlows) Flow(ctx context.Context, project keybearer.ProjectID, id keybearer.AuthorizationID) (keybearer.Flow, error) {
	if s.err != nil {
		return keybearer.Flow{}, s.err
	}
	return s.FlowStore.Flow(ctx, project, id)
}

func TestEveryKindOfFailureHasAPage(t *testing.T) {
	store := &brokenFlows{FlowStore: keybearer.NewMemory()}
	l := newLab(t, options{config: func(c *keybearer.Config) { c.Flows = store }})
	a := l.authorize("")
	titles := map[string]keybearer.Kind{}
	for _, kind := range []keybearer.Kind{
		keybearer.BadRequest, keybearer.Unauthenticated, keybearer.PermissionDenied, keybearer.Conflict, keybearer.TooLarge,
		keybearer.RateLimited, keybearer.ProviderNotFound, keybearer.ProviderInactive, keybearer.AuthorizationFailed,
		keybearer.AuthorizationEnded, keybearer.UserMismatch, keybearer.ProviderRefused, keybearer.ProviderAway, keybearer.Unavailable,
		keybearer.Internal,
	} {
		t.Run(string(kind), func(t *testing.T) {
			failure := keybearer.Errorf(kind, "because of <b>this</b>")
			failure.RetryAfter = 1500 * time.Millisecond
			store.err = failure
			got := newBrowser(t).get(a.URL)
			expect(t, got, kind.HTTPStatus(), "What to do", "<h1>", "Reference <code>")
			if shown := strings.Contains(got.body, "Because of &lt;b&gt;this&lt;/b&gt;."); shown != (kind != keybearer.Internal && kind != keybearer.Unavailable) {
				t.Errorf("the reason is shown: %v, want it shown for all but what is for the operator:\n%s", shown, got.body)
			}
			if strings.Contains(got.body, "<b>this") {
				t.Error("the reason is not escaped")
			}
			if after := got.Header.Get("Retry-After"); after != "2" {
				t.Errorf("got Retry-After %q, want 2, rounded up", after)
			}
			title := between(t, got.body, "<title>", "</title>")
			if other, taken := titles[title]; taken {
				t.Errorf("%q is the title for %s, too", title, other)
			}
			titles[title] = kind

			line := logLine(t, l, between(t, got.body, "Reference <code>", "<"))
			if line["kind"] != string(kind) || line["path"] != "/start/{id}" || line["error"] != "because of <b>this</b>" || line["status"] != float64(kind.HTTPStatus()) {
				t.Errorf("got the log line %v, want the kind, the path's pattern, the error and the status", line)
			}
		})
	}
}

func logLine(t *testing.T, l *lab, reference string) map[string]any {
	t.Helper()
	for text := range strings.Lines(l.log.String()) {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatal(err)
		}
		if line["reference"] == reference {
			return line
		}
	}
	t.Fatalf("no log line has the reference %q:\n%s", reference, l.log.String())
	return nil
}

func TestFailureWithoutAKindTellsNothing(t *testing.T) {
	store := &brokenFlows{FlowStore: keybearer.NewMemory()}
	l := newLab(t, options{config: func(c *keybearer.Config) { c.Flows = store }})
	a := l.authorize("")
	store.err = errors.New("dial tcp 10.1.2.3:5432: connection refused")
	got := newBrowser(t).get(a.URL)
	expect(t, got, http.StatusInternalServerError, "Something went wrong here")
	if strings.Contains(got.body, "10.1.2.3") {
		t.Errorf("the page tells of the inside:\n%s", got.body)
	}
	if line := logLine(t, l, between(t, got.body, "Reference <code>", "<")); line["level"] != "ERROR" {
		t.Errorf("got level %v, want ERROR", line["level"])
	}
}

// A database that is locked for a moment spoils nothing: the same page works a moment later.
func TestStorageIsAwayForAMoment(t *testing.T) {
	store := &brokenFlows{FlowStore: keybearer.NewMemory()}
	l := newLab(t, options{verify: skipVerification(), config: func(c *keybearer.Config) { c.Flows = store }})
	a := l.authorize("")
	b := newBrowser(t)
	b.get(a.URL)
	store.err = keybearer.Errorf(keybearer.Unavailable, "the database /var/lib/keys is locked")
	got := b.post(a.URL, nil)
	expect(t, got, 503, "Not available at the moment", "try again")
	if strings.Contains(got.body, "/var/lib") {
		t.Errorf("the page tells where the database is:\n%s", got.body)
	}
	store.err = nil
	if to := b.get(b.consent(l, a)).location(t); to != "/success" {
		t.Errorf("got %s, want /success", to)
	}
}
