package interop_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// TestGlewlwydIsServedWithoutAClient is the whole story over plain HTTP against an
// OAuth server of another family: start, consent, long poll, token, refresh of a
// one-time refresh token, and the next refresh after it. The engine uses the one
// callback address for all providers, as older set-ups have it registered.
func TestGlewlwydIsServedWithoutAClient(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	g := startGlewlwyd(t, glewlwydOptions{redirectURI: sharedCallback(port), accessTTL: shortLife})
	e := startEngine(t, engineOptions{port: port, callback: "shared", providers: []providerConfig{g.definition()}})
	start := map[string]any{
		"auth_requirement": map[string]any{"provider_id": "boards", "provider_type": "oauth2", "oauth2": map[string]any{"scopes": []string{glewlwydScope}}},
		"user_id":          appUser,
	}

	var asked authorization
	e.post(t, "/v1/auth/authorize", start, http.StatusOK, &asked)
	if asked.Status != "pending" {
		t.Fatalf("status: got %q, want pending", asked.Status)
	}
	polled := make(chan *http.Response, 1)
	go func() {
		resp, err := http.DefaultClient.Do(e.request(t, http.MethodGet, "/v1/auth/status?wait=45&id="+url.QueryEscape(asked.ID), nil))
		if err != nil {
			t.Errorf("waiting for completion: %v", err)
		}
		polled <- resp
	}()
	g.person(t).opens(t, asked.URL)

	resp := <-polled
	if resp == nil {
		t.FailNow()
	}
	var done authorization
	read(t, resp, http.StatusOK, &done)
	token := done.Context.Token
	if done.Status != "completed" || token == "" {
		t.Fatalf("after the consent: got %q (token: %t), want completed with one", done.Status, token != "")
	}
	e.guards(token)
	if !slices.Contains(done.Scopes, glewlwydScope) {
		t.Errorf("scopes: got %v, want %s among them", done.Scopes, glewlwydScope)
	}
	if got := done.Context.UserInfo["email"]; got != "nina@boards.example" {
		t.Errorf("user_info: got %v, want nina@boards.example", done.Context.UserInfo)
	}

	for range 2 {
		whoHolds(t, g.URL+"/api/oidc/userinfo", token)
		waitUntilExpired(t, g.URL+"/api/oidc/userinfo", token)
		var again authorization
		e.post(t, "/v1/auth/authorize", start, http.StatusOK, &again)
		if again.Status != "completed" || again.Context.Token == token {
			t.Fatalf("after expiry: got %q, the expired token: %t; want completed with a new one", again.Status, again.Context.Token == token)
		}
		token = again.Context.Token
		e.guards(token)
	}
	whoHolds(t, g.URL+"/api/oidc/userinfo", token)
}

// request is a request to the engine with its key, as curl would send it.
func (e *engine) request(t *testing.T, method, path string, body any) *http.Request {
	t.Helper()
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatalf("writing the body of %s: %v", path, err)
		}
		content = strings.NewReader(string(text))
	}
	req, err := http.NewRequestWithContext(t.Context(), method, e.URL+path, content)
	if err != nil {
		t.Fatalf("asking %s: %v", path, err)
	}
	req.Header.Set("Authorization", "Bearer "+e.Key)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req
}

// post sends a body to the engine and decodes the answer, which must have that status.
func (e *engine) post(t *testing.T, path string, body any, wantStatus int, v any) {
	t.Helper()
	resp, err := http.DefaultClient.Do(e.request(t, http.MethodPost, path, body))
	if err != nil {
		t.Fatalf("asking %s: %v", path, err)
	}
	read(t, resp, wantStatus, v)
}

// read decodes an answer that must have that status.
func read(t *testing.T, resp *http.Response, wantStatus int, v any) {
	t.Helper()
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		t.Fatalf("reading the answer of %s: %v", resp.Request.URL.Path, err)
	}
	if resp.StatusCode != wantStatus {
		t.Fatalf("%s: got %d, want %d: %s", resp.Request.URL.Path, resp.StatusCode, wantStatus, body)
	}
	if v == nil {
		return
	}
	if err := json.Unmarshal(body, v); err != nil {
		t.Fatalf("%s: %s: %v", resp.Request.URL.Path, body, err)
	}
}
