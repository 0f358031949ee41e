package oauth_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/secret"
)

func refusal(code, description string) string {
	return `{"error":"` + code + `","error_description":"` + description + `"}`
}

// Dialects of a dead grant, and what only looks like one.
func TestRefusedRefreshes(t *testing.T) {
	for _, c := range []struct {
		status int
		answer string
		want   oauth.Class
	}{
		{400, refusal("invalid_grant", ""), oauth.Reconsent},
		{401, refusal("invalid_grant", ""), oauth.Reconsent},
		{403, refusal("invalid_grant", "Unknown or invalid refresh token."), oauth.Reconsent},                                         // Atlassian, documented
		{403, refusal("unauthorized_client", "refresh_token is invalid"), oauth.Reconsent},                                            // Atlassian, measured
		{400, refusal("invalid_request", "Refresh token is invalid or has already been claimed by another client."), oauth.Reconsent}, // dex
		{400, refusal("invalid_request", "Invalid refresh_token"), oauth.Reconsent},                                                   // Bitbucket
		{400, "", oauth.Reconsent}, // Glewlwyd
		{400, "error=bad_refresh_token&error_description=x", oauth.Reconsent}, // GitHub
		{200, `{"ok":false,"error":"token_revoked"}`, oauth.Reconsent},        // Slack
		{401, `{"error":{"code":"invalid_grant","message":"x"}}`, oauth.Reconsent},
		{403, refusal("unauthorized_client", "Grant type 'refresh_token' not allowed for the client."), oauth.Misconfigured}, // Auth0
		{400, refusal("invalid_request", "refresh_token is missing"), oauth.Misconfigured},
		{400, refusal("unauthorized_client", ""), oauth.Misconfigured},
		{400, refusal("invalid_request", "client_id is invalid"), oauth.Misconfigured},
		{401, refusal("invalid_client", "refresh token is invalid"), oauth.Misconfigured},
		{401, refusal("access_denied", "Unauthorized"), oauth.Misconfigured}, // Atlassian's wrong secret
		{401, "", oauth.Misconfigured},
		{404, "<html>", oauth.Misconfigured},
		{400, "<html>", oauth.Misconfigured},
		{400, strings.Repeat(" ", 2<<20), oauth.Misconfigured}, // larger than what is read is not empty
		{500, refusal("invalid_grant", ""), oauth.Transient},
		{429, refusal("invalid_grant", ""), oauth.Transient},
		{408, "", oauth.Transient},
		{400, refusal("temporarily_unavailable", ""), oauth.Transient},
		{503, strings.Repeat("x", 2<<20), oauth.Transient},
	} {
		d := newDesk(t, c.answer)
		d.Status = c.status
		_, err := d.refresh(t, d.client())
		var e *oauth.Error
		if !errors.As(err, &e) || e.Class != c.want || e.Status != c.status || e.Advice == "" {
			t.Errorf("%d %.80s: got %v, want %s and an advice", c.status, c.answer, err, c.want)
		}
	}
}

func TestRefusedExchanges(t *testing.T) {
	for _, c := range []struct {
		status int
		answer string
		want   oauth.Class
		advice string
	}{
		{400, refusal("invalid_grant", ""), oauth.Reconsent, "start the authorization again"},
		{400, "", oauth.Misconfigured, "Check this provider's endpoints"},
		{401, refusal("invalid_client", ""), oauth.Misconfigured, "Check client_id"},
		{400, refusal("redirect_uri_mismatch", ""), oauth.Misconfigured, "Register the redirect URI"},
		{400, refusal("invalid_scope", ""), oauth.Misconfigured, "Check the scopes"},
		{400, refusal("unsupported_grant_type", ""), oauth.Misconfigured, "grant_type"},
		{400, refusal("multiple_client_credentials", ""), oauth.Misconfigured, "send_credentials_twice"},
		{500, "", oauth.Transient, "Start the authorization again"},
		{304, "", oauth.Misconfigured, "it may have moved"},
	} {
		d := newDesk(t, c.answer)
		d.Status = c.status
		_, err := d.exchange(t, d.client())
		var e *oauth.Error
		if !errors.As(err, &e) || e.Class != c.want || !strings.Contains(e.Advice, c.advice) {
			t.Errorf("%d %s: got %v, want %s: %s", c.status, c.answer, err, c.want, c.advice)
		}
	}
}

func TestCallbackErrors(t *testing.T) {
	d := oauth.Definition{Errors: []oauth.ErrorRule{
		{On: "token", Code: "access_denied", Class: oauth.Misconfigured, Advice: "not here"},
		{On: "callback", Code: "consent_required", Description: "ADMIN", Class: oauth.Misconfigured, Advice: "ask the admin"},
	}}
	for _, c := range []struct {
		code, description string
		class             oauth.Class
		text              string
	}{
		{"access_denied", "The user said\nno\x00.", oauth.UserChoice, "authorizing: the provider answered access_denied (The user said no.). Access was declined: start again and accept if that was a mistake"},
		{"user_cancelled_login", "", oauth.UserChoice, "authorizing: the provider answered user_cancelled_login. Access"},
		{"server_error", "", oauth.Transient, "Start the authorization again, a little later"},
		{"temporarily_unavailable", "", oauth.Transient, "Start the authorization again, a little later"},
		{"invalid_scope", "x", oauth.Misconfigured, "Check the scopes"},
		{"unauthorized_client", "", oauth.Misconfigured, "Check client_id"},
		{"consent_required", "Your admin must agree", oauth.Misconfigured, "(Your admin must agree). ask the admin"},
		{"consent_required", "", oauth.Misconfigured, "Check this provider's endpoints and requests"},
		{"", "", oauth.Misconfigured, "authorizing. Check"},
		{strings.Repeat("x", 200), strings.Repeat("é", 400), oauth.Misconfigured, "x… (é"},
		{"x", strings.Repeat("é", 1<<20), oauth.Misconfigured, "(text withheld: it is very long)"},
		{"\u202e<script>", "\u2066<b>", oauth.Misconfigured, "answered <script> (<b>)."},
	} {
		e := d.CallbackError(c.code, c.description)
		if e.At != oauth.AtCallback || e.Class != c.class || !strings.Contains(e.Error(), c.text) || len(e.Error()) > 600 {
			t.Errorf("%.20s: got %s: %v, want %s: %s", c.code, e.Class, e, c.class, c.text)
		}
	}
}

func TestRulesOfTheDefinitionComeFirst(t *testing.T) {
	for name, c := range map[string]struct {
		rules []oauth.ErrorRule
		want  oauth.Class
		says  string
	}{
		"all conditions": {[]oauth.ErrorRule{
			{On: "refresh", Status: 400, Code: "e1", Description: "too OLD", Class: oauth.Reconsent, Advice: "again"},
		}, oauth.Reconsent, ". again"},
		"first that fits": {[]oauth.ErrorRule{
			{Status: 401, Class: oauth.UserChoice}, {Code: "e1", Class: oauth.ScopeMissing, Advice: "first"}, {Code: "e1", Class: oauth.Reconsent, Advice: "second"},
		}, oauth.ScopeMissing, ". first"},
		"without advice": {[]oauth.ErrorRule{{Code: "e1", Class: oauth.Transient}}, oauth.Transient, "The stored grant is kept"},
		"other place":    {[]oauth.ErrorRule{{On: "token", Code: "e1", Class: oauth.Reconsent}}, oauth.Misconfigured, "Check"},
		"other code":     {[]oauth.ErrorRule{{Code: "E1", Class: oauth.Reconsent}}, oauth.Misconfigured, "Check"},
		"other text":     {[]oauth.ErrorRule{{Description: "young", Class: oauth.Reconsent}}, oauth.Misconfigured, "Check"},
	} {
		d := newDesk(t, refusal("e1", "The token is too old."))
		d.Status = 400
		client := d.client()
		client.Definition.Errors = c.rules
		_, err := d.refresh(t, client)
		var e *oauth.Error
		if !errors.As(err, &e) || e.Class != c.want || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want %s: %s", name, err, c.want, c.says)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"7": 7 * time.Second, " 7 ": 7 * time.Second, "1.5": 1500 * time.Millisecond, "99999999": time.Hour, "1e999": 0, "Inf": time.Hour,
		"0": 0, "-7": 0, "NaN": 0, "soon": 0, "": 0,
		noon().Add(7 * time.Second).Format(http.TimeFormat): 7 * time.Second,
		noon().Add(-time.Second).Format(http.TimeFormat):    0,
		noon().Add(48 * time.Hour).Format(http.TimeFormat):  time.Hour,
		noon().Add(9 * time.Second).Format(time.RFC850):     9 * time.Second,
	} {
		d := newDesk(t, "")
		d.Status, d.Header = 429, http.Header{"Retry-After": {value}}
		_, err := d.refresh(t, d.client())
		var e *oauth.Error
		if !errors.As(err, &e) || e.RetryAfter != want {
			t.Errorf("%q: got %v, want %s", value, e.RetryAfter, want)
		}
	}
}

func TestErrorReadsAsOneSentence(t *testing.T) {
	for want, e := range map[string]oauth.Error{
		"exchanging the code: the provider answered 400 invalid_grant (used). Again": {At: oauth.AtToken, Status: 400, Code: "invalid_grant", Description: "used", Advice: "Again"},
		"refreshing the token: no answer in time. Later":                             {At: oauth.AtRefresh, Err: errors.New("no answer in time"), Advice: "Later"},
		"asking for user info: the provider answered 403":                            {At: oauth.AtUserInfo, Status: 403},
		"introspecting the token":                                                    {At: oauth.AtIntrospection},
		"revoking the token: the provider answered 503":                              {At: oauth.AtRevocation, Status: 503},
		"talking to the provider: the provider answered access_denied":               {Code: "access_denied"},
	} {
		if got := e.Error(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestClean(t *testing.T) {
	for text, want := range map[string]string{
		"  a\tb\nc ":     "a b c",
		"a\x00\x1b\x7fb": "ab",
		"\u202eabc":      "abc",
		"a\xffb":         "ab",
		"ééééé":          "éé…",
		"12345":          "12345",
		"123456":         "12345…",
		"1234 6":         "1234…",
		"":               "",
	} {
		if got := oauth.Clean(text, 5); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestSecretsOfTheCallbackAreTakenOut(t *testing.T) {
	state := secret.New("state-canary/1")
	e := new(oauth.Definition).CallbackError("state-canary/1", "unknown state-canary%2F1", state, secret.String{})
	if strings.Contains(e.Error(), "canary") || !strings.Contains(e.Error(), "[redacted]") || !strings.Contains(e.Error(), "withheld") {
		t.Errorf("got %v, want the state taken out twice", e)
	}
}
