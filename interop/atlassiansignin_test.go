package interop_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// teahouseID is the cloud id of the sandbox's first site.
const teahouseID = "5a0d0000-7ea0-4000-8000-000000000001"

// grant is what a person's consent came to.
type grant struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
}

// signIn is the least that a 3LO client does: alice consents at once, and the code becomes tokens.
func (s *sandbox) signIn(t *testing.T, scopes ...string) grant {
	t.Helper()
	s.control(t, "/control/decision", map[string]string{"answer": "approve", "user": "alice"})
	back := s.callback()
	ask := url.Values{
		"audience": {"api.atlassian.com"}, "client_id": {sandboxApp}, "scope": {strings.Join(scopes, " ")}, "redirect_uri": {back},
		"state": {"the-state"}, "response_type": {"code"}, "prompt": {"consent"},
	}
	code := redirectFrom(t, s.URL+"/authorize?"+ask.Encode()).Query().Get("code")
	var g grant
	s.token(t, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {back}}, &g)
	return g
}

// callback is the one that is registered for the app.
func (s *sandbox) callback() string { return callback(s.enginePort, "default-atlassian") }

// token asks the token endpoint as the app.
func (s *sandbox) token(t *testing.T, form url.Values, v any) {
	t.Helper()
	form.Set("client_id", sandboxApp)
	form.Set("client_secret", s.secret)
	resp, err := http.PostForm(s.URL+"/oauth/token", form)
	if err != nil {
		t.Fatalf("asking for a token: %v", err)
	}
	read(t, resp, http.StatusOK, v)
}

// redirectFrom opens a link and says where it leads, without going there.
func redirectFrom(t *testing.T, link string) *url.URL {
	t.Helper()
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := browser.Get(link)
	if err != nil {
		t.Fatalf("opening the link: %v", err)
	}
	defer resp.Body.Close()
	to, err := resp.Location()
	if err != nil {
		page, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
		t.Fatalf("the link ends on a page with %d: %s", resp.StatusCode, page)
	}
	return to
}

// counts are the history's figures, by their names in the control API.
func (s *sandbox) counts(t *testing.T) map[string]int {
	t.Helper()
	resp, err := http.Get(s.controlURL + "/control/history?last=0")
	if err != nil {
		t.Fatalf("asking for the history: %v", err)
	}
	var history struct {
		Summary map[string]int `json:"summary"`
	}
	read(t, resp, http.StatusOK, &history)
	return history.Summary
}

// gateway is the base URL of a product of the tea house.
func (s *sandbox) gateway(product string) string { return s.URL + "/ex/" + product + "/" + teahouseID }

// nodeDriver runs a JavaScript program that takes calls.
func nodeDriver(t *testing.T, env []string, args ...string) *driverRun {
	t.Helper()
	need(t, partNode)
	return &driverRun{process: run(t, strings.Join(args, " "), command{path: nodeBinary(t), dir: "node", args: args, env: env})}
}

// pythonDriver runs a Python program that takes calls.
func pythonDriver(t *testing.T, env []string, args ...string) *driverRun {
	t.Helper()
	need(t, partPython)
	return &driverRun{process: run(t, strings.Join(args, " "), command{path: pythonBinary(t), dir: "python", args: args, env: env})}
}

// does calls a method with positional arguments and decodes what it gives.
func does[T any](t *testing.T, d *driverRun, method string, args ...any) T {
	t.Helper()
	var out T
	d.succeeds(t, call{Method: method, Args: args}, &out)
	return out
}

// anything is an object of which a test wants a member or two.
type anything map[string]any

// at follows names into an object; what is not there is nil.
func (a anything) at(names ...string) any {
	var v any = map[string]any(a)
	for _, name := range names {
		object, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = object[name]
	}
	return v
}

// text is a value as JSON, for messages and searches.
func text(v any) string {
	out, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(out)
}
