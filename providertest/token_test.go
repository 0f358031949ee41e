package providertest_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keybearer/keybearer/providertest"
)

func TestCodeIsSingleUseAndItsReuseKillsTheTokens(t *testing.T) {
	b := start(t, providertest.Config{})
	code := b.code()
	first := b.post("/token", b.codeForm(code))
	access, refresh := first.text(t, "access_token"), first.text(t, "refresh_token")
	want(t, "second use", b.post("/token", b.codeForm(code)), 400, "invalid_grant")
	want(t, "refresh after it", b.refresh(refresh), 400, "invalid_grant")
	if r := b.bearer("/userinfo", access); r.status != http.StatusUnauthorized {
		t.Errorf("userinfo after it: got %d, want 401", r.status)
	}
	if h := b.server.History(); h.Redeemed() != 1 || h.CodeReuses() != 1 {
		t.Errorf("got %d redeemed and %d reused, want 1 and 1", h.Redeemed(), h.CodeReuses())
	}
}

func TestCodeIsBound(t *testing.T) {
	b := start(t, providertest.Config{Clients: []providertest.Client{
		{ID: "app", RedirectURIs: []string{callback, callback + "2"}},
		{ID: "thief", RedirectURIs: []string{callback}},
	}})
	thief, _ := b.server.Registered("thief")
	for name, c := range map[string]struct {
		change func(url.Values)
		reason string
	}{
		"other redirect of the client": {func(f url.Values) { f.Set("redirect_uri", callback+"2") }, "code_for_another_redirect"},
		"no redirect":                  {func(f url.Values) { f.Del("redirect_uri") }, "code_for_another_redirect"},
		"other verifier":               {func(f url.Values) { f.Set("code_verifier", other) }, "code_verifier_mismatch"},
		"no verifier":                  {func(f url.Values) { f.Del("code_verifier") }, "code_verifier_mismatch"},
		"challenge as verifier":        {func(f url.Values) { f.Set("code_verifier", challenge(verifier)) }, "code_verifier_mismatch"},
		"other client": {func(f url.Values) {
			f.Set("client_id", thief.ID)
			f.Set("client_secret", thief.Secret)
		}, "code_of_another_client"},
	} {
		t.Run(name, func(t *testing.T) {
			code := b.code()
			form := b.codeForm(code)
			c.change(form)
			want(t, "exchange", b.post("/token", form), 400, "invalid_grant")
			if last, _ := b.server.History().Last(providertest.Token); last.Reason != c.reason {
				t.Errorf("reason: got %q, want %q", last.Reason, c.reason)
			}
			again := b.post("/token", b.codeForm(code))
			if spent := c.reason != "code_of_another_client"; spent == (again.status == http.StatusOK) {
				t.Errorf("right request after the wrong one: got %d; spent should be %t", again.status, spent)
			}
		})
	}
}

func TestVerifierWithoutChallengeIsRefused(t *testing.T) {
	b := start(t, providertest.Config{})
	q := b.request()
	q.Del("code_challenge")
	q.Del("code_challenge_method")
	code := b.get(b.authorizeURL(q)).location.Query().Get("code")
	want(t, "exchange", b.post("/token", b.codeForm(code)), 400, "invalid_grant")
}

func TestVerifierHasToBeLongEnough(t *testing.T) {
	b := start(t, providertest.Config{})
	q := b.request()
	q.Set("code_challenge", challenge("too-short"))
	form := b.codeForm(b.get(b.authorizeURL(q)).location.Query().Get("code"))
	form.Set("code_verifier", "too-short")
	want(t, "exchange", b.post("/token", form), 400, "invalid_grant")
}

func TestCodeExpires(t *testing.T) {
	b := start(t, providertest.Config{})
	code := b.code()
	b.server.Advance(time.Minute)
	want(t, "exchange after a minute", b.post("/token", b.codeForm(code)), 400, "invalid_grant")
}

func TestRefreshRotatesAndReuseKillsTheFamily(t *testing.T) {
	b := start(t, providertest.Config{})
	_, first := b.login()
	_, bystander := b.login()
	r := b.refresh(first)
	second, access := r.text(t, "refresh_token"), r.text(t, "access_token")
	if second == "" || second == first {
		t.Fatalf("refresh: got the token %q, want a new one", second)
	}
	want(t, "reuse", b.refresh(first), 400, "invalid_grant")
	want(t, "the newest one after it", b.refresh(second), 400, "invalid_grant")
	if r := b.bearer("/userinfo", access); r.status != http.StatusUnauthorized {
		t.Errorf("access token of a killed family: got %d, want 401", r.status)
	}
	if r := b.refresh(bystander); r.status != http.StatusOK {
		t.Errorf("another family of the same user: got %d, want 200", r.status)
	}
	h := b.server.History()
	families := h.Families()
	if len(families) != 2 || h.Rotations(families[0]) != 1 || h.Rotations(families[1]) != 1 || h.Reuses() != 1 {
		t.Errorf("got families %v, rotations %d, reuses %d", families, h.Rotations(""), h.Reuses())
	}
}

func TestLeeway(t *testing.T) {
	for name, successor := range map[string]bool{"sibling": false, "successor": true} {
		t.Run(name, func(t *testing.T) {
			now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
			b := start(t, providertest.Config{Leeway: time.Minute, Successor: successor, Clock: func() time.Time { return now }})
			_, first := b.login()
			second := b.refresh(first).text(t, "refresh_token")
			b.server.Advance(59 * time.Second)
			again := b.refresh(first).text(t, "refresh_token")
			if again == "" || (again == second) != successor {
				t.Errorf("within the leeway: same successor %t, want %t", again == second, successor)
			}
			if r := b.refresh(second); r.status != http.StatusOK {
				t.Errorf("the successor: got %d, want 200", r.status)
			}
			b.server.Advance(time.Second)
			want(t, "after the leeway", b.refresh(first), 400, "invalid_grant")
			want(t, "the family", b.refresh(again), 400, "invalid_grant")
		})
	}
}

func TestRefreshWithoutRotation(t *testing.T) {
	b := start(t, providertest.Config{NoRotation: true})
	_, token := b.login()
	for range 3 {
		if r := b.refresh(token); r.status != http.StatusOK || r.text(t, "refresh_token") != "" {
			t.Fatalf("got %d %s, want 200 without a refresh token", r.status, r.body)
		}
	}
	if h := b.server.History(); h.Rotations("") != 0 || h.Refreshes() != 3 {
		t.Errorf("got %d rotations, %d refreshes, want 0 and 3", h.Rotations(""), h.Refreshes())
	}
}

func TestRefreshTokenExpires(t *testing.T) {
	b := start(t, providertest.Config{Inactivity: 24 * time.Hour, Absolute: 36 * time.Hour})
	_, idle := b.login()
	b.server.Advance(24 * time.Hour)
	want(t, "idle for a day", b.refresh(idle), 400, "invalid_grant")

	_, busy := b.login()
	b.server.Advance(23 * time.Hour)
	next := b.refresh(busy).text(t, "refresh_token")
	b.server.Advance(13 * time.Hour)
	want(t, "busy, but too old", b.refresh(next), 400, "invalid_grant")
}

func TestRefreshScope(t *testing.T) {
	b := start(t, providertest.Config{})
	_, token := b.login()
	form := b.refreshForm(token)
	form.Set("scope", "read everything")
	want(t, "wider", b.post("/token", form), 400, "invalid_scope")
	form.Set("scope", "read")
	r := b.post("/token", form)
	if got := r.text(t, "scope"); got != "read" {
		t.Fatalf("narrower: got %q, want read", got)
	}
	if got := b.refresh(r.text(t, "refresh_token")).text(t, "scope"); got != "read write" {
		t.Errorf("the next one: got %q, want all again", got)
	}
}

func TestOfflineScopeIsNeededForARefreshToken(t *testing.T) {
	b := start(t, providertest.Config{OfflineScope: "offline_access", Scopes: []string{"read", "write"}})
	if _, refresh := b.login(); refresh != "" {
		t.Error("got a refresh token that was not asked for")
	}
	q := b.request()
	q.Set("scope", "read offline_access")
	code := b.get(b.authorizeURL(q)).location.Query().Get("code")
	if b.post("/token", b.codeForm(code)).text(t, "refresh_token") == "" {
		t.Error("got no refresh token although it was asked for")
	}
}

func TestGrantNarrowsScopes(t *testing.T) {
	b := start(t, providertest.Config{Grant: func(user string, asked []string) []string {
		return slices.DeleteFunc(asked, func(s string) bool { return user == "alice" && s == "write" })
	}})
	if got := b.exchange().text(t, "scope"); got != "read" {
		t.Errorf("got %q, want read", got)
	}
}

func TestTokenRequestsMustBeClean(t *testing.T) {
	b := start(t, providertest.Config{})
	form := b.codeForm(b.code())
	for _, name := range []string{"grant_type", "code", "redirect_uri", "client_id", "client_secret", "resource"} {
		twice, err := url.ParseQuery(form.Encode())
		if err != nil {
			t.Fatal(err)
		}
		twice[name] = []string{form.Get(name), form.Get(name)}
		want(t, name+" twice", b.post("/token", twice), 400, "invalid_request")
	}
	inURL := func(r *http.Request) { r.URL.RawQuery = url.Values{"client_secret": {b.client.Secret}}.Encode() }
	want(t, "secret in the URL", b.post("/token", form, inURL), 400, "invalid_request")
	asJSON := func(r *http.Request) { r.Header.Set("Content-Type", "application/json") }
	want(t, "form labelled JSON", b.post("/token", form, asJSON), 400, "invalid_request")
	untyped := func(r *http.Request) { r.Header.Del("Content-Type") }
	want(t, "no content type", b.post("/token", form, untyped), 400, "invalid_request")
	want(t, "unknown grant", b.post("/token", b.authenticated(url.Values{"grant_type": {"password"}})), 400, "unsupported_grant_type")
	want(t, "no grant", b.post("/token", b.authenticated(url.Values{})), 400, "invalid_request")
	if r := b.get(b.server.URL + "/token?" + form.Encode()); r.status != http.StatusMethodNotAllowed {
		t.Errorf("GET: got %d, want 405", r.status)
	}
	huge := url.Values{"grant_type": {strings.Repeat("x", 128<<10)}} // no more: what net/http does not drain, it resets
	want(t, "a body of 128 KiB", b.post("/token", huge), 400, "invalid_request")
	if r := b.post("/token", form); r.status != http.StatusOK {
		t.Errorf("the clean request after all this: got %d, want 200 (the code is not spent)", r.status)
	}
}

func TestJSONRequests(t *testing.T) {
	b := start(t, providertest.Config{Formats: []string{"json"}})
	form := b.codeForm(b.code())
	send := func(body string) reply {
		return b.post("/token", nil, func(r *http.Request) {
			r.Header.Set("Content-Type", "application/json; charset=utf-8")
			r.Body, r.ContentLength = http.NoBody, 0
			if body != "" {
				replacement, err := http.NewRequest(http.MethodPost, "/", strings.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				r.Body, r.ContentLength = replacement.Body, replacement.ContentLength
			}
		})
	}
	flat := map[string]string{}
	for name := range form {
		flat[name] = form.Get(name)
	}
	body, err := json.Marshal(flat)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "form", b.post("/token", form), 400, "invalid_request")
	for _, broken := range []string{"[]", "{", `{"a":}`, `{"a":1} {}`, `"text"`} {
		want(t, broken, send(broken), 400, "invalid_request")
	}
	want(t, "member twice", send(`{"grant_type":"x","grant_type":"y"}`), 400, "invalid_request")
	if r := send(string(body)); r.status != http.StatusOK {
		t.Errorf("JSON: got %d %s, want 200", r.status, r.body)
	}
}

func TestHistoryShowsTokenRequestsWithoutSecrets(t *testing.T) {
	b := start(t, providertest.Config{})
	code := b.code()
	r := b.post("/token", b.codeForm(code), func(r *http.Request) { r.Header.Set("User-Agent", "test/1") })
	access, refresh := r.text(t, "access_token"), r.text(t, "refresh_token")
	next := b.refresh(refresh)
	b.bearer("/userinfo", access)
	b.post("/revoke", b.authenticated(url.Values{"token": {next.text(t, "refresh_token")}}))

	token := b.server.History().At(providertest.Token)
	if len(token) != 2 {
		t.Fatalf("got %d token requests, want 2", len(token))
	}
	got := token[0]
	if got.Grant != "authorization_code" || got.Client != "app" || got.Auth != providertest.AuthPost || got.Outcome != providertest.Redeemed ||
		got.Status != 200 || got.UserAgent != "test/1" || got.Family != "family-1" || got.Param("redirect_uri") != callback ||
		got.Param("code_verifier") != providertest.Hash(verifier) {
		t.Errorf("code exchange: got %+v", got)
	}
	if got = token[1]; got.Outcome != providertest.Rotated || got.Family != "family-1" {
		t.Errorf("refresh: got %+v", got)
	}
	all, err := json.Marshal(b.server.History().All())
	if err != nil {
		t.Fatal(err)
	}
	for name, secret := range map[string]string{
		"secret": b.client.Secret, "code": code, "verifier": verifier, "state": "the-state",
		"access token": access, "refresh token": refresh, "next": next.text(t, "refresh_token"),
	} {
		if bytes.Contains(all, []byte(secret)) {
			t.Errorf("the history contains the %s", name)
		}
	}
}
