package oauth_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/keybearer/keybearer/oauth"
)

func TestHostsAreNamesOnLabelBoundaries(t *testing.T) {
	for text, want := range map[string]oauth.Host{
		"API.Example.com":               {Name: "api.example.com", Port: "443"},
		"*.example.com":                 {Name: "*.example.com", Port: "443"},
		"www.example.com:8443/api/v2/":  {Name: "www.example.com", Port: "8443", Path: "/api/v2"},
		"http://127.0.0.1:9100":         {Name: "127.0.0.1", Port: "9100", Plain: true},
		"http://localhost:9100/context": {Name: "localhost", Port: "9100", Path: "/context", Plain: true},
		"https://[::1]:9443":            {Name: "::1", Port: "9443"},
	} {
		got, err := oauth.ParseHost(text)
		if err != nil || got != want {
			t.Errorf("%s: got %+v, %v, want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "*", "*.com", "example", "*example.com", "api.*.com", "*.*.example.com", "http://api.example.com", "ftp://api.example.com",
		"user@api.example.com", "api.example.com?x=1", "api.example.com#x", "api..example.com", "-", "api.example.com:0", "api.example.com:99999",
		"api.exa mple.com", "api.example.com/%2e%2e", "regex:.*", strings.Repeat("a", 64) + ".example.com",
	} {
		if got, err := oauth.ParseHost(text); err == nil {
			t.Errorf("%q was taken as %+v", text, got)
		}
	}
}

func TestHostServes(t *testing.T) {
	wild, err := oauth.ParseHost("*.googleapis.com")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{
		"gmail.googleapis.com": true, "a.b.googleapis.com": true,
		"googleapis.com": false, "evilgoogleapis.com": false, "googleapis.attacker.example": false, "gmail.googleapis.com.attacker.example": false,
	} {
		if got := wild.Serves(name); got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}

func TestAPIOfADefinitionIsChecked(t *testing.T) {
	keys := oauth.Definition{API: oauth.API{Hosts: []string{"api.example.com"}, Header: "X-Api-Key", Env: map[string]string{"EXAMPLE_KEY": oauth.EnvToken}}}
	if got := keys.Problems(oauth.Options{PublicClient: true}); len(got) > 0 || !keys.KeysOnly() {
		t.Errorf("a definition of keys alone has problems: %v", got)
	}
	for what, bad := range map[string]oauth.API{
		"hosts":       {Hosts: []string{"*.com"}},
		"header":      {Hosts: []string{"a.example.com"}, Header: "X Api"},
		"scheme":      {Hosts: []string{"a.example.com"}, Scheme: "two words"},
		"query":       {Hosts: []string{"a.example.com"}, Header: "X-Key", Query: "key"},
		"env":         {Hosts: []string{"a.example.com"}, Env: map[string]string{"lower": "token"}},
		"key_length":  {Hosts: []string{"a.example.com"}, KeyPrefix: "sk-live-0123456789", KeyLength: 20},
		"key_prefix":  {Hosts: []string{"a.example.com"}, KeyPrefix: "a b"},
		"key_pattern": {Hosts: []string{"a.example.com"}, KeyPattern: "("},
		"keys_url":    {Hosts: []string{"a.example.com"}, KeysURL: "http://example.com/keys"},
	} {
		d := oauth.Definition{API: bad}
		got := d.Problems(oauth.Options{PublicClient: true})
		if len(got) != 1 || !slices.Contains(got[0].Path, what) {
			t.Errorf("%s: got %v, want one problem there", what, got)
		}
	}
}

func TestServerOfOnesOwnIsAHost(t *testing.T) {
	d := oauth.Definition{API: oauth.API{Hosts: []string{"{{server_url}}"}}}
	for server, want := range map[string]string{
		"https://jira.example.com/jira/": "jira.example.com/jira",
		"http://127.0.0.1:9100":          "http://127.0.0.1:9100",
		"http://jira.example.com":        "", // its token would go in the clear
	} {
		got := strings.Join(d.Install(oauth.Definition{ServerURL: server}).API.Hosts, " ")
		if got != want {
			t.Errorf("%s: got %q, want %q", server, got, want)
		}
	}
	if d.API.Hosts[0] != "{{server_url}}" {
		t.Error("the definition of the catalogue was changed")
	}
}

func FuzzParseHost(f *testing.F) {
	for _, text := range []string{"*.example.com", "http://127.0.0.1:1/x", "a.b:443/c"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		h, err := oauth.ParseHost(text)
		if err != nil {
			return
		}
		if strings.Count(h.Name, "*") > 1 || h.Name != strings.ToLower(h.Name) || h.Port == "" || strings.HasSuffix(h.Path, "/") {
			t.Errorf("%q became %+v", text, h)
		}
		if h.Serves("example.org") && h.Name != "example.org" && !strings.HasPrefix(h.Name, "*.") {
			t.Errorf("%+v serves a host that it does not name", h)
		}
	})
}
