package oauth_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/secret"
)

func TestAuthorizeURL(t *testing.T) {
	for name, c := range map[string]struct {
		definition oauth.Definition
		options    oauth.AuthorizeOptions
		want       url.Values
	}{
		"ordinary parameters": {
			options: oauth.AuthorizeOptions{Scopes: []string{"read", "write"}},
			want:    url.Values{"response_type": {"code"}, "client_id": {"app"}, "redirect_uri": {redirectURI}, "scope": {"read write"}},
		},
		"union of scopes, without duplicates": {
			definition: oauth.Definition{Scopes: oauth.ScopeRules{Always: []string{"offline_access", "read"}}},
			options:    oauth.AuthorizeOptions{Scopes: []string{"read", "write"}, Existing: []string{"write", "admin"}},
			want:       url.Values{"response_type": {"code"}, "client_id": {"app"}, "redirect_uri": {redirectURI}, "scope": {"read write offline_access admin"}},
		},
		"comma as the delimiter": {
			definition: oauth.Definition{ScopeDelimiter: ","},
			options:    oauth.AuthorizeOptions{Scopes: []string{"read", "write"}, Existing: []string{"admin"}},
			want:       url.Values{"response_type": {"code"}, "client_id": {"app"}, "redirect_uri": {redirectURI}, "scope": {"read,write,admin"}},
		},
		"comma inside a scope": {
			options: oauth.AuthorizeOptions{Scopes: []string{"role:a,b"}},
			want:    url.Values{"response_type": {"code"}, "client_id": {"app"}, "redirect_uri": {redirectURI}, "scope": {"role:a,b"}},
		},
		"no scopes": {
			want: url.Values{"response_type": {"code"}, "client_id": {"app"}, "redirect_uri": {redirectURI}},
		},
		"own parameters only": {
			definition: oauth.Definition{AuthorizeRequest: oauth.Request{Params: map[string]string{
				"client_key": "{{ client_id }}", "user_scope": "{{scopes}}", "prompt": "consent", "empty": "", "blank": " ", "state": "mine",
				"code_challenge_method": "S256",
			}}},
			options: oauth.AuthorizeOptions{Scopes: []string{"read"}, Existing: []string{"write"}},
			want:    url.Values{"client_key": {"app"}, "user_scope": {"read"}, "prompt": {"consent"}},
		},
		"query of the endpoint": {
			definition: oauth.Definition{AuthorizeRequest: oauth.Request{
				Endpoint: "https://login.example.com/authorize?tenant=a%20b&resource=1&resource=2&prompt=none&state=theirs",
				Params:   map[string]string{"prompt": "consent", "state": "{{state}}"},
			}},
			want: url.Values{"tenant": {"a b"}, "resource": {"1", "2"}, "prompt": {"consent"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c.options.State = secret.New("the-state")
			c.want.Set("state", "the-state")
			if c.definition.AuthorizeRequest.Endpoint == "" {
				c.definition.AuthorizeRequest.Endpoint = "https://login.example.com/authorize"
			}
			client := oauth.Client{Definition: &c.definition, ID: "app", RedirectURI: redirectURI}
			to, err := client.AuthorizeURL(c.options)
			if err != nil {
				t.Fatal(err)
			}
			u, err := url.Parse(to)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, u.Query()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", to, diff)
			}
			if u.Scheme+"://"+u.Host+u.Path != "https://login.example.com/authorize" {
				t.Errorf("got %s, want the endpoint", to)
			}
		})
	}
}

// Atlassian reads the scopes of "read+write" up to the plus.
func TestAuthorizeURLWritesBlanksAsPercent20(t *testing.T) {
	client := oauth.Client{Definition: definitionAt("https://login.example.com"), ID: "a b+c", RedirectURI: redirectURI}
	to, err := client.AuthorizeURL(oauth.AuthorizeOptions{State: secret.New("s"), Scopes: []string{"read", "write", "a+b"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"scope=read%20write%20a%2Bb", "client_id=a%20b%2Bc"} {
		if !strings.Contains(to, want) || strings.Contains(to, "+") {
			t.Errorf("got %s, want %s and no plus", to, want)
		}
	}
}

func TestAuthorizeURLSendsTheChallengeOfTheVerifier(t *testing.T) {
	client := oauth.Client{Definition: definitionAt("https://login.example.com"), ID: "app", RedirectURI: redirectURI}
	seen := map[string]bool{}
	for range 3 {
		verifier := oauth.NewVerifier()
		to, err := client.AuthorizeURL(oauth.AuthorizeOptions{State: secret.New("s"), Verifier: verifier})
		if err != nil {
			t.Fatal(err)
		}
		u, _ := url.Parse(to)
		sum := sha256.Sum256([]byte(verifier.Reveal()))
		got, want := u.Query().Get("code_challenge"), base64.RawURLEncoding.EncodeToString(sum[:])
		if got != want || u.Query().Get("code_challenge_method") != "S256" {
			t.Errorf("got the challenge %s, want %s by S256", got, want)
		}
		if len(verifier.Reveal()) != 43 || strings.Contains(to, verifier.Reveal()) || seen[got] {
			t.Errorf("the verifier must have 43 characters, stay here and differ each time")
		}
		seen[got] = true
	}
}

func TestAuthorizeURLNeedsAnEndpoint(t *testing.T) {
	for _, endpoint := range []string{"", "/authorize", "https://", ":", "login.example.com"} {
		client := oauth.Client{Definition: &oauth.Definition{AuthorizeRequest: oauth.Request{Endpoint: endpoint}}}
		if to, err := client.AuthorizeURL(oauth.AuthorizeOptions{}); err == nil {
			t.Errorf("%q gave %s, want an error", endpoint, to)
		}
	}
}

func TestIssuerFits(t *testing.T) {
	at := func(issuer string) *oauth.Definition {
		return &oauth.Definition{
			Issuer:           issuer,
			AuthorizeRequest: oauth.Request{Endpoint: "https://login.example.com/authorize"},
			TokenRequest:     oauth.Request{Endpoint: "https://api.example.com:8443/token"},
		}
	}
	for _, c := range []struct {
		configured, sent string
		want             bool
	}{
		{"https://id.example.com/a", "https://id.example.com/a", true},
		{"https://id.example.com/a", "https://id.example.com/a/", false},
		{"https://id.example.com/a", "https://login.example.com", false},
		{"https://id.example.com/a", "", false},
		{"", "https://login.example.com", true},
		{"", "https://LOGIN.example.com:443/tenant", true},
		{"", "https://api.example.com:8443", true},
		{"", "https://api.example.com", false},
		{"", "http://login.example.com", false},
		{"", "https://login.example.com.evil.example", false},
		{"", "https://evil.example/?https://login.example.com", false},
		{"", "", false},
		{"", "login.example.com", false},
		{"", "%", false},
	} {
		if got := at(c.configured).IssuerFits(c.sent); got != c.want {
			t.Errorf("configured %q: IssuerFits(%q) = %v, want %v", c.configured, c.sent, got, c.want)
		}
	}
	if new(oauth.Definition).IssuerFits("") {
		t.Error("no issuer fits a definition without endpoints")
	}
}

func TestAskedScopesAreThoseThatTheURLNames(t *testing.T) {
	options := oauth.AuthorizeOptions{Scopes: []string{"write"}, Existing: []string{"read"}}
	for name, c := range map[string]struct {
		definition oauth.Definition
		want       string
	}{
		"ordinary":  {oauth.Definition{}, "read write"},
		"always":    {oauth.Definition{Scopes: oauth.ScopeRules{Always: []string{"offline_access"}}}, "offline_access read write"},
		"literal":   {oauth.Definition{AuthorizeRequest: oauth.Request{Params: map[string]string{"scope": "openid {{scopes}}"}}}, "openid write"},
		"two sets":  {oauth.Definition{AuthorizeRequest: oauth.Request{Params: map[string]string{"scope": "bot", "user_scope": "{{scopes}}"}}}, "bot write"},
		"not named": {oauth.Definition{AuthorizeRequest: oauth.Request{Params: map[string]string{"client_id": "{{client_id}}"}}}, ""},
	} {
		c.definition.AuthorizeRequest.Endpoint = "https://hooli.example/authorize"
		client := &oauth.Client{Definition: &c.definition}
		if got := strings.Join(client.AskedScopes(options), " "); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}
