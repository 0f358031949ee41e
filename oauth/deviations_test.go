package oauth_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/secret"
)

// verdict is what becomes of an answer: a token, or an error of a class.
type verdict struct {
	class     oauth.Class
	says      string // part of the error's text
	uncertain bool
	retry     time.Duration

	scopes    []string      // nil: read, write
	life      time.Duration // 0: one hour; negative: unknown
	noRefresh bool          // the answer brings no refresh token
	warns     string
}

const (
	unknown  = time.Duration(-1)
	tenYears = 10 * 365 * 24 * time.Hour
)

func fails(class oauth.Class, says string) verdict { return verdict{class: class, says: says} }

func lost(class oauth.Class, says string) verdict {
	return verdict{class: class, says: says, uncertain: true}
}

// deviations says for each fault of a token endpoint what becomes of an exchange and of a refresh.
func deviations() map[string][2]verdict {
	both := func(v verdict) [2]verdict { return [2]verdict{v, v} }
	fine := both(verdict{})
	noRefresh := [2]verdict{{noRefresh: true, warns: "no refresh token"}, {noRefresh: true}}
	later := func(says string, retry time.Duration, uncertain bool) [2]verdict {
		return [2]verdict{
			{class: oauth.Transient, says: "Start the authorization again", retry: retry, uncertain: uncertain},
			{class: oauth.Transient, says: "The stored grant is kept", retry: retry, uncertain: uncertain},
		}
	}
	passes := func(says string) [2]verdict { // a wrong endpoint at first, a passing trouble in front of one that worked
		return [2]verdict{lost(oauth.Misconfigured, says), lost(oauth.Transient, says)}
	}
	return map[string][2]verdict{
		"html":              passes("the answer is HTML"),
		"html_error":        later("502", 0, true),
		"server_error":      later("500 server_error", 0, true),
		"unavailable":       later("503", 7*time.Second, true),
		"unavailable_until": later("503", 7*time.Second, true),
		"too_many":          later("429", 7*time.Second, false),
		"too_many_silent":   later("429", 0, false),
		"redirect_302":      both(fails(oauth.Misconfigured, "302 (a redirect to elsewhere.invalid, which is not followed")),
		"redirect_307":      both(fails(oauth.Misconfigured, "307 (a redirect to elsewhere.invalid, which is not followed")),

		"closed":    both(lost(oauth.Transient, "the connection was closed before the answer was complete")),
		"lost":      both(lost(oauth.Transient, "the connection was closed before the answer was complete")),
		"cut_off":   both(lost(oauth.Transient, "the connection was closed before the answer was complete")),
		"truncated": both(lost(oauth.Transient, "the answer is broken JSON")),
		"empty":     passes("the answer is empty"),
		"huge":      passes("the answer is larger than 1 MiB"),
		"gzip_bomb": passes("the answer is larger than 1 MiB"),
		"deep":      both(lost(oauth.Transient, "the answer is broken JSON")),
		"json_null": passes("the answer is neither JSON nor a form"),
		"json_list": both(lost(oauth.Misconfigured, "the answer has no access_token")),

		"text_plain":       fine,
		"no_content_type":  fine,
		"byte_order_mark":  fine,
		"invalid_utf8":     fine,
		"created":          fine,
		"nested":           both(lost(oauth.Misconfigured, "Check response_map")),
		"nested_list":      both(lost(oauth.Misconfigured, "Check response_map")),
		"form_encoded":     fine,
		"form_as_html":     fine,
		"duplicate_member": fine,

		"no_access_token":      both(lost(oauth.Misconfigured, "the answer has no access_token")),
		"empty_access_token":   both(lost(oauth.Misconfigured, "the answer has no access_token")),
		"access_token_number":  fine,
		"access_token_newline": both(lost(oauth.Misconfigured, "the access token has characters that a token may not have")),
		"no_refresh_token":     noRefresh,
		"null_refresh_token":   noRefresh,
		"empty_refresh_token":  noRefresh,

		"scope_missing":  fine,
		"scope_empty":    fine,
		"scope_array":    fine,
		"scope_comma":    fine,
		"scopes_key":     fine,
		"scope_narrower": both(verdict{scopes: []string{"write"}}),
		"scope_wider":    both(verdict{scopes: []string{"extra.scope", "read", "write"}}),

		"expires_missing":      both(verdict{life: unknown}),
		"expires_null":         both(verdict{life: unknown}),
		"expires_zero":         both(verdict{life: unknown}),
		"expires_in":           both(verdict{life: 42 * time.Second}),
		"expires_string":       fine,
		"expires_float":        both(verdict{life: 3599500 * time.Millisecond}),
		"expires_exponent":     fine,
		"expires_overflow":     both(verdict{life: tenYears}),
		"expires_far":          both(verdict{life: tenYears}),
		"expires_milliseconds": both(verdict{life: 1000 * time.Hour}),
		"expires_negative":     {lost(oauth.Misconfigured, "expires_in is negative"), {life: unknown, warns: "expires_in is negative"}},
		"expires_garbage":      {lost(oauth.Misconfigured, "expires_in is not a number"), {life: unknown, warns: "expires_in is not a number"}},

		"type_mac":     both(lost(oauth.Misconfigured, `the token has the type "MAC", not Bearer`)),
		"type_dpop":    both(lost(oauth.Misconfigured, `the token has the type "DPoP", not Bearer`)),
		"type_missing": fine,
		"type_lower":   fine,
		"type_upper":   fine,

		"error_in_200":             {fails(oauth.Reconsent, "200 bad_verification_code (The code passed is incorrect"), fails(oauth.Misconfigured, "bad_verification_code")},
		"ok_false":                 {fails(oauth.Misconfigured, "200 invalid_refresh_token"), fails(oauth.Reconsent, "authorize again")},
		"dead_invalid_grant":       {fails(oauth.Reconsent, "start the authorization again"), fails(oauth.Reconsent, "authorize again")},
		"dead_forbidden_grant":     {fails(oauth.Reconsent, "start the authorization again"), fails(oauth.Reconsent, "authorize again")},
		"dead_invalid_request":     {fails(oauth.Misconfigured, "400 invalid_request"), fails(oauth.Reconsent, "authorize again")},
		"dead_unauthorized_client": {fails(oauth.Misconfigured, "Check client_id"), fails(oauth.Reconsent, "authorize again")},
		"dead_empty":               {fails(oauth.Misconfigured, "400. Check"), fails(oauth.Reconsent, "authorize again")},

		"invalid_client":              both(fails(oauth.Misconfigured, "Check client_id, client_secret and auth_method")),
		"multiple_client_credentials": both(fails(oauth.Misconfigured, "set send_credentials_twice to false")),
		"slow_down":                   both(fails(oauth.Misconfigured, "400 slow_down")),
		"expired_token":               {fails(oauth.Misconfigured, "400 expired_token"), fails(oauth.Reconsent, "authorize again")},
		"device_denied":               both(fails(oauth.Misconfigured, "400 authorization_declined")),
		"error_script":                both(fails(oauth.Misconfigured, "400 invalid_request (<script>")),
		"error_echo":                  both(fails(oauth.Misconfigured, "400 invalid_request (")),
	}
}

// held are the faults that keep a request waiting; [TestHeldRequestEnds] has them.
func held() []string { return []string{"hold", "hold_answer"} }

func TestEveryDeviationIsExpected(t *testing.T) {
	table := deviations()
	for _, kind := range providertest.FaultKinds() {
		if slices.Contains(kind.Endpoints, providertest.Token) && !slices.Contains(held(), kind.Name) {
			if _, ok := table[kind.Name]; !ok {
				t.Errorf("nobody has said what becomes of a token answer with the fault %s", kind.Name)
			}
		}
	}
}

func TestDeviations(t *testing.T) {
	for name, want := range deviations() {
		fault := providertest.Fault{Endpoint: providertest.Token, Name: name, Times: 1}
		if name == "expires_in" {
			fault.Value = "42"
		}
		t.Run("exchange/"+name, func(t *testing.T) {
			p := newProvider(t, providertest.Config{})
			code, verifier := p.consent("read", "write")
			p.server.Inject(fault)
			got, err := p.client.Exchange(t.Context(), code, verifier, []string{"read", "write"})
			want[0].check(t, oauth.AtToken, got, err, secret.String{})
		})
		t.Run("refresh/"+name, func(t *testing.T) {
			p := newProvider(t, providertest.Config{})
			code, verifier := p.consent("read", "write")
			first, err := p.client.Exchange(t.Context(), code, verifier, []string{"read", "write"})
			if err != nil {
				t.Fatal(err)
			}
			p.server.Inject(fault)
			got, err := p.client.Refresh(t.Context(), first.RefreshToken, first.AccessToken, first.Scopes)
			want[1].check(t, oauth.AtRefresh, got, err, first.RefreshToken)
			if calls := p.server.History().Calls(providertest.Token); calls != 2 {
				t.Errorf("got %d token requests, want one exchange and one refresh", calls)
			}
		})
	}
}

// check compares; old is the refresh token that was presented.
func (v verdict) check(t *testing.T, at string, got oauth.TokenResponse, err error, old secret.String) {
	t.Helper()
	if v.class != "" {
		v.checkError(t, at, err)
		if !got.AccessToken.IsZero() || at == oauth.AtToken && !got.RefreshToken.IsZero() {
			t.Error("tokens came with an error")
		}
		return
	}
	if err != nil {
		t.Fatalf("got %v, want a token", err)
	}
	if got.AccessToken.IsZero() || !got.IssuedAt.Equal(noon()) {
		t.Errorf("got an empty token %v or the wrong time %s", got.AccessToken.IsZero(), got.IssuedAt)
	}
	if isNew := !got.RefreshToken.IsZero() && !got.RefreshToken.Equal(old); isNew == v.noRefresh || v.noRefresh && !got.RefreshToken.Equal(old) {
		t.Errorf("got a new refresh token: %v, want the old one to stay: %v", isNew, v.noRefresh)
	}
	scopes := v.scopes
	if scopes == nil {
		scopes = []string{"read", "write"}
	}
	if diff := cmp.Diff(scopes, got.Scopes); diff != "" {
		t.Errorf("scopes (-want +got):\n%s", diff)
	}
	var ends time.Time
	switch {
	case v.life == 0:
		ends = noon().Add(time.Hour)
	case v.life > 0:
		ends = noon().Add(v.life)
	}
	if !got.ExpiresAt.Equal(ends) {
		t.Errorf("got the expiry %s, want %s", got.ExpiresAt, ends)
	}
	if warnings := strings.Join(got.Warnings, "; "); !strings.Contains(warnings, v.warns) || v.warns == "" && warnings != "" {
		t.Errorf("got the warnings %q, want %q", warnings, v.warns)
	}
}

func (v verdict) checkError(t *testing.T, at string, err error) {
	t.Helper()
	var e *oauth.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an *oauth.Error", err)
	}
	if e.At != at || e.Class != v.class || e.Uncertain != v.uncertain || e.RetryAfter != v.retry || e.Advice == "" {
		t.Errorf("got at %s the class %s, uncertain %v, retry %s, advice %q, want %s, %s, %v, %s and an advice: %v",
			e.At, e.Class, e.Uncertain, e.RetryAfter, e.Advice, at, v.class, v.uncertain, v.retry, e)
	}
	if !strings.Contains(e.Error(), v.says) {
		t.Errorf("got %v, want it to say %s", e, v.says)
	}
}
