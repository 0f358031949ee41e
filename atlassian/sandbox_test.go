package atlassian_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"

	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/providertest/atlassiantest"
)

// sandbox is a local Atlassian and an access token of somebody who consented there.
type sandbox struct {
	t      *testing.T
	server *atlassiantest.Running
	token  string
}

func newSandbox(t *testing.T, scope string) *sandbox {
	t.Helper()
	const callback = "https://app.example.com/callback"
	app := atlassiantest.DefaultApp()
	app.Callbacks = []string{callback}
	server := atlassiantest.Start(t, atlassiantest.Config{Apps: []atlassiantest.App{app}})
	server.Decide(providertest.Decision{Answer: "approve", User: "alice", Sites: []string{"sandbox-teahouse", "sandbox-garden"}})
	app, _ = server.App(app.ID)
	ask := url.Values{
		"audience": {"api.atlassian.com"}, "client_id": {app.ID}, "scope": {scope}, "redirect_uri": {callback},
		"state": {"the-state"}, "response_type": {"code"}, "prompt": {"consent"},
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/authorize?"+ask.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	back, err := res.Location()
	if err != nil {
		t.Fatalf("no consent: %s, %v", res.Status, err)
	}
	res, err = server.Client.PostForm(server.URL+"/oauth/token", url.Values{
		"grant_type": {"authorization_code"}, "client_id": {app.ID}, "client_secret": {app.Secret},
		"code": {back.Query().Get("code")}, "redirect_uri": {callback},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var answer struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || answer.Token == "" {
		t.Fatalf("no token: %s, %v", res.Status, err)
	}
	return &sandbox{t, server, answer.Token}
}

// get asks the sandbox with the token.
func (s *sandbox) get(path string) *http.Response {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.server.URL+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	res, err := s.server.Client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	return res
}
