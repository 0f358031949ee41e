package interop_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTheAppsOwnVerifierDecidesWhoConsented: after the consent the browser comes to
// the app's route with the flow's id and nothing else; only the app's word on who is
// at the browser completes the authorization, and the wrong word does not.
func TestTheAppsOwnVerifierDecidesWhoConsented(t *testing.T) {
	t.Parallel()
	withEachClient(t, func(t *testing.T, c published) {
		app := startVerifier(t)
		h := startHooli(t, oidcOptions{}, engineOptions{verifierURL: app.URL + "/verify?tenant=7"})
		d := c.drive(t, h.engine.URL, h.engine.Key)

		var asked authorization
		d.succeeds(t, d.with("auth.authorize", map[string]any{
			"auth_requirement": map[string]any{"id": "hooli", "oauth2": map[string]any{"scopes": []string{"scope1"}}},
			"user_id":          appUser,
			"next_uri":         app.URL + "/done",
		}), &asked)
		last := newPerson(t, "gavin").consents(t, asked.URL)
		if got := last.url.Path; got != "/verify" {
			t.Fatalf("the person ends on %s, want the verifier", last.url)
		}
		if got, want := parametersOf(last.url), []string{"flow_id", "tenant"}; !cmp.Equal(got, want) {
			t.Errorf("the verifier is called with %v, want %v", got, want)
		}
		flow := last.url.Query().Get("flow_id")
		if flow == "" || strings.Contains(asked.URL, flow) || flow == asked.ID {
			t.Errorf("flow_id %q must be new to whoever started the flow (%s, %s)", flow, asked.ID, asked.URL)
		}

		wrong := d.raises(t, d.with(c.calls.confirmUser, map[string]any{"flow_id": flow, "user_id": "mallory@app.example"}))
		if wrong.Class != "BadRequestError" || wrong.name() != "user_mismatch" || wrong.Body["error"] != "user_mismatch" {
			t.Errorf("confirm by another user: got %s %v, want BadRequestError user_mismatch", wrong.Class, wrong.Body)
		}
		var still authorization
		d.succeeds(t, d.with("auth.status", map[string]any{"id": asked.ID}), &still)
		if still.Status == "completed" || still.Context.Token != "" {
			t.Fatalf("after the wrong user: got %q (token: %t), want no token", still.Status, still.Context.Token != "")
		}

		var confirmed struct {
			AuthID  string `json:"auth_id"`
			NextURI string `json:"next_uri"`
		}
		d.succeeds(t, d.with(c.calls.confirmUser, map[string]any{"flow_id": flow, "user_id": appUser}), &confirmed)
		if confirmed.AuthID != asked.ID || confirmed.NextURI != app.URL+"/done" {
			t.Errorf("confirm: got %+v, want auth_id %s and the caller's next_uri", confirmed, asked.ID)
		}
		var done authorization
		d.succeeds(t, d.with(c.calls.waitForCompletion, nil, confirmed.AuthID), &done)
		if got := whoHolds(t, h.oidc.UserinfoEndpoint, done.Context.Token)["sub"]; got != "gavin" {
			t.Errorf("the server says that the token belongs to %v, want gavin", got)
		}
	})
}

// TestConfirmingAnUnknownFlowIsNotFound covers a verifier that is called by hand.
func TestConfirmingAnUnknownFlowIsNotFound(t *testing.T) {
	t.Parallel()
	app := startVerifier(t)
	e := startEngine(t, engineOptions{verifierURL: app.URL + "/verify"})
	withEachClient(t, func(t *testing.T, c published) {
		d := c.drive(t, e.URL, e.Key)
		got := d.raises(t, d.with(c.calls.confirmUser, map[string]any{"flow_id": "af_there-is-none", "user_id": appUser}))
		if got.Class != "NotFoundError" || got.name() != "not_found" {
			t.Errorf("got %s %q, want NotFoundError not_found", got.Class, got.name())
		}
	})
}

// startVerifier is an app with a verifier route. The tests play the rest of the
// app: they read who is at the browser, and confirm.
func startVerifier(t *testing.T) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		_, _ = w.Write([]byte("the app's own page"))
	}))
	t.Cleanup(server.Close)
	return server
}

func parametersOf(u *url.URL) []string {
	var names []string
	for name := range u.Query() {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
