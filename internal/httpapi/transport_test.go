package httpapi_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/httpapi"
)

func TestKeyIsTakenInAllItsForms(t *testing.T) {
	l := newLab(t, options{})
	for _, form := range []string{
		adminKey, "Bearer " + adminKey, "bearer " + adminKey, "BEARER   " + adminKey, "  " + adminKey + "  ", "Bearer " + adminKey + " ",
	} {
		l.do("GET", "/v1/admin/auth_providers", "", "Authorization", form).want(200, "")
	}
}

func TestRequestsWithoutAValidKey(t *testing.T) {
	l := newLab(t, options{})
	for _, form := range []string{"", "Bearer", "bearer ", "   "} {
		r := l.do("GET", "/v1/admin/auth_providers", "", "Authorization", form).want(401, "invalid_authorization")
		if got, want := r.str("message"), "Missing Authorization header"; got != want {
			t.Errorf("%q: got message %q, want %q", form, got, want)
		}
		if got := r.header.Get("WWW-Authenticate"); !strings.HasPrefix(got, "Bearer") {
			t.Errorf("%q: got WWW-Authenticate %q, want Bearer", form, got)
		}
	}
	for _, form := range []string{"arc_wrong", "Bearer arc_wrong", "Basic " + adminKey, adminKey + "x"} {
		r := l.do("GET", "/v1/auth/status?id=ac_x", "", "Authorization", form).want(401, "invalid_authorization")
		if strings.Contains(r.text, "arc_wrong") {
			t.Errorf("the answer repeats the key: %s", r.text)
		}
	}
	// A body is not even looked at before the key.
	l.do("POST", "/v1/auth/authorize", "{", "Authorization", "").want(401, "invalid_authorization")
}

func TestTwoAuthorizationHeadersAreRefused(t *testing.T) {
	l := newLab(t, options{})
	conn, err := net.Dial("tcp", l.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /v1/admin/accounts HTTP/1.1\r\nHost: lab\r\nAuthorization: %s\r\nAuthorization: %s\r\nConnection: close\r\n\r\n", adminKey, appKey)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	l.read("GET", "/v1/admin/accounts", resp).want(401, "invalid_authorization")
}

func TestAppKeyIsNoAdminKey(t *testing.T) {
	l := newLab(t, options{})
	for _, c := range [][2]string{
		{"GET", "/v1/admin/auth_providers"},
		{"POST", "/v1/admin/auth_providers"},
		{"GET", "/v1/admin/auth_providers/hooli"},
		{"PATCH", "/v1/admin/auth_providers/hooli"},
		{"DELETE", "/v1/admin/auth_providers/hooli"},
		{"GET", "/v1/admin/user_connections"},
		{"DELETE", "/v1/admin/user_connections/conn_x"},
		{"GET", "/v1/admin/settings/session_verification"},
		{"PUT", "/v1/admin/settings/session_verification"},
		{"GET", "/v1/admin/api_keys"},
		{"POST", "/v1/admin/api_keys"},
		{"DELETE", "/v1/admin/api_keys/key_x"},
		{"GET", "/v1/admin/accounts"},
		{"PUT", "/v1/admin/accounts/alice"},
		{"DELETE", "/v1/admin/accounts/alice"},
		{"GET", "/v1/workers"},
		{"POST", "/v1/workers"},
		{"GET", "/v1/workers/x"},
		{"PATCH", "/v1/workers/x"},
		{"DELETE", "/v1/workers/x"},
		{"GET", "/v1/workers/x/authorize"},
		{"GET", "/v1/admin/secrets"},
		{"POST", "/v1/admin/secrets/HOOK"},
		{"DELETE", "/v1/admin/secrets/sec_x"},
		{"POST", "/v1/auth/validate_custom_verifier"},
	} {
		body := ""
		if c[0] == "POST" && strings.HasSuffix(c[1], "verifier") {
			body = `{"user_id":"alice","verifier_url":"` + verifierURL + `"}`
		}
		l.do(c[0], c[1], body, "Authorization", appKey).want(403, "permission_denied")
	}
}

func TestAliasUnderOrganisationAndProject(t *testing.T) {
	l := newLab(t, options{})
	const at = "/v1/orgs/o-1/projects/any%20thing"
	id := l.do("POST", at+"/auth/authorize", authorizeBody("hooli", "alice", "[]")).want(200, "").str("id")
	l.do("GET", at+"/auth/status?id="+id, "").want(200, "")
	l.do("GET", at+"/admin/auth_providers/hooli", "").want(200, "")
	l.do("GET", at+"/health", "").want(200, "")
	l.do("GET", at+"/nowhere", "").want(404, "not_found")
}

func TestUnknownPathsAndMethods(t *testing.T) {
	l := newLab(t, options{})
	for _, path := range []string{"/v1/_stainless_unknown_path", "/v1/", "/v1/toolboxes", "/v1/auth/status/", "/elsewhere"} {
		l.do("GET", path, "", "Authorization", "").want(404, "not_found")
	}
	r := l.read("PUT", "/v1/unknown", l.raw("PUT", "/v1/admin/auth_providers/hooli"))
	r.want(405, "method_not_allowed")
	if got, want := r.header.Get("Allow"), "GET, PATCH, DELETE"; got != want {
		t.Errorf("got Allow %q, want %q", got, want)
	}
}

// raw sends a request without a key or a body.
func (l *lab) raw(method, path string) *http.Response {
	l.t.Helper()
	r, err := http.NewRequestWithContext(l.t.Context(), method, l.url+path, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	resp, err := l.server.Client().Do(r)
	if err != nil {
		l.t.Fatal(err)
	}
	return resp
}

func TestBodies(t *testing.T) {
	l := newLab(t, options{door: func(c *httpapi.Config) { c.MaxBody = 1000 }})
	good := authorizeBody("hooli", "alice", "[]")
	for name, c := range map[string]struct {
		body, contentType, encoding string
		status                      int
		name                        string
	}{
		"plain":                   {body: good, contentType: "application/json", status: 200},
		"charset":                 {body: good, contentType: "application/json; charset=UTF-8", status: 200},
		"suffix":                  {body: good, contentType: "application/vnd.api+json", status: 200},
		"no type":                 {body: good, status: 200},
		"spaces around":           {body: " \n" + good + "\n ", contentType: "application/json", status: 200},
		"identity":                {body: good, contentType: "application/json", encoding: "identity", status: 200},
		"form":                    {body: "user_id=alice", contentType: "application/x-www-form-urlencoded", status: 415, name: "unsupported_media_type"},
		"text":                    {body: good, contentType: "text/plain", status: 415, name: "unsupported_media_type"},
		"malformed type":          {body: good, contentType: "application/json; charset", status: 415, name: "unsupported_media_type"},
		"other charset":           {body: good, contentType: "application/json; charset=utf-16", status: 415, name: "unsupported_media_type"},
		"compressed":              {body: good, contentType: "application/json", encoding: "gzip", status: 415, name: "unsupported_media_type"},
		"form without a body":     {contentType: "application/x-www-form-urlencoded", status: 400, name: "bad_request"},
		"too large":               {body: `{"user_id":"` + strings.Repeat("a", 1000) + `"}`, contentType: "application/json", status: 413, name: "too_large"},
		"syntax":                  {body: `{"user_id":`, contentType: "application/json", status: 400, name: "bad_request"},
		"a list":                  {body: `[]`, contentType: "application/json", status: 400, name: "bad_request"},
		"a text":                  {body: `"x"`, contentType: "application/json", status: 400, name: "bad_request"},
		"trailing":                {body: good + `{}`, contentType: "application/json", status: 400, name: "bad_request"},
		"trailing word":           {body: good + ` true`, contentType: "application/json", status: 400, name: "bad_request"},
		"twice":                   {body: `{"user_id":"alice","user_id":"bob","auth_requirement":{"id":"hooli"}}`, contentType: "application/json", status: 400, name: "bad_request"},
		"twice but for case":      {body: `{"user_id":"alice","USER_ID":"bob","auth_requirement":{"id":"hooli"}}`, contentType: "application/json", status: 400, name: "bad_request"},
		"twice with an escape":    {body: `{"user_id":"alice","us\u0065r_id":"bob","auth_requirement":{"id":"hooli"}}`, contentType: "application/json", status: 400, name: "bad_request"},
		"twice with a long s":     {body: `{"user_id":"alice","uſer_id":"bob","auth_requirement":{"id":"hooli"}}`, contentType: "application/json", status: 400, name: "bad_request"},
		"twice inside":            {body: `{"user_id":"alice","auth_requirement":{"id":"hooli","x":[{"a":1,"b":"{","a":2}]}}`, contentType: "application/json", status: 400, name: "bad_request"},
		"same name elsewhere":     {body: `{"user_id":"alice","x":{"user_id":"bob"},"auth_requirement":{"id":"hooli"}}`, contentType: "application/json", status: 200},
		"not UTF-8":               {body: "{\"user_id\":\"al\xffce\"}", contentType: "application/json", status: 400, name: "bad_request"},
		"wrong type":              {body: `{"user_id":7654321}`, contentType: "application/json", status: 400, name: "bad_request"},
		"wrong type further down": {body: `{"auth_requirement":{"oauth2":{"scopes":"read"}},"user_id":"alice"}`, contentType: "application/json", status: 400, name: "bad_request"},
	} {
		t.Run(name, func(t *testing.T) {
			r := l.do("POST", "/v1/auth/authorize", c.body, "Content-Type", c.contentType, "Content-Encoding", c.encoding).want(c.status, c.name)
			if strings.Contains(r.text, "7654321") {
				t.Errorf("the answer repeats a value: %s", r.text)
			}
		})
	}
}

func TestBodyOfUnknownLengthIsBoundedToo(t *testing.T) {
	l := newLab(t, options{door: func(c *httpapi.Config) { c.MaxBody = 1000 }})
	r, err := http.NewRequestWithContext(t.Context(), "POST", l.url+"/v1/auth/authorize", &endless{})
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", adminKey)
	r.Header.Set("Content-Type", "application/json")
	resp, err := l.server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	l.read("POST", "/v1/auth/authorize", resp).want(413, "too_large")
}

type endless struct{}

func (*endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// Published clients send a content type with DELETE, which has no body.
func TestDeleteWithAContentType(t *testing.T) {
	l := newLab(t, options{})
	l.do("DELETE", "/v1/admin/user_connections/conn_x", "", "Content-Type", "application/json").want(404, "not_found")
	l.do("GET", "/v1/admin/auth_providers", "", "Accept", "text/plain;q=0.1").want(200, "")
}

func TestRetryHints(t *testing.T) {
	away := &keybearer.Error{Kind: keybearer.RateLimited, Err: errors.New("slow down"), RetryAfter: 1500e6}
	for _, c := range []struct {
		err         error
		status      int
		retry       string
		after, name string
	}{
		{away, 429, "", "2", "rate_limited"},
		{keybearer.Errorf(keybearer.Unavailable, "the database is locked"), 503, "", "", "unavailable"},
		{keybearer.Errorf(keybearer.Conflict, "changed meanwhile"), 409, "false", "", "conflict"},
		{errors.New("a bug"), 500, "", "", "internal_error"},
	} {
		l := newLab(t, options{broker: func(cfg *keybearer.Config) {
			cfg.Connections = &broken{Memory: keybearer.NewMemory(), err: c.err}
		}})
		r := l.do("POST", "/v1/auth/authorize", authorizeBody("hooli", "alice", "[]")).want(c.status, c.name)
		if got := r.header.Get("x-should-retry"); got != c.retry {
			t.Errorf("%s: got x-should-retry %q, want %q", c.name, got, c.retry)
		}
		if got := r.header.Get("Retry-After"); got != c.after {
			t.Errorf("%s: got Retry-After %q, want %q", c.name, got, c.after)
		}
	}
	l := newLab(t, options{})
	for path, status := range map[string]int{"/v1/chat/completions": 501, "/v1/nowhere": 404} {
		if r := l.do("POST", path, `{"model":"x"}`).want(status, ""); r.header.Get("x-should-retry") != "false" {
			t.Errorf("%s: got x-should-retry %q, want false", path, r.header.Get("x-should-retry"))
		}
	}
}

func TestInternalErrorsStayInside(t *testing.T) {
	for name, store := range map[string]*broken{
		"error":              {err: fmt.Errorf("opening grant of alice with key %s", "secret-detail")},
		"panic with a text":  {panics: "secret-detail"},
		"panic with a value": {panics: errors.New("secret-detail")},
	} {
		t.Run(name, func(t *testing.T) {
			store.Memory = keybearer.NewMemory()
			l := newLab(t, options{broker: func(cfg *keybearer.Config) { cfg.Connections = store }})
			r := l.do("POST", "/v1/auth/authorize", authorizeBody("hooli", "alice", "[]"), "X-Request-Id", "from-the-proxy-7").want(500, "internal_error")
			if strings.Contains(r.text, "secret-detail") {
				t.Errorf("the answer tells what is inside: %s", r.text)
			}
			if r.str("request_id") != "from-the-proxy-7" || r.header.Get("X-Request-Id") != "from-the-proxy-7" {
				t.Errorf("got request id %q and header %q, want the caller's", r.str("request_id"), r.header.Get("X-Request-Id"))
			}
			if !strings.Contains(l.log.String(), "from-the-proxy-7") {
				t.Error("the log does not name the request")
			}
			if store.panics != nil && strings.Contains(l.log.String(), "secret-detail") {
				t.Error("the log has the value of the panic, which may be anything")
			}
			l.do("GET", "/v1/health", "").want(200, "") // and the engine goes on
		})
	}
}

func TestRequestIDsThatAreNotPlainAreReplaced(t *testing.T) {
	l := newLab(t, options{})
	for _, id := range []string{"", "a b", "<script>", strings.Repeat("a", 65)} {
		got := l.do("GET", "/v1/auth/status", "", "X-Request-Id", id).want(400, "").header.Get("X-Request-Id")
		if !strings.HasPrefix(got, "req_") {
			t.Errorf("%q: got %q, want an id of the engine's own", id, got)
		}
	}
}

// broken fails when a connection is looked for.
type broken struct {
	*keybearer.Memory
	err    error
	panics any
}

func (b *broken) Connection(ctx context.Context, ref keybearer.Ref) (keybearer.Connection, error) {
	if b.panics != nil {
		panic(b.panics)
	}
	return keybearer.Connection{}, b.err
}

func TestHealthConfigSwaggerAndChat(t *testing.T) {
	var ill error
	l := newLab(t, options{door: func(c *httpapi.Config) {
		c.Health = func(context.Context) error { return ill }
	}})
	r := l.do("GET", "/v1/health", "", "Authorization", "").want(200, "")
	if got, want := strings.TrimSpace(r.text), `{"healthy":true}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	ill = keybearer.Errorf(keybearer.Unavailable, "open /var/lib/keybearer/db: locked")
	r = l.do("GET", "/v1/health", "", "Authorization", "").want(503, "")
	if r.at("healthy") != false || !strings.Contains(r.str("reason"), "storage") || strings.Contains(r.text, "/var/lib") {
		t.Errorf("got %s, want unhealthy with a reason that tells no path", r.text)
	}
	if !strings.Contains(l.log.String(), "/var/lib") {
		t.Error("the log does not tell why")
	}

	r = l.do("GET", "/v1/config", "", "Authorization", "").want(200, "")
	if got, want := r.str("oauth2", "callback_url_template"), l.url+"/api/v1/oauth/{external_id}/callback"; got != want {
		t.Errorf("got callback_url_template %q, want %q", got, want)
	}
	if got := r.str("engine", "version"); got != "1.2.3" {
		t.Errorf("got version %q, want 1.2.3", got)
	}

	r = l.do("GET", "/v1/swagger", "", "Authorization", "").want(200, "")
	if got := r.str("openapi"); got != "3.1.0" {
		t.Errorf("got openapi %q, want 3.1.0", got)
	}
	l.do("POST", "/v1/chat/completions", `{"messages":[]}`).want(501, "not_implemented")
	l.do("POST", "/v1/chat/completions", `{"messages":[]}`, "Authorization", "").want(401, "")
}
