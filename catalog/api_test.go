package catalog_test

import (
	"maps"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keybearer/keybearer/catalog"
	"github.com/keybearer/keybearer/oauth"
)

// odd lists what is doubtful about a kind and has to be so.
func odd() map[string][]string {
	return map[string][]string{
		"notion": {"pkce"}, // its token endpoint refuses members that it does not know
		"slack":  {"pkce"}, // the app would become a public client for ever
	}
}

func TestEveryKindSaysWhereItsAPIIs(t *testing.T) {
	variable := regexp.MustCompile(`^[A-Z][A-Z0-9_]+$`)
	for _, kind := range catalog.Kinds() {
		d, _ := catalog.Definition(kind)
		if len(d.API.Hosts) == 0 {
			t.Errorf("%s: no hosts", kind)
		}
		for _, host := range d.API.Hosts {
			if why := unfit(host, &d); why != "" {
				t.Errorf("%s: the host %q %s", kind, host, why)
			}
		}
		env := map[string]string{}
		maps.Copy(env, d.API.Env)
		for _, product := range d.Products {
			maps.Copy(env, product.API.Env)
		}
		if len(env) == 0 {
			t.Errorf("%s: no program could find its token", kind)
		}
		for name, holds := range env {
			if !variable.MatchString(name) || holds == "" {
				t.Errorf("%s: the variable %q holds %q", kind, name, holds)
			}
			if holds == oauth.EnvServerURL && !slices.Contains(d.API.Hosts, "{{server_url}}") {
				t.Errorf("%s: the variable %q holds the URL of a server that nobody names", kind, name)
			}
		}
	}
}

// unfit says why a host must not get tokens. No kind has a star: below each domain that was looked at
// there is something that is not the API, like the pages of other people.
func unfit(host string, d *oauth.Definition) string {
	if host == "{{server_url}}" {
		return ""
	}
	u, err := url.Parse("https://" + host)
	switch {
	case err != nil || u.Host == "" || u.Port() != "" || u.RawQuery != "" || u.Fragment != "" || strings.HasSuffix(host, "/"):
		return "is no host, or host and path"
	case !regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9-]+)*\.[a-z]{2,}$`).MatchString(u.Host):
		return "is not exact"
	}
	for _, endpoint := range []string{d.AuthorizeRequest.Endpoint, d.TokenRequest.Endpoint} {
		if to, err := url.Parse(endpoint); err == nil && to.Host == u.Host && u.Path == "" && !strings.HasPrefix(u.Host, "api.") && u.Host != "api.dropboxapi.com" {
			return "has pages and endpoints that are not the API: name the path"
		}
	}
	return ""
}

func TestNoTwoKindsServeOneHost(t *testing.T) {
	served := map[string]string{}
	for _, kind := range catalog.Kinds() {
		d, _ := catalog.Definition(kind)
		for _, host := range d.API.All() {
			if other, taken := served[host]; taken && host != "{{server_url}}" { // which is another server for each
				t.Errorf("%s and %s both serve %s: neither would be chosen", other, kind, host)
			}
			served[host] = kind
		}
	}
}

func TestPlaceholdersLookLikeKeys(t *testing.T) {
	for _, kind := range catalog.Kinds() {
		d, _ := catalog.Definition(kind)
		a := d.API
		if (a.KeyPattern == "") != (a.KeyHint == "") || strings.HasSuffix(a.KeyHint, ".") {
			t.Errorf("%s: a pattern needs a hint, and a hint no full stop: %q", kind, a.KeyHint)
		}
		if a.KeysURL != "" && oauth.CheckEndpoint(a.KeysURL, false) != nil {
			t.Errorf("%s: keys_url: %v", kind, oauth.CheckEndpoint(a.KeysURL, false))
		}
		if a.Query != "" {
			t.Errorf("%s: a key in a URL ends up in logs; the vendors that are here take a header", kind)
		}
		length := a.KeyLength
		if length == 0 {
			length = 40
		}
		if length < len(a.KeyPrefix)+16 {
			t.Errorf("%s: a placeholder of %d characters leaves %d to chance, want 16", kind, length, length-len(a.KeyPrefix))
			continue
		}
		for _, rest := range []string{"k3Z", "x7", "9"} {
			placeholder := a.KeyPrefix + strings.Repeat(rest, length)[:length-len(a.KeyPrefix)]
			if !a.FitsKey(placeholder) {
				t.Errorf("%s: key_pattern does not take %s…", kind, placeholder[:len(a.KeyPrefix)+4])
			}
		}
		if a.KeyPattern != "" && a.FitsKey("not a key") {
			t.Errorf("%s: key_pattern takes anything", kind)
		}
	}
}

func TestKindsOfKeysHaveNothingElse(t *testing.T) {
	var keys []string
	for _, kind := range catalog.Kinds() {
		d, _ := catalog.Definition(kind)
		if !d.KeysOnly() {
			continue
		}
		keys = append(keys, kind)
		if d.RefreshRequest != nil || d.UserInfoRequest != nil || d.RevokeRequest != nil || d.PKCE.Enabled != nil || len(d.Scopes.Default) > 0 {
			t.Errorf("%s has no authorization endpoint, and all the same requests of OAuth", kind)
		}
	}
	if !slices.Contains(keys, "openai") || slices.Contains(keys, "github") {
		t.Errorf("got the kinds of keys %v, want openai among them, and not github", keys)
	}
}

// TestKeysGoWhereVendorsLookForThem: header and scheme, where they are not Authorization and Bearer.
func TestKeysGoWhereVendorsLookForThem(t *testing.T) {
	want := map[string][2]string{
		"anthropic": {"x-api-key"}, "apollo": {"x-api-key"}, "gemini": {"x-goog-api-key"}, "brave-search": {"X-Subscription-Token"},
		"postmark": {"X-Postmark-Server-Token"}, "brevo": {"api-key"}, "klaviyo": {"", "Klaviyo-API-Key"},
	}
	got := map[string][2]string{}
	for _, kind := range catalog.Kinds() {
		d, _ := catalog.Definition(kind)
		if d.API.Header != "" || d.API.Scheme != "" {
			got[kind] = [2]string{d.API.Header, d.API.Scheme}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestReferenceNamesEveryKind(t *testing.T) {
	text, err := os.ReadFile("../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range catalog.Kinds() {
		if !strings.Contains(string(text), "`"+kind+"`") {
			t.Errorf("docs/configuration.md does not name %s among the bundled types", kind)
		}
	}
}
