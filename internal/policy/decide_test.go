package policy_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/policy"
)

// The sentences are read by people and agents, and say where to look.
func TestReasons(t *testing.T) {
	p := parse(t, `version: 1
unmatched_hosts: refuse
rules:
  - name: reads
    runs: [reader]
    read_only: true
  - name: never delete
    methods: [DELETE]
    verdict: refuse
  - hosts: [api.example.com]
    paths: [/open/**]
    verdict: allow
  - connections: [atlassian]
    verdict: ask
  - hosts: [db.internal]
    methods: [GET]
    verdict: ask
`)
	for _, c := range []struct{ request, want string }{
		{"reader github POST api.github.com /user", "the policy refuses POST at api.github.com: rule `reads` of policy.yaml line 4 lets through only what reads"},
		{"x github DELETE api.github.com /user", "the policy refuses DELETE at api.github.com: rule `never delete` of policy.yaml line 7"},
		{"x github DELETE api.github.com:8443 /user", "the policy refuses DELETE at api.github.com port 8443: rule `never delete` of policy.yaml line 7"},
		{"x github GET api.github.com /user", "the policy refuses GET at api.github.com: no rule of policy.yaml allows it; whoever may change that file can add one"},
		{"x mine GET api.example.com /open/x", "rule 3 of policy.yaml line 10 allows it"},
		{"x mine GET api.example.com /open%2fx", "the policy refuses GET at api.example.com: the path can be read in more than one way (it has an encoded slash), and rule 3 of policy.yaml line 10 is about paths; write it in its plain form"},
		{"x mine GET api.example.com /open/../x", "the policy refuses GET at api.example.com: the path can be read in more than one way (it has dot segments or doubled slashes), and rule 3 of policy.yaml line 10 is about paths; write it in its plain form"},
		{"x atlassian PUT teahouse.atlassian.net /x", "the policy asks a person about PUT at teahouse.atlassian.net: rule 4 of policy.yaml line 13"},
		{"x - - example.com -", "the policy refuses a tunnel to example.com: no connection serves the host, and policy.yaml line 2 has unmatched_hosts: refuse"},
		{"x - - db.internal -", "the policy refuses a tunnel to db.internal: rule 5 of policy.yaml line 15 is about what a tunnel hides"},
		{"x github - api.github.com -", "the policy refuses a tunnel to api.github.com: a request to a host that a connection serves is judged by its method, and this one has none"},
		{"x github GET api_github_com/evil -", "the policy refuses GET at a host: policy.yaml cannot be held against this host: write it as a name of DNS in ASCII, or as an address"},
		{"x github \x1b[31m api.github.com /", "the policy refuses a request to api.github.com: no rule of policy.yaml allows it; whoever may change that file can add one"},
		{"x github " + strings.Repeat("X", 21) + " api.github.com /", "the policy refuses a request to api.github.com: no rule of policy.yaml allows it; whoever may change that file can add one"},
	} {
		if got := p.Decide(request(strings.Fields(c.request))).Reason; got != c.want {
			t.Errorf("%q:\n got %s\nwant %s", c.request, got, c.want)
		}
	}
}

func TestWithoutAPolicyConnectionsAreUsedAndOthersTunnelled(t *testing.T) {
	var none *policy.Policy
	if got := none.Decide(policy.Request{Matched: true, Method: "DELETE", Host: "api.github.com", Path: "/x%2fy"}).Verdict; got != policy.Allow {
		t.Errorf("a host with a connection: %s, want allow", got)
	}
	if got := none.Decide(policy.Request{Host: "example.com"}).Verdict; got != policy.Tunnel {
		t.Errorf("a host without: %s, want tunnel", got)
	}
	if rules := none.File().Rules; rules != nil {
		t.Errorf("rules %v of no file", rules)
	}
}

// The zero request is nobody's, and an empty file lets nothing through.
func TestAPolicyWithoutRulesRefuses(t *testing.T) {
	p, problems := policy.Parse("policy.yaml", []byte("version: 1\nrules: []\n"))
	if problems.Failed() {
		t.Fatal(problems)
	}
	for _, q := range []policy.Request{{}, {Matched: true}, {Matched: true, Method: "GET", Host: "api.github.com", Path: "/"}} {
		if d := p.Decide(q); d.Verdict != policy.Refuse || d.Reason == "" {
			t.Errorf("%+v: %+v, want it refused", q, d)
		}
	}
}

func TestHosts(t *testing.T) {
	for raw, want := range map[string]string{
		"API.GitHub.com":    "api.github.com",
		"api.github.com.":   "api.github.com",
		"api.github.com:80": "api.github.com 80",
		"_x.example.com":    "_x.example.com",
		"localhost":         "localhost",
		"127.0.0.1":         "127.0.0.1",
		"127.0.0.1:8080":    "127.0.0.1 8080",
		"::1":               "::1",
		"[::1]":             "::1",
		"[0:0::1]:443":      "::1 443",
		"::ffff:127.0.0.1":  "127.0.0.1",
	} {
		name, port, ok := policy.ReadHost(raw)
		if got := strings.TrimSpace(name + " " + port); !ok || got != want {
			t.Errorf("%q is %q (%v), want %q", raw, got, ok, want)
		}
	}
	for _, raw := range []string{
		"", ".", "a..b", ".a", "a..", "a b", "a/b", "a\\b", "a%2eb", "a@b", "a:", "a:0", "a:08", "a:+8", "a:65536", "a:b", "[a]", "[127.0.0.1]",
		"[::1", "[::1]x", "[::1]:", "::1%eth0", "[fe80::1%25lo]", "1.2.3", "0x7f.1", "127.1", "2130706433", "a.0x1", "127.0.0.01", "é.example",
		strings.Repeat("a", 64) + ".example", strings.Repeat("a.", 127) + "aa",
	} {
		if name, port, ok := policy.ReadHost(raw); ok {
			t.Errorf("%q was taken as %q, %q", raw, name, port)
		}
	}
}

// A POST that a header makes a DELETE is judged as both.
func TestMethodsInHeaders(t *testing.T) {
	p := parse(t, "version: 1\nrules:\n  - {name: never delete, methods: [DELETE], verdict: refuse}\n  - {methods: [PUT], verdict: ask}\n  - {verdict: allow}\n")
	for _, c := range []struct {
		headers http.Header
		method  string
		want    policy.Verdict
	}{
		{http.Header{}, "POST", policy.Allow},
		{http.Header{"X-Http-Method-Override": {"DELETE"}}, "POST", policy.Refuse},
		{http.Header{"X-Http-Method": {" delete "}}, "POST", policy.Refuse},
		{http.Header{"X-Method-Override": {"PUT"}}, "POST", policy.Ask},
		{http.Header{"X-Method-Override": {"GET"}}, "POST", policy.Allow},
		{http.Header{"X-Method-Override": {"GET"}}, "DELETE", policy.Refuse},
		{http.Header{"X-Method-Override": {"GET"}}, "PUT", policy.Ask},
		{http.Header{"X-Http-Method-Override": {"GET", "GET"}, "X-Http-Method": {"get"}}, "POST", policy.Allow},
		{http.Header{"X-Http-Method-Override": {"GET", "PATCH"}}, "POST", policy.Refuse},
		{http.Header{"X-Http-Method-Override": {"GET"}, "X-Http-Method": {"PATCH"}}, "POST", policy.Refuse},
		{http.Header{"X-Http-Method-Override": {"GE T"}}, "POST", policy.Refuse},
	} {
		q := get("/")
		q.Method, q.Override = c.method, policy.Override(c.headers)
		d := p.Decide(q)
		if d.Verdict != c.want {
			t.Errorf("%s with %v: %+v, want %s", c.method, c.headers, d, c.want)
		}
	}
	q := get("/")
	q.Override = "DELETE"
	want := "the policy refuses DELETE at api.github.com: rule `never delete` of policy.yaml line 3 (a header asks to take the request for DELETE)"
	if got := p.Decide(q).Reason; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	var none *policy.Policy
	if got := none.Decide(q).Verdict; got != policy.Allow {
		t.Errorf("without a policy: %s, want allow", got)
	}
}

func TestRulesThatNameTheVeryHostSaySo(t *testing.T) {
	p := parse(t, "version: 1\nrules:\n  - {hosts: ['*.internal', db.internal, 10.0.0.7], verdict: tunnel}\n  - {verdict: allow}\n")
	for host, want := range map[string]bool{"db.internal": true, "DB.internal:5432": true, "web.internal": false, "10.0.0.7": true, "example.com": false} {
		if d := p.Decide(policy.Request{Host: host}); d.Verdict != policy.Tunnel || d.Named != want {
			t.Errorf("%s: %+v, want it named: %v", host, d, want)
		}
	}
	if d := p.Decide(get("/")); d.Named {
		t.Errorf("%+v, of a rule without hosts", d)
	}
}

func TestManyConnectionsAreToldApart(t *testing.T) {
	var text strings.Builder
	text.WriteString("version: 1\nrules:\n")
	for i := range 100 {
		fmt.Fprintf(&text, "  - {name: a%d, connections: [p%d], methods: [GET], verdict: allow}\n  - {name: b%d, connections: [p%d], verdict: ask}\n", i, i, i, i)
	}
	p := parse(t, text.String())
	for i := range 100 {
		q := get("/")
		q.Provider = keybearer.ProviderID(fmt.Sprintf("p%d", i))
		if got, want := p.Decide(q).Rule, fmt.Sprintf("a%d", i); got != want {
			t.Errorf("GET with %s: %q, want %q", q.Provider, got, want)
		}
		q.Method = "POST"
		if got, want := p.Decide(q).Rule, fmt.Sprintf("b%d", i); got != want {
			t.Errorf("POST with %s: %q, want %q", q.Provider, got, want)
		}
	}
}

func TestLongPathsAreNotJudged(t *testing.T) {
	for length, judged := range map[int]bool{8 << 10: true, 8<<10 + 1: false} {
		if _, fault := policy.ReadPath("/" + strings.Repeat("a", length-1)); (fault == "") != judged {
			t.Errorf("%d bytes: %q, want it judged: %v", length, fault, judged)
		}
	}
}

func TestGlobs(t *testing.T) {
	for _, c := range []struct {
		pattern, path string
		fits          bool
	}{
		{"/", "", true},
		{"/", "/a", false},
		{"/**", "", true},
		{"/**", "/a/b/c", true},
		{"/a", "/a", true},
		{"/a", "/a/b", false},
		{"/a", "/A", false},
		{"/a/", "/a", true},
		{"/*", "", false},
		{"/*", "/a", true},
		{"/*", "/a/b", false},
		{"/a/**", "/a", true},
		{"/a/**", "/a/b/c", true},
		{"/a/**", "/ab", false},
		{"/**/z", "/z", true},
		{"/**/z", "/a/z/b/z", true},
		{"/**/z", "/a/z/b", false},
		{"/a/**/m/*/z", "/a/m/m/x/z", true},
		{"/a/**/m/*/z", "/a/x/m/z", false},
		{"/**/a/**/b", "/x/a/y/a/b", true},
		{"/x-*", "/x-", true},
		{"/x-*", "/x-1", true},
		{"/x-*", "/y-1", false},
		{"/*.json", "/a.json", true},
		{"/*.json", "/a.json.txt", false},
		{"/a*b*c", "/axxbxxbc", true},
		{"/*", "//", false},
	} {
		if got := policy.FitsPath(c.pattern, c.path); got != c.fits {
			t.Errorf("%s fits %q: %v, want %v", c.pattern, c.path, got, c.fits)
		}
	}
}
