package httpapi_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAuthorizeUntilCompleted(t *testing.T) {
	l := newLab(t, options{})
	r := l.do("POST", "/v1/auth/authorize", authorizeBody("hooli", "alice@example.com", scopesOfAlice)).want(200, "")
	id := r.str("id")
	want := map[string]any{
		"id": id, "status": "pending", "url": l.url + "/start/" + id, "user_id": "alice@example.com",
		"provider_id": "hooli", "scopes": []any{"offline_access", "read:invoices"}, "context": map[string]any{},
	}
	if diff := cmp.Diff(want, r.decoded); diff != "" {
		t.Errorf("the pending authorization (-want +got):\n%s", diff)
	}
	if again := l.pending("alice@example.com"); again != id {
		t.Errorf("asking again gave %s, want the same authorization %s", again, id)
	}

	flow := l.consent(id)
	if got := l.do("GET", "/v1/auth/status?id="+id, "").want(200, "").str("status"); got != "pending" {
		t.Errorf("before the confirmation: got status %q, want pending", got)
	}
	confirmed := l.do("POST", "/v1/auth/confirm_user", `{"flow_id":"`+flow+`","user_id":"alice@example.com"}`).want(200, "")
	if diff := cmp.Diff(map[string]any{"auth_id": id}, confirmed.decoded); diff != "" {
		t.Errorf("the confirmation (-want +got):\n%s", diff)
	}

	for name, r := range map[string]reply{
		"status":          l.do("GET", "/v1/auth/status?id="+id, ""),
		"status and wait": l.do("GET", "/v1/auth/status?id="+id+"&wait=45", ""),
		"authorize":       l.do("POST", "/v1/auth/authorize", authorizeBody("hooli", "alice@example.com", scopesOfAlice)),
	} {
		r.want(200, "")
		if r.str("status") != "completed" || r.str("context", "token") == "" || r.str("context", "user_info", "name") != "Alice Adams" {
			t.Errorf("%s: got %s, want completed with token and user info", name, r.text)
		}
		if _, there := r.decoded["url"]; there {
			t.Errorf("%s: a completed authorization has a url: %s", name, r.text)
		}
		if _, there := r.decoded["failure"]; there {
			t.Errorf("%s: a completed authorization has a failure: %s", name, r.text)
		}
	}
}

func TestAuthorizeTakesNullForAbsent(t *testing.T) {
	l := newLab(t, options{})
	// The shape that tool servers send.
	r := l.do("POST", "/v1/auth/authorize", `{"auth_requirement":{"id":null,"provider_id":"hooli","provider_type":null,"oauth2":{"scopes":null}},"user_id":"alice","next_uri":null,"unknown":[1]}`).want(200, "")
	if diff := cmp.Diff([]any{}, r.at("scopes")); diff != "" {
		t.Errorf("scopes (-want +got):\n%s", diff)
	}
	l.do("POST", "/v1/auth/authorize", `{"auth_requirement":{"id":"hooli","provider_id":null,"oauth2":null},"user_id":"bob"}`).want(200, "")
}

func TestAuthorizeRefusals(t *testing.T) {
	l := newLab(t, options{})
	for name, c := range map[string]struct {
		body   string
		status int
		name   string
		says   string
	}{
		"no body":          {"", 400, "bad_request", "user_id"},
		"null":             {"null", 400, "bad_request", "user_id"},
		"no requirement":   {`{"user_id":"alice"}`, 400, "bad_request", "auth_requirement"},
		"no user":          {`{"auth_requirement":{"provider_id":"hooli"}}`, 400, "bad_request", "user_id"},
		"unknown provider": {authorizeBody("pied-piper", "alice", "[]"), 400, "provider_not_found", "hooli"},
		"other type":       {`{"auth_requirement":{"provider_id":"hooli","provider_type":"saml"},"user_id":"alice"}`, 400, "bad_request", "oauth2"},
		"bad next_uri":     {`{"auth_requirement":{"provider_id":"hooli"},"user_id":"alice","next_uri":"javascript:alert(1)"}`, 400, "bad_request", "next_uri"},
	} {
		t.Run(name, func(t *testing.T) {
			r := l.do("POST", "/v1/auth/authorize", c.body).want(c.status, c.name)
			if got := r.str("message"); !strings.Contains(got, c.says) {
				t.Errorf("got message %q, want it to mention %q", got, c.says)
			}
		})
	}
}

func TestConfirmByAnotherUserIsAMismatch(t *testing.T) {
	l := newLab(t, options{})
	id := l.pending("alice")
	body := `{"flow_id":"` + l.consent(id) + `","user_id":"mallory"}`
	for _, path := range []string{"/v1/auth/confirm_user", "/api/v1/oauth/confirm_user"} {
		r := l.do("POST", path, body).want(400, "user_mismatch")
		if r.str("error") != "user_mismatch" || r.at("code") != 400.0 || r.str("msg") == "" || r.str("msg") != r.str("message") {
			t.Errorf("%s: got %s, want both forms of the error", path, r.text)
		}
	}
	if got := l.do("GET", "/v1/auth/status?id="+id, "").str("status"); got != "pending" {
		t.Errorf("got status %q after a mismatch, want pending", got)
	}
	l.do("POST", "/v1/auth/confirm_user", `{"flow_id":"af_unknown","user_id":"alice"}`).want(404, "not_found")
	l.do("POST", "/v1/auth/confirm_user", `{"user_id":"alice"}`).want(400, "bad_request")
}

func TestLegacyConfirmationIsWrapped(t *testing.T) {
	l := newLab(t, options{})
	id := l.pending("alice")
	r := l.do("POST", "/api/v1/oauth/confirm_user", `{"flow_id":"`+l.consent(id)+`","user_id":"alice"}`).want(200, "")
	if r.at("code") != 200.0 || r.str("data", "auth_id") != id {
		t.Errorf("got %s, want code 200 and data.auth_id %s", r.text, id)
	}
	// Errors of this route come in both forms, whatever they are.
	r = l.do("POST", "/api/v1/oauth/confirm_user", `{"flow_id":"af_unknown","user_id":"alice"}`).want(404, "not_found")
	if r.at("code") != 404.0 || r.str("error") != "not_found" {
		t.Errorf("got %s, want both forms of the error", r.text)
	}
}

func TestValidateCustomVerifier(t *testing.T) {
	l := newLab(t, options{})
	r := l.do("POST", "/v1/auth/validate_custom_verifier", `{"user_id":"alice","verifier_url":"`+verifierURL+`"}`).want(200, "")
	flow := r.str("flow_id")
	if got, want := r.str("next_uri"), "https://app.example.com/verify?flow_id="+flow+"&tenant=7"; got != want {
		t.Errorf("got next_uri %q, want %q", got, want)
	}
	if !strings.Contains(r.text, "&tenant=7") { // people copy it out of a terminal
		t.Errorf("the URL is not readable in %s", r.text)
	}
	confirmed := l.do("POST", "/v1/auth/confirm_user", `{"flow_id":"`+flow+`","user_id":"alice"}`).want(200, "")
	if got := l.do("GET", "/v1/auth/status?id="+confirmed.str("auth_id"), "").want(200, "").str("status"); got != "completed" {
		t.Errorf("got status %q, want completed", got)
	}
	l.do("POST", "/v1/auth/validate_custom_verifier", `{"user_id":"alice"}`).want(400, "bad_request")
	l.do("POST", "/v1/auth/validate_custom_verifier", `{"user_id":"alice","verifier_url":"ftp://example.com"}`).want(400, "bad_request")
}

func TestFailedAuthorization(t *testing.T) {
	l := newLab(t, options{})
	id := l.pending("alice")
	l.provider.Decline()
	if _, err := l.browse(id); err == nil {
		t.Fatal("the callback of somebody who declined succeeded")
	}
	r := l.do("GET", "/v1/auth/status?id="+id, "").want(200, "")
	if r.str("status") != "failed" || r.str("failure", "name") != "authorization_failed" || !strings.Contains(r.str("failure", "message"), "declined") {
		t.Errorf("got %s, want failed with the reason", r.text)
	}
	r = l.do("GET", "/v1/auth/status?id="+id+"&wait=45", "").want(400, "authorization_failed")
	if got := r.header.Get("x-should-retry"); got != "false" {
		t.Errorf("got x-should-retry %q, want false", got)
	}
	if !strings.Contains(r.str("message"), "declined") {
		t.Errorf("got message %q, want the reason in it", r.str("message"))
	}
}

func TestExpiredAuthorization(t *testing.T) {
	l := newLab(t, options{})
	id := l.pending("alice")
	l.clock.move(61 * 60 * 1e9)
	if got := l.do("GET", "/v1/auth/status?id="+id, "").want(200, "").str("failure", "name"); got != "authorization_expired" {
		t.Errorf("got failure %q, want authorization_expired", got)
	}
	l.do("GET", "/v1/auth/status?id="+id+"&wait=1", "").want(400, "authorization_expired")
}

func TestUnknownAndForeignIDsAreAnsweredAlike(t *testing.T) {
	l := newLab(t, options{})
	id := l.connect("alice")
	key := l.do("POST", "/v1/admin/api_keys", `{"name":"bobs","users":"bob*"}`).want(201, "").str("key")
	foreign := l.do("GET", "/v1/auth/status?id="+id, "", "Authorization", key).want(404, "not_found")
	unknown := l.do("GET", "/v1/auth/status?id=ac_unknown", "", "Authorization", key).want(404, "not_found")
	got := strings.ReplaceAll(foreign.str("message"), id, "ac_unknown")
	if got != unknown.str("message") {
		t.Errorf("got %q for what is foreign and %q for what is unknown, want the same", got, unknown.str("message"))
	}
	l.do("POST", "/v1/auth/authorize", authorizeBody("hooli", "alice", "[]"), "Authorization", key).want(403, "permission_denied")
}
