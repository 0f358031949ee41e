package oauth_test

import (
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/keybearer/keybearer/oauth"
)

// sound is a definition without a problem.
const sound = `
issuer: https://login.example.com
pkce: {enabled: true, code_challenge_method: S256}
authorize_request: {endpoint: https://login.example.com/authorize, method: GET}
token_request:
  endpoint: https://login.example.com/token?tenant=a%20b
  auth_method: client_secret_basic
  params: {grant_type: authorization_code, code: "{{ code }}", redirect_uri: "{{redirect_uri}}", v: "{{code_verifier}}", s: "{{state}}"}
  headers: {X-Api-Key: "{{client_id}}"}
  response_map: {access_token: $.a, refresh_token: $.b, token_type: $.c, scope: $.d, expires_in: $.e, id_token: $.f}
refresh_request: {params: {r: "{{refresh_token}}", a: "{{access_token}}", g: "{{granted_scopes}} {{scopes}}", u: "{{redirect_uri}}"}}
user_info_request: {endpoint: https://api.example.com/me, triggers: {on_token_grant: true}}
token_introspection_request:
  endpoint: https://login.example.com/introspect
  response_map: {expires_in: $.exp, scope: $.scope}
  expiration_format: relative_seconds
  triggers: {on_token_grant: true}
revoke_request: {endpoint: https://login.example.com/revoke, params: {token: "{{token}}"}}
errors: [{on: refresh, code: dead, class: reconsent, advice: again}]
`

// define reads YAML and lays it over the sound definition.
func define(t testing.TB, over string) oauth.Definition {
	t.Helper()
	var base, d oauth.Definition
	for text, into := range map[string]*oauth.Definition{sound: &base, over: &d} {
		if err := yaml.Load([]byte(text), into, yaml.WithKnownFields()); err != nil && text != "" {
			t.Fatalf("%s: %v", text, err)
		}
	}
	return base.Override(d)
}

func TestProblems(t *testing.T) {
	for _, c := range []struct {
		over    string
		options oauth.Options
		want    string // path: part of the message
		warning bool
	}{
		{over: `scope_delimiter: ";"`, want: `scope_delimiter: allowed: " ", ","`},
		{over: `pkce: {code_challenge_method: plain}`, want: "pkce.code_challenge_method: the only supported method is S256"},
		{over: `pkce: {enabled: false}`, want: "pkce: PKCE is off", warning: true},
		{over: `pkce: {enabled: false}`, options: oauth.Options{PublicClient: true}, want: "pkce: a client without client_secret needs PKCE"},
		{over: `issuer: login.example.com`, want: "issuer: "},

		{over: `authorize_request: {endpoint: /authorize}`, want: `authorize_request.endpoint: "/authorize" is not an absolute URL`},
		{over: `authorize_request: {endpoint: "https://user:canary@login.example.com/a"}`, want: "authorize_request.endpoint: the URL of login.example.com must not contain user info"},
		{over: `authorize_request: {endpoint: "https://login.example.com/a#b"}`, want: "authorize_request.endpoint: the URL of login.example.com must not contain a fragment"},
		{over: `authorize_request: {endpoint: "https://login.example.com/a?b;c"}`, want: "authorize_request.endpoint: the query"},
		{over: `authorize_request: {endpoint: "https://{{tenant}}.example.com/a"}`, want: "authorize_request.endpoint: "},
		{over: `authorize_request: {method: POST}`, want: "authorize_request.method: the browser is redirected"},
		{over: `authorize_request: {params: {client_id: c, x: "canary {{client_secret}}"}}`, want: "authorize_request.params.x: {{client_secret}} is not known here; allowed: {{client_id}}, {{redirect_uri}}, {{scopes}}"},
		{over: `authorize_request: {params: {client_id: c, x: "canary {{code"}}`, want: `authorize_request.params.x: a "{{" is not closed`},
		{over: `authorize_request: {params: {client_id: c, x: "{{state}} {{state canary"}}`, want: `authorize_request.params.x: a "{{" is not closed`},

		{over: `token_request: {endpoint: "http://login.example.com/token"}`, want: "token_request.endpoint: http to login.example.com would send secrets in clear"},
		{over: `token_request: {endpoint: "ftp://login.example.com/token"}`, want: `token_request.endpoint: the scheme "ftp" is not supported`},
		{over: `token_request: {endpoint: "https://login.example.com/token?client_secret=canary"}`, want: "token_request.endpoint: the URL contains a client_secret"},
		{over: `token_request: {method: PUT}`, want: "token_request.method: allowed: GET, POST"},
		{over: `token_request: {method: GET}`, want: "token_request.method: with GET the secrets stand in the URL", warning: true},
		{over: `token_request: {auth_method: private_key_jwt}`, want: "token_request.auth_method: allowed: none, client_secret_basic, client_secret_post, bearer_access_token"},
		{over: `token_request: {auth_method: bearer_access_token}`, want: "token_request.auth_method: there is no access token yet"},
		{over: `token_request: {basic_encoding: base64}`, want: "token_request.basic_encoding: allowed: form, raw"},
		{over: `token_request: {request_content_type: text/xml}`, want: "token_request.request_content_type: allowed: "},
		{over: `token_request: {response_content_type: text/xml}`, want: "token_request.response_content_type: allowed: "},
		{over: `token_request: {params: {x: "{{refresh_token}}"}}`, want: "token_request.params.x: {{refresh_token}} is not known here"},
		{over: `token_request: {headers: {X: "{{}}"}}`, want: "token_request.headers.X: {{}} is not known here"},
		{over: `token_request: {headers: {"a b": canary}}`, want: "token_request.headers.a b: a header name has letters"},
		{over: `token_request: {headers: {X: "canary\r\nY: z"}}`, want: "token_request.headers.X: a header value has no line breaks"},
		{over: `token_request: {headers: {content-length: "1"}}`, want: "token_request.headers.content-length: this header is made by the request itself"},
		{over: `token_request: {auth_header_value_format: "{{nobody}} canary"}`, want: "token_request.auth_header_value_format: {{nobody}} is not known here"},
		{over: `token_request: {auth_header_value_format: "canary\n"}`, want: "token_request.auth_header_value_format: a header value"},
		{over: `token_request: {response_map: {expires_at: $.e}}`, want: "token_request.response_map.expires_at: allowed: access_token, refresh_token, token_type, scope, expires_in, id_token"},

		{over: `refresh_request: {endpoint: x}`, want: "refresh_request.endpoint: "},
		{over: `refresh_request: {params: {x: "{{code}}"}}`, want: "refresh_request.params.x: {{code}} is not known here"},
		{over: `refresh_request: {response_map: {x: $.e}}`, want: "refresh_request.response_map.x: allowed: "},
		{over: `user_info_request: {auth_method: client_secret_basic}`, want: "user_info_request.auth_method: the only supported value is bearer_access_token"},
		{over: `user_info_request: {params: {x: "{{refresh_token}}"}}`, want: "user_info_request.params.x: {{refresh_token}} is not known here"},
		{over: `token_introspection_request: {expiration_format: iso}`, want: "token_introspection_request.expiration_format: allowed: absolute_unix_timestamp, relative_seconds"},
		{over: `token_introspection_request: {response_map: {sub: $.sub}}`, want: "token_introspection_request.response_map.sub: allowed: expires_in, scope"},
		{over: `revoke_request: {params: {x: "{{code}}"}}`, want: "revoke_request.params.x: {{code}} is not known here"},
		{over: `refresh: {ahead: sometimes}`, want: "refresh.ahead: allowed: used, always, never"},
		{over: `refresh: {rate: 1001}`, want: "refresh.rate: allowed: 1 to 1000 in a second"},
		{over: `refresh: {rate: -1}`, want: "refresh.rate: allowed: 1 to 1000 in a second"},
		{over: `refresh: {idle_expiry: 5m}`, want: "refresh.idle_expiry: allowed: 10m0s and more"},
		{
			over: `{refresh: {one_grant_per_account: true}, user_info_request: {triggers: {on_token_refresh: true}}}`,
			want: "refresh.one_grant_per_account: which connections are of one account is known only from user info", warning: true,
		},
		{over: `errors: [{code: a, class: fatal, advice: x}]`, want: "errors.0.class: use reconsent, config, scope, transient or user"},
		{over: `errors: [{on: login, code: a, class: user, advice: x}]`, want: "errors.0.on: allowed: callback, token, refresh, user_info"},
		{over: `errors: [{on: token, class: user, advice: x}]`, want: "errors.0: a rule needs a condition"},
	} {
		d := define(t, c.over)
		got := d.Problems(c.options)
		if len(got) != 1 {
			t.Errorf("%s: got %v, want one problem", c.over, got)
			continue
		}
		if text := strings.Join(got[0].Path, ".") + ": " + got[0].Message; !strings.HasPrefix(text, c.want) || got[0].Warning != c.warning {
			t.Errorf("%s\n got %s (warning: %v)\nwant %s (warning: %v)", c.over, text, got[0].Warning, c.want, c.warning)
		}
		if strings.Contains(got[0].Message, "canary") {
			t.Errorf("%s: a value in %s", c.over, got[0].Message)
		}
	}
}

func TestSoundDefinitionHasNoProblem(t *testing.T) {
	for _, over := range []string{
		``,
		`scope_delimiter: ","`,
		`token_request: {auth_method: "", headers: {Accept: text/plain, X_y-1: "a\tb"}, auth_header_value_format: "Own {{client_id}}:{{client_secret}}"}`,
		`token_request: {endpoint: "http://127.0.0.1:8080/token"}`,
		`token_request: {endpoint: "http://[::1]/token"}`,
		`token_request: {endpoint: "http://localhost/token"}`,
		`token_request: {endpoint: "http://hooli.localhost:99/token"}`,
		`token_introspection_request: {enabled: false, endpoint: nowhere}`,
		`refresh: {skew: 1m, reuse_grace: 1m, idle_expiry: 10m, ahead: always, rate: 1000, one_grant_per_account: true}`,
	} {
		d := define(t, over)
		if got := d.Problems(oauth.Options{}); len(got) != 0 {
			t.Errorf("%s: got %v", over, got)
		}
	}
	d := define(t, `token_request: {endpoint: "http://login.example.com/token"}`)
	if got := d.Problems(oauth.Options{AllowHTTP: true}); len(got) != 0 {
		t.Errorf("http where it is allowed: got %v", got)
	}
}

func TestEmptyDefinitionNamesWhatIsMissing(t *testing.T) {
	d := oauth.Definition{
		UserInfoRequest: &oauth.UserInfo{}, TokenIntrospectionRequest: &oauth.Introspection{}, RevokeRequest: &oauth.Request{},
	}
	var got []string
	for _, p := range d.Problems(oauth.Options{}) {
		got = append(got, strings.Join(p.Path, "."))
	}
	want := []string{
		"pkce", "authorize_request.endpoint", "token_request.endpoint", "refresh_request", "user_info_request.endpoint", "user_info_request.triggers",
		"token_introspection_request.endpoint", "token_introspection_request.triggers", "revoke_request.endpoint",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// What YAML reads in no order is reported in order.
func TestProblemsComeInOneOrder(t *testing.T) {
	d := define(t, `token_request: {params: {c: "{{x}}", a: "{{x}}", d: "{{x}}", b: "{{x}}"}}`)
	for range 20 {
		var got []string
		for _, p := range d.Problems(oauth.Options{}) {
			got = append(got, p.Path[2])
		}
		if !slices.Equal(got, []string{"a", "b", "c", "d"}) {
			t.Fatalf("got %v", got)
		}
	}
}

func TestCheckEndpoint(t *testing.T) {
	for raw, want := range map[string]string{
		"https://a.example":             "",
		"HTTPS://a.example:8443/x?y=z":  "",
		"http://127.1.2.3/":             "",
		"http://127.0.0.1.nip.io/":      "in clear",
		"http://127.1/":                 "in clear",
		"http://0.0.0.0/":               "in clear",
		"http://notlocalhost/":          "in clear",
		"http://[::ffff:127.0.0.1]:80/": "",
		"":                              "not an absolute URL",
		"https:":                        "not an absolute URL",
		"https://":                      "not an absolute URL",
		"https://:443/":                 "not an absolute URL",
		"https:a.example":               "not an absolute URL",
		"//a.example/":                  "not supported",
		"a.example":                     "not an absolute URL",
		"javascript:alert(1)":           "not an absolute URL",
		"https://a.example/\x00":        "not an absolute URL",
		"https://a b.example/":          "not an absolute URL",
		"https://a.example/" + strings.Repeat("x", 1000): "at most 1000 bytes",
		"https://@a.example/":                            "user info",
		"https://a.example/?client_secret=":              "client_secret",
	} {
		err := oauth.CheckEndpoint(raw, false)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: got %v, want %q", raw, err, want)
		}
	}
	for _, raw := range []string{"https://user:canary@a b/", "x?client_secret=canary", "https://a.example/%zz?canary", "https://a.example:x/#?canary@"} {
		if err := oauth.CheckEndpoint(raw, false); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: got %v, want an error without the secret", raw, err)
		}
	}
}

func TestParamsThatReplaceTheUsualOnesAreNoticed(t *testing.T) {
	d := oauth.Definition{
		AuthorizeRequest: oauth.Request{Endpoint: "https://hooli.example/authorize", Params: map[string]string{"prompt": "consent"}},
		TokenRequest:     oauth.Request{Endpoint: "https://hooli.example/token"},
	}
	noticed := func() bool {
		return slices.ContainsFunc(d.Problems(oauth.Options{}), func(p oauth.Problem) bool {
			return p.Warning && strings.Join(p.Path, ".") == "authorize_request.params"
		})
	}
	if !noticed() {
		t.Error("params without a client_id are not noticed")
	}
	for _, named := range []map[string]string{nil, {"client_id": "abc"}, {"client_key": "{{client_id}}"}} {
		if d.AuthorizeRequest.Params = named; noticed() {
			t.Errorf("warned about %v", named)
		}
	}
}
