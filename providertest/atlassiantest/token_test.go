package atlassiantest_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/providertest/atlassiantest"
)

func wantError(t *testing.T, what string, got tokens, status int, code, description string) {
	t.Helper()
	if got.Status != status || got.Error != code || got.Description != description {
		t.Errorf("%s: got %d %s %q, want %d %s %q", what, got.Status, got.Error, got.Description, status, code, description)
	}
}

func TestSecretIsCheckedFirst(t *testing.T) {
	c := newClient(t, atlassiantest.Config{})
	code := c.code(nil)
	for name, params := range map[string]map[string]string{
		"wrong secret":          {"client_secret": "guess"},
		"no secret, PKCE only":  {"client_secret": ""},
		"unknown app":           {"client_id": "nobody"},
		"and a wrong grant too": {"client_secret": "guess", "grant_type": "password"},
	} {
		all := map[string]string{"grant_type": "authorization_code", "code": code, "redirect_uri": callback, "code_verifier": verifier}
		for k, v := range params {
			all[k] = v
		}
		wantError(t, name, c.token(all), 401, "access_denied", "Unauthorized")
	}
	req, err := http.NewRequest(http.MethodPost, c.server.URL+"/oauth/token", strings.NewReader(url.Values{"grant_type": {"refresh_token"}}.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(c.app.ID, c.app.Secret)
	if r := c.do(req); r.status != http.StatusUnauthorized {
		t.Errorf("credentials by Basic: got %d, want 401", r.status)
	}
	wantError(t, "unknown grant", c.token(map[string]string{"grant_type": "password"}), 403, "unsupported_grant_type", "Unsupported grant type: password")
	if got := c.exchange(code); got.Status != http.StatusOK {
		t.Errorf("the right secret after all this: got %d, want 200", got.Status)
	}
}

func TestFormAndUnknownFieldsAreAccepted(t *testing.T) {
	c := newClient(t, atlassiantest.Config{})
	form := url.Values{
		"grant_type": {"authorization_code"}, "client_id": {c.app.ID}, "client_secret": {c.app.Secret},
		"code": {c.code(nil)}, "redirect_uri": {callback}, "something": {"else"},
	}
	if r := c.postForm(c.server.URL+"/oauth/token", form); r.status != http.StatusOK {
		t.Errorf("form: got %d %s, want 200", r.status, r.body)
	}
	if last, _ := c.server.History().Last(providertest.Token); last.ContentType != "application/x-www-form-urlencoded" || last.Auth != providertest.AuthPost {
		t.Errorf("history: got %+v", last)
	}
	form.Add("code", "another")
	if r := c.postForm(c.server.URL+"/oauth/token", form); r.status != http.StatusBadRequest {
		t.Errorf("two codes: got %d, want 400", r.status)
	}
	if r := c.postForm(c.server.URL+"/oauth/token?"+form.Encode(), nil); r.status != http.StatusUnauthorized {
		t.Errorf("everything in the URL: got %d, want 401", r.status)
	}
}

func TestBadCode(t *testing.T) {
	for dialect, want := range map[string]tokens{
		"unauthorized_client": {Status: 400, Error: "invalid_request", Description: "authorization_code is invalid"},
		"invalid_grant":       {Status: 403, Error: "invalid_grant", Description: "Invalid authorization code"},
	} {
		c := newClient(t, atlassiantest.Config{DeadGrant: dialect})
		used := c.code(nil)
		c.exchange(used)
		wantError(t, "used", c.exchange(used), want.Status, want.Error, want.Description)
		wantError(t, "unknown", c.exchange("guess"), want.Status, want.Error, want.Description)
		redirected := c.token(map[string]string{"grant_type": "authorization_code", "code": c.code(nil), "redirect_uri": callback + "/"})
		wantError(t, "for another redirect", redirected, want.Status, want.Error, want.Description)
		late := c.code(nil)
		c.server.Advance(5 * time.Minute)
		wantError(t, "late", c.exchange(late), want.Status, want.Error, want.Description)
		if got := c.server.History().CodeReuses(); got != 1 {
			t.Errorf("code reuses: got %d, want 1", got)
		}
	}
}

func TestVerifierIsCheckedOnlyWhenToldTo(t *testing.T) {
	for _, strict := range []bool{false, true} {
		c := newClient(t, atlassiantest.Config{CheckVerifier: strict})
		got := c.token(map[string]string{
			"grant_type": "authorization_code", "code": c.code(nil), "redirect_uri": callback,
			"code_verifier": "another-verifier-0123456789-0123456789-0123",
		})
		if (got.Status == http.StatusOK) == strict {
			t.Errorf("strict %t: got %d", strict, got.Status)
		}
	}
}

func TestDeadRefreshToken(t *testing.T) {
	const day = 24 * time.Hour
	for name, kill := range map[string]func(*client){
		"unused for 90 days": func(c *client) { c.server.Advance(90 * day) },
		"revoked":            func(c *client) { c.server.RevokeGrant(c.app.ID, "alice") },
		"password changed":   func(c *client) { c.server.ChangePassword("alice") },
	} {
		for dialect, want := range map[string]tokens{
			"unauthorized_client": {Status: 403, Error: "unauthorized_client", Description: "refresh_token is invalid"},
			"invalid_grant":       {Status: 403, Error: "invalid_grant", Description: "Unknown or invalid refresh token."},
		} {
			c := newClient(t, atlassiantest.Config{DeadGrant: dialect})
			token := c.login(nil).RefreshToken
			kill(c)
			wantError(t, name, c.refresh(token), want.Status, want.Error, want.Description)
		}
	}
}

func TestFamilyEndsAfterAYearHoweverBusy(t *testing.T) {
	const day = 24 * time.Hour
	for limit, alive := range map[time.Duration]bool{0: false, -1: true} {
		c := newClient(t, atlassiantest.Config{Absolute: limit})
		got := c.login(nil)
		for range 4 {
			c.server.Advance(89 * day)
			got = c.refresh(got.RefreshToken)
		}
		c.server.Advance(9 * day)
		if got = c.refresh(got.RefreshToken); (got.Status == http.StatusOK) != alive {
			t.Errorf("absolute limit %v after 365 days: got %d", limit, got.Status)
		}
	}
}

func TestRefreshTokenOfAnotherApp(t *testing.T) {
	c := newClient(t, atlassiantest.Config{Apps: []atlassiantest.App{
		{ID: "a-first", Callbacks: []string{callback}}, {ID: "b-second", Callbacks: []string{callback}},
	}})
	token := c.login(nil).RefreshToken
	second, _ := c.server.App("b-second")
	got := c.token(map[string]string{
		"grant_type": "refresh_token", "refresh_token": token, "client_id": second.ID, "client_secret": second.Secret,
	})
	wantError(t, "another app", got, 403, "unauthorized_client", "refresh_token is invalid")
	if got := c.refresh(token); got.Status != http.StatusOK {
		t.Errorf("its own app afterwards: got %d, want 200", got.Status)
	}
}

func TestLeewayCanAnswerTheSuccessor(t *testing.T) {
	c := newClient(t, atlassiantest.Config{LeewayAnswer: "successor"})
	first := c.login(nil).RefreshToken
	second := c.refresh(first).RefreshToken
	third := c.refresh(second).RefreshToken
	if got := c.refresh(first).RefreshToken; got != third {
		t.Error("the leeway did not answer the live successor")
	}
}

func TestNoRefreshTokenWithoutOfflineAccess(t *testing.T) {
	c := newClient(t, atlassiantest.Config{})
	if got := c.login(map[string]string{"scope": "read:me"}); got.RefreshToken != "" || got.Scope != "read:me" {
		t.Errorf("got a refresh token %t, scope %q", got.RefreshToken != "", got.Scope)
	}
}

func TestAccessTokenLooksLikeTheRealOnes(t *testing.T) {
	c := newClient(t, atlassiantest.Config{AccessLifetime: 90 * time.Second})
	lengths := map[int]bool{}
	got := c.login(nil)
	for range 20 {
		token := got.AccessToken
		if len(token) < 1000 || len(token) > 2400 {
			t.Fatalf("length: got %d, want 1 to 2 kB", len(token))
		}
		lengths[len(token)] = true
		parts := strings.Split(token, ".")
		body, err := base64.RawURLEncoding.DecodeString(parts[1])
		if err != nil || len(parts) != 3 {
			t.Fatalf("got %d parts, %v", len(parts), err)
		}
		var claims map[string]any
		if err := json.Unmarshal(body, &claims); err != nil {
			t.Fatal(err)
		}
		got = c.refresh(got.RefreshToken)
	}
	if len(lengths) < 5 {
		t.Errorf("20 tokens have only %d different lengths", len(lengths))
	}
	if got.ExpiresIn != 90 || got.TokenType != "Bearer" {
		t.Errorf("got expires_in %d and token_type %q", got.ExpiresIn, got.TokenType)
	}
	c.server.Advance(90 * time.Second)
	if r := c.get(c.server.URL+"/me", got.AccessToken); r.status != http.StatusUnauthorized {
		t.Errorf("expired: got %d, want 401", r.status)
	}
}

func TestRotatedSecret(t *testing.T) {
	c := newClient(t, atlassiantest.Config{})
	token := c.login(nil).RefreshToken
	c.server.SetApp(atlassiantest.App{ID: c.app.ID, Callbacks: []string{callback}})
	wantError(t, "old secret", c.refresh(token), 401, "access_denied", "Unauthorized")
	c.app, _ = c.server.App(c.app.ID)
	if got := c.refresh(token); got.Status != http.StatusOK {
		t.Errorf("new secret: got %d, want 200", got.Status)
	}
}
