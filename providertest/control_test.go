package providertest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/keybearer/keybearer/providertest"
)

// remote is a tester in another process.
type remote struct {
	t   *testing.T
	url string
}

func control(t *testing.T, h http.Handler) remote {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return remote{t, server.URL}
}

func (r remote) call(method, path, body string, headers ...string) (int, string) {
	r.t.Helper()
	req, err := http.NewRequest(method, r.url+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return res.StatusCode, string(answer)
}

// ok makes a call that has to succeed.
func (r remote) ok(method, path, body string) string {
	r.t.Helper()
	status, answer := r.call(method, path, body)
	if status != http.StatusOK {
		r.t.Fatalf("%s %s: got %d %s, want 200", method, path, status, answer)
	}
	return answer
}

func TestControlAPI(t *testing.T) {
	clock := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	b := start(t, providertest.Config{Clock: func() time.Time { return clock }})
	c := control(t, b.server.Control())

	if got := c.ok("POST", "/control/clock", `{"advance":"90m"}`); !strings.Contains(got, "2030-01-01T01:30:00Z") {
		t.Errorf("clock: got %s", got)
	}
	if got := c.ok("GET", "/control/clock", ""); !strings.Contains(got, "2030-01-01T01:30:00Z") || !b.server.Now().Equal(clock.Add(90*time.Minute)) {
		t.Errorf("clock: got %s and %v", got, b.server.Now())
	}

	c.ok("POST", "/control/decision", `{"answer":"decline"}`)
	if got := b.get(b.authorizeURL(b.request())).location.Query().Get("error"); got != "access_denied" {
		t.Errorf("decision: got %q, want access_denied", got)
	}
	c.ok("POST", "/control/decision", `{"answer":"approve","user":"bob"}`)
	access, refresh := b.login()
	if got := b.bearer("/userinfo", access).text(t, "sub"); got != "bob" {
		t.Errorf("decision: got %q, want bob", got)
	}

	c.ok("POST", "/control/faults", `{"endpoint":"token","name":"server_error","times":1}`)
	if got := c.ok("GET", "/control/faults", ""); !strings.Contains(got, `"server_error"`) {
		t.Errorf("faults: got %s", got)
	}
	want(t, "fault", b.refresh(refresh), 500, "server_error")
	c.ok("POST", "/control/faults", `{"endpoint":"token","name":"html"}`)
	c.ok("DELETE", "/control/faults?endpoint=token", "")
	if r := b.refresh(refresh); r.status != http.StatusOK {
		t.Errorf("healed: got %d, want 200", r.status)
	}
	var kinds []providertest.FaultKind
	if err := json.Unmarshal([]byte(c.ok("GET", "/control/faults/kinds", "")), &kinds); err != nil || len(kinds) != len(providertest.FaultKinds()) {
		t.Errorf("kinds: got %d, %v", len(kinds), err)
	}

	var history struct {
		Summary map[string]int
		Records []providertest.Record
	}
	if err := json.Unmarshal([]byte(c.ok("GET", "/control/history?endpoint=token&last=1", "")), &history); err != nil {
		t.Fatal(err)
	}
	if len(history.Records) != 1 || history.Records[0].Outcome != providertest.Rotated || history.Summary["rotations"] != 1 || history.Summary["token_requests"] != 3 {
		t.Errorf("history: got %+v", history)
	}
	c.ok("DELETE", "/control/history", "")
	if got := len(b.server.History().All()); got != 0 {
		t.Errorf("history: got %d records after clearing, want 0", got)
	}

	c.ok("POST", "/control/drop-access", "")
	if r := b.bearer("/userinfo", access); r.status != http.StatusUnauthorized {
		t.Errorf("dropped: got %d, want 401", r.status)
	}
	_, refresh = b.login()
	c.ok("POST", "/control/revoke", `{"user":"bob"}`)
	want(t, "revoked", b.refresh(refresh), 400, "invalid_grant")
}

func TestControlAPIRefuses(t *testing.T) {
	b := start(t, providertest.Config{})
	c := control(t, b.server.Control())
	for path, body := range map[string]string{
		"/control/clock":    `{"advance":"tomorrow"}`,
		"/control/decision": `{"answer":"perhaps"}`,
		"/control/faults":   `{"endpoint":"token","name":"no_such_fault"}`,
		"/control/revoke":   `{"user":"nobody"}`,
		"/control/release":  `{"unknown":true}`,
	} {
		if status, answer := c.call("POST", path, body); status != http.StatusBadRequest || !strings.Contains(answer, `"error"`) {
			t.Errorf("%s %s: got %d %s, want 400 with an error", path, body, status, answer)
		}
	}
	if status, _ := c.call("POST", "/control/clock", `{"advance":"1h"}`, "Origin", "https://evil.invalid"); status != http.StatusForbidden {
		t.Errorf("a page of another origin: got %d, want 403", status)
	}
	if res := b.get(b.server.URL + "/control/history"); res.status != http.StatusNotFound {
		t.Errorf("control on the server's own address: got %d, want 404", res.status)
	}
}
