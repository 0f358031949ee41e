package httpapi_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/httpapi"
)

// document is openapi.json as the judge of answers.
type document struct {
	paths map[string]map[string]operation // path, method in lower case
	*jsonschema.Compiler
	mu    sync.Mutex
	tried map[string]map[int]bool // operation, status
}

type operation struct {
	ID        string                     `json:"operationId"`
	Responses map[string]json.RawMessage `json:"responses"`
}

func readDocument(t testing.TB) *document {
	t.Helper()
	file, err := os.Open("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	raw, err := jsonschema.UnmarshalJSON(file)
	if err != nil {
		t.Fatal(err)
	}
	d := &document{Compiler: jsonschema.NewCompiler(), tried: map[string]map[int]bool{}}
	d.AssertFormat()
	if err := d.AddResource("openapi.json", raw); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(raw.(map[string]any)["paths"])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &d.paths); err != nil {
		t.Fatal(err)
	}
	return d
}

var (
	aliasPrefix = regexp.MustCompile(`^/v1/orgs/[^/]+/projects/[^/]+/`)
	placeholder = regexp.MustCompile(`\\\{\w+\\\}`)
)

// find gives the operation that a request means.
func (d *document) find(method, target string) (path string, op operation, ok bool) {
	target, _, _ = strings.Cut(target, "?")
	target = aliasPrefix.ReplaceAllString(target, "/v1/")
	if op, ok := d.paths[target][strings.ToLower(method)]; ok { // before the patterns that fit it, too
		return target, op, ok
	}
	for path, methods := range d.paths {
		if _, known := methods[strings.ToLower(method)]; !known {
			continue
		}
		pattern := placeholder.ReplaceAllString(regexp.QuoteMeta(path), `[^/]+`)
		if regexp.MustCompile("^" + pattern + "$").MatchString(target) {
			op, ok = methods[strings.ToLower(method)]
			return path, op, ok
		}
	}
	return "", operation{}, false
}

// check holds an answer against the document.
func (d *document) check(t testing.TB, method, target string, got reply) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	at := "/components/schemas/Error" // what no route knows
	if path, op, ok := d.find(method, target); ok {
		status := strconv.Itoa(got.status)
		declared, ok := op.Responses[status]
		if !ok {
			t.Errorf("%s %s: the document knows no answer %s: %s", method, target, status, got.text)
			return
		}
		if d.tried[op.ID] == nil {
			d.tried[op.ID] = map[int]bool{}
		}
		d.tried[op.ID][got.status] = true
		if got.status == http.StatusNoContent {
			if strings.Contains(string(declared), "content") {
				t.Errorf("%s %s: the document promises a body with 204", method, target)
			}
			return
		}
		at = "/paths/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(path) + "/" + strings.ToLower(method) +
			"/responses/" + status + "/content/application~1json/schema"
	}
	schema, err := d.Compile("openapi.json#" + (&url.URL{Path: at}).EscapedPath())
	if err != nil {
		t.Fatal(err)
	}
	instance, err := jsonschema.UnmarshalJSON(strings.NewReader(got.text))
	if err != nil {
		t.Error(err)
		return
	}
	if err := schema.Validate(instance); err != nil {
		t.Errorf("%s %s: the answer %d breaks the document: %v\n%s", method, target, got.status, err, got.text)
	}
}

// Every answer in every test is held against the document; this test sees to it that each route has
// been through with a success and a refusal.
func TestEveryRouteAnswersAsDocumented(t *testing.T) {
	var ill error
	l := newLab(t, options{broker: func(c *keybearer.Config) { withSites(c); rotatable(t)(c); c.Events = &keptEvents{} }, door: func(c *httpapi.Config) {
		tools(t)(c)
		c.Health = func(context.Context) error { return ill }
	}})
	const admin = "/v1/admin/"
	id := l.connect("alice")
	l.do("GET", "/v1/auth/status?id="+id, "").want(200, "")
	l.do("GET", "/v1/auth/status?id=ac_x", "").want(404, "")
	l.do("POST", "/v1/auth/authorize", "{}").want(400, "")
	l.do("POST", "/v1/auth/confirm_user", "{}").want(400, "")
	flow := l.do("POST", "/v1/auth/validate_custom_verifier", `{"user_id":"alice","verifier_url":"`+verifierURL+`"}`).want(200, "").str("flow_id")
	l.do("POST", "/v1/auth/validate_custom_verifier", `{"user_id":"alice","verifier_url":"x"}`).want(400, "")
	l.do("POST", "/api/v1/oauth/confirm_user", `{"flow_id":"`+flow+`","user_id":"alice"}`).want(200, "")
	l.do("POST", "/api/v1/oauth/confirm_user", `{"flow_id":"`+flow+`","user_id":"bob"}`).want(400, "")

	l.do("POST", admin+"auth_providers", full(l.provider.URL)).want(201, "")
	l.do("POST", admin+"auth_providers", "{}").want(400, "")
	l.do("PATCH", admin+"auth_providers/my-hooli", "{}").want(200, "")
	l.do("PATCH", admin+"auth_providers/hooli", "{}").want(403, "")
	for _, method := range []string{"GET", "DELETE"} {
		l.do(method, admin+"auth_providers/my-hooli", "").want(200, "")
		l.do(method, admin+"auth_providers/nobody", "").want(404, "")
	}
	connection := l.do("GET", admin+"user_connections", "").want(200, "").str("items", 0, "id")
	l.do("DELETE", admin+"user_connections/"+connection, "").want(204, "")
	l.do("DELETE", admin+"user_connections/"+connection, "").want(404, "")
	l.do("POST", admin+"user_connections", `{"user_id":"bot","provider_id":"hooli","kind":"api_token","username":"bot@example.com","secret":"not-a-token"}`).want(201, "")
	l.do("POST", admin+"user_connections", "{}").want(400, "")
	l.trySites()
	l.tryProxied()
	l.tryTools()
	l.do("PUT", admin+"settings/session_verification", "{}").want(200, "")
	l.do("PUT", admin+"settings/session_verification", `{"verifier_url":"x"}`).want(400, "")
	key := l.do("POST", admin+"api_keys", `{"name":"ci"}`).want(201, "").str("id")
	l.do("POST", admin+"api_keys", `{}`).want(400, "")
	l.do("DELETE", admin+"api_keys/"+key, "").want(204, "")
	l.do("DELETE", admin+"api_keys/x", "").want(404, "")
	l.do("PUT", admin+"accounts/carol", `{"password":"`+password+`"}`).want(200, "")
	l.do("PUT", admin+"accounts/carol", `{}`).want(400, "")
	l.do("DELETE", admin+"accounts/carol", "").want(204, "")
	l.do("DELETE", admin+"accounts/carol", "").want(404, "")
	for _, list := range []string{"auth_providers", "user_connections", "settings/session_verification", "api_keys", "accounts", "sealing_keys"} {
		l.do("GET", admin+list, "").want(200, "")
		l.do("GET", admin+list, "", "Authorization", "").want(401, "")
	}
	l.do("POST", admin+"sealing_keys", "").want(201, "")
	l.do("POST", admin+"sealing_keys", "", "Authorization", appKey).want(403, "")
	l.do("GET", "/v1/config", "").want(200, "")
	l.do("GET", "/v1/swagger", "").want(200, "")
	l.do("GET", "/v1/health", "").want(200, "")
	ill = keybearer.Errorf(keybearer.Unavailable, "away")
	l.do("GET", "/v1/health", "").want(503, "")
	l.do("POST", "/v1/chat/completions", "{}").want(501, "")

	for path, methods := range l.doc.paths {
		for method, op := range methods {
			good, bad := false, false
			for status := range l.doc.tried[op.ID] {
				good, bad = good || status < 400, bad || status >= 400
			}
			if op.ID == "config" || op.ID == "swagger" { // nothing can go wrong there
				bad = true
			}
			if op.ID == "chatCompletions" || op.ID == "authorizeWorker" { // nothing can go right there
				good = true
			}
			if !good || !bad {
				t.Errorf("%s %s: tried a success %v, a refusal %v: want both", method, path, good, bad)
			}
		}
	}
}
