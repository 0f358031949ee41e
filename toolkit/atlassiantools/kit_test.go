package atlassiantools_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/providertest/atlassiantest"
	"github.com/keybearer/keybearer/secret"
	"github.com/keybearer/keybearer/tool"
	"github.com/keybearer/keybearer/toolkit/atlassiantools"
)

const (
	teahouse     = "5a0d0000-7ea0-4000-8000-000000000001"
	garden       = "5a0d0000-9a8d-4000-8000-000000000002"
	callback     = "https://app.example.com/callback"
	workerSecret = "shared by the tests alone"
)

// world is a local Atlassian with both toolkits as workers beside it.
type world struct {
	t                *testing.T
	server           *atlassiantest.Running
	jira, confluence string // base addresses of the workers
	token            string // of whoever calls
	sites            *api.SiteList
}

// newWorld has the sandbox's people and sites. Nobody has consented yet.
func newWorld(t *testing.T) *world {
	t.Helper()
	app := atlassiantest.DefaultApp()
	app.Callbacks = []string{callback}
	server := atlassiantest.Start(t, atlassiantest.Config{Apps: []atlassiantest.App{app}})
	w := &world{t: t, server: server}
	w.serve(server.URL)
	return w
}

// serve starts the workers, for an Atlassian at an address.
func (w *world) serve(gateway string) {
	w.t.Helper()
	c := atlassiantools.Config{Gateway: gateway}
	if w.server != nil {
		c.Now = w.server.Now
	}
	worker := func(kit *tool.Kit) string {
		s := httptest.NewServer(tool.WorkerHandler(kit, secret.New(workerSecret)))
		w.t.Cleanup(s.Close)
		return s.URL
	}
	w.jira, w.confluence = worker(atlassiantools.Jira(c)), worker(atlassiantools.Confluence(c))
}

// consent signs somebody in, who lets the app into the sites with the scopes.
func (w *world) consent(user string, sites []string, scope string) {
	w.t.Helper()
	w.server.Decide(providertest.Decision{Answer: "approve", User: user, Sites: sites})
	app, _ := w.server.App(atlassiantest.DefaultAppID)
	ask := url.Values{
		"audience": {"api.atlassian.com"}, "client_id": {app.ID}, "scope": {scope}, "redirect_uri": {callback},
		"state": {"the-state"}, "response_type": {"code"}, "prompt": {"consent"},
	}
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.server.URL+"/authorize?"+ask.Encode(), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		w.t.Fatal(err)
	}
	_ = res.Body.Close()
	back, err := res.Location()
	if err != nil {
		w.t.Fatalf("no consent: %s, %v", res.Status, err)
	}
	res, err = w.server.Client.PostForm(w.server.URL+"/oauth/token", url.Values{
		"grant_type": {"authorization_code"}, "client_id": {app.ID}, "client_secret": {app.Secret},
		"code": {back.Query().Get("code")}, "redirect_uri": {callback},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var answer struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || answer.Token == "" {
		w.t.Fatalf("no token: %s, %v", res.Status, err)
	}
	w.token = answer.Token
}

// alice consents for the tea house alone, with all scopes that the tools ask for.
func (w *world) alice() {
	w.t.Helper()
	w.consent("alice", []string{"sandbox-teahouse"}, "read:jira-work write:jira-work read:space:confluence read:content-details:confluence read:page:confluence write:page:confluence")
}

// ask sends a request to a worker as an engine does.
func (w *world) ask(method, address string, body []byte, into any) {
	w.t.Helper()
	claims := jwt.MapClaims{"aud": api.WorkerAudience, "ver": api.WorkerVersion, "exp": time.Now().Add(time.Minute).Unix()}
	signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(workerSecret))
	if err != nil {
		w.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(w.t.Context(), method, address, bytes.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+signed)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if err := json.NewDecoder(res.Body).Decode(into); err != nil || res.StatusCode != http.StatusOK {
		w.t.Fatalf("%s %s: %s, %v", method, address, res.Status, err)
	}
}

// tools lists a worker's tools.
func (w *world) tools(worker string) []api.WorkerTool {
	w.t.Helper()
	var all []api.WorkerTool
	w.ask(http.MethodGet, worker+api.WorkerToolsPath, nil, &all)
	return all
}

// inputs are the arguments of a call.
type inputs map[string]any

// call runs a tool by the worker protocol, with the token that the world has.
func (w *world) call(worker, name string, in inputs) api.InvocationOutput {
	w.t.Helper()
	toolkit := map[string]string{w.jira: "Jira", w.confluence: "Confluence"}[worker]
	raw := map[string]json.RawMessage{}
	for name, value := range in {
		text, err := json.Marshal(value)
		if err != nil {
			w.t.Fatal(err)
		}
		raw[name] = text
	}
	sent, err := json.Marshal(api.Invocation{
		RunID: "run", ExecutionID: "execution", CreatedAt: "2026-01-05T09:00:00Z", Inputs: raw,
		Tool: api.InvocationTool{Name: name, Toolkit: toolkit},
		Context: api.InvocationContext{
			Authorization: &api.InvocationAuthorization{Token: w.token, UserInfo: json.RawMessage(`{}`), Sites: w.sites},
			Secrets:       []api.Keyed{}, Metadata: []api.Keyed{}, UserID: "alice@example.com",
		},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	var result api.InvocationResult
	w.ask(http.MethodPost, worker+api.WorkerInvokePath, sent, &result)
	if result.Success != (result.Output.Error == nil && result.Output.RequiresAuthorization == nil) {
		w.t.Errorf("%s: success is %v with %+v", name, result.Success, result.Output)
	}
	return result.Output
}

// does runs a tool that has to succeed, and reads what it gives.
func does[T any](w *world, worker, name string, in inputs) T {
	w.t.Helper()
	out := w.call(worker, name, in)
	if out.Error != nil || out.RequiresAuthorization != nil {
		w.t.Fatalf("%s of %v: got %+v and %+v", name, in, out.Error, out.RequiresAuthorization)
	}
	var value T
	decoder := json.NewDecoder(bytes.NewReader(out.Value))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&value); err != nil {
		w.t.Fatalf("%s gave %s: %v", name, out.Value, err)
	}
	return value
}

// fails runs a tool that has to fail, and gives its error.
func (w *world) fails(worker, name string, in inputs) api.ToolError {
	w.t.Helper()
	out := w.call(worker, name, in)
	if out.Error == nil {
		w.t.Fatalf("%s of %v: got %s, want an error", name, in, out.Value)
	}
	return *out.Error
}
