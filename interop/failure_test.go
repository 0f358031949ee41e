package interop_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestWaitingEndsWithAnExceptionWhenThePersonDeclines: both clients ask for the
// status again and again until it is completed, so only an error can end them.
func TestWaitingEndsWithAnExceptionWhenThePersonDeclines(t *testing.T) {
	t.Parallel()
	withEachClient(t, func(t *testing.T, c published) {
		h := startHooli(t, oidcOptions{}, engineOptions{})
		rec := record(t, h.engine.URL, "")

		app := c.start(t, rec.URL, h.engine.Key, "hooli", appUser, "scope1")
		asked := app.next(t, "please_complete")
		last := newPerson(t, "gavin").declines(t, asked.URL)
		if last.url.Host != hostOf(t, h.engine.URL) || last.status == 200 {
			t.Errorf("the person ends on %s with %d, want an error page of the engine", last.url, last.status)
		}

		failed := app.next(t, "exception")
		wantFailure(t, failed.exception)
		wantFewStatusRequests(t, rec, 1)

		// Whoever asks later gets the same, at once and once.
		late := c.drive(t, rec.URL, h.engine.Key)
		wantFailure(t, late.raises(t, late.with(c.calls.waitForCompletion, nil, asked.ID)))
		wantFewStatusRequests(t, rec, 2)

		var now authorization
		late.succeeds(t, late.with("auth.status", map[string]any{"id": asked.ID}), &now)
		if now.Status != "failed" || now.Context.Token != "" {
			t.Errorf("status without wait: got %q (token: %t), want failed without one", now.Status, now.Context.Token != "")
		}
	})
}

// TestWaitingEndsWithAnExceptionWhenTheExchangeFails: the person did everything
// right, but the engine cannot redeem the code.
func TestWaitingEndsWithAnExceptionWhenTheExchangeFails(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		breaks func(t *testing.T, p *oidcProvider)
		says   string // what the exception must name
	}{
		{"wrong secret", func(_ *testing.T, p *oidcProvider) { p.clientSecret = nonce("wrong-secret") }, "invalid_client"},
		{"nobody at the token endpoint", func(t *testing.T, p *oidcProvider) {
			p.TokenEndpoint = fmt.Sprintf("http://127.0.0.1:%d/token", freePort(t))
		}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			withEachClient(t, func(t *testing.T, c published) {
				port := freePort(t)
				oidc := startOIDCProvider(t, oidcOptions{redirectURI: callback(port, "hooli")})
				test.breaks(t, oidc)
				e := startEngine(t, engineOptions{port: port, providers: []providerConfig{oidc.definition()}})
				rec := record(t, e.URL, "")

				app := c.start(t, rec.URL, e.Key, "hooli", appUser, "scope1")
				last := newPerson(t, "gavin").consents(t, app.next(t, "please_complete").URL)
				if last.status == http.StatusOK {
					t.Errorf("the person ends on a page with 200 although nothing was connected:\n%s", last.body)
				}
				if strings.Contains(last.body, oidc.clientSecret) {
					t.Error("the page shows the client secret")
				}

				failed := app.next(t, "exception")
				wantFailure(t, failed.exception)
				if !strings.Contains(failed.Text, test.says) {
					t.Errorf("the exception says %q, want the server's own reason, %s", failed.Text, test.says)
				}
				wantFewStatusRequests(t, rec, 1)
			})
		})
	}
}

// TestWaitingForWhatDoesNotExistEndsWithAnException covers ids that are mistyped or too old.
func TestWaitingForWhatDoesNotExistEndsWithAnException(t *testing.T) {
	t.Parallel()
	e := startEngine(t, engineOptions{})
	withEachClient(t, func(t *testing.T, c published) {
		rec := record(t, e.URL, "")
		d := c.drive(t, rec.URL, e.Key)
		got := d.raises(t, d.with(c.calls.waitForCompletion, nil, "ac_there-is-none"))
		if got.Class != "NotFoundError" || got.Code != 404 || got.name() != "not_found" {
			t.Errorf("got %s %d %q (%s), want NotFoundError 404 not_found", got.Class, got.Code, got.name(), got.Text)
		}
		wantFewStatusRequests(t, rec, 1)
	})
}

func wantFailure(t *testing.T, got exception) {
	t.Helper()
	if got.Class != "BadRequestError" || got.name() != "authorization_failed" {
		t.Errorf("got %s %q (%s), want BadRequestError authorization_failed", got.Class, got.name(), got.Text)
	}
	if message, _ := got.Body["message"].(string); message == "" {
		t.Error("the error has no message")
	}
}

// wantFewStatusRequests checks that a client has asked for the status so often and no more.
func wantFewStatusRequests(t *testing.T, rec *recorder, want int) {
	t.Helper()
	seen := rec.requests("/v1/auth/status")
	if len(seen) != want {
		t.Errorf("%d requests for the status, want %d: %v", len(seen), want, seen)
	}
	for _, r := range seen {
		if r.status == http.StatusBadRequest && r.shouldRetry != "false" {
			t.Errorf("x-should-retry on %d: got %q, want false", r.status, r.shouldRetry)
		}
	}
}
