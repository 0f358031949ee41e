package oauth_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/keybearer/keybearer/oauth"
)

// serverKind is a kind of server that people run themselves, with two products.
func serverKind() oauth.Definition {
	on := true
	return oauth.Definition{
		PKCE:             oauth.PKCE{Enabled: &on},
		AuthorizeRequest: oauth.Request{Endpoint: "{{server_url}}/authorize"},
		TokenRequest:     oauth.Request{Endpoint: "{{server_url}}/token"},
		RefreshRequest:   &oauth.Request{},
		Products: map[string]oauth.Definition{
			"kettle": {DisplayName: "Kettle", UserInfoRequest: &oauth.UserInfo{
				Request: oauth.Request{Endpoint: "{{server_url}}/me"}, Triggers: &oauth.Triggers{OnTokenGrant: true},
			}},
			"teapot": {DisplayName: "Teapot"},
		},
	}
}

func TestInstallJoinsTheServersPath(t *testing.T) {
	kind := serverKind()
	for raw, want := range map[string]string{
		"https://tools.example.com":            "https://tools.example.com",
		"https://tools.example.com/":           "https://tools.example.com",
		"https://tools.example.com:8443/a/b//": "https://tools.example.com:8443/a/b",
	} {
		d := kind.Install(oauth.Definition{ServerURL: raw, Product: "kettle"})
		if d.ServerURL != want || d.TokenRequest.Endpoint != want+"/token" || d.UserInfoRequest.Endpoint != want+"/me" || d.RefreshRequest.Endpoint != "" {
			t.Errorf("%s: got %s, %s and %s, want them below %s", raw, d.ServerURL, d.TokenRequest.Endpoint, d.UserInfoRequest.Endpoint, want)
		}
		if found := d.Problems(oauth.Options{}); len(found) > 0 {
			t.Errorf("%s: got the problems %v", raw, found)
		}
	}
	if kind.Products["kettle"].UserInfoRequest.Endpoint != "{{server_url}}/me" {
		t.Error("the catalogue's own definition was changed")
	}
	own := kind.Install(oauth.Definition{
		ServerURL: "https://tools.example.com", Product: "kettle", DisplayName: "Ours", TokenRequest: oauth.Request{Endpoint: "https://login.example.com/token"},
	})
	if own.DisplayName != "Ours" || own.TokenRequest.Endpoint != "https://login.example.com/token" || own.AuthorizeRequest.Endpoint != "https://tools.example.com/authorize" {
		t.Errorf("got %q, %s and %s; want the operator's over the product's", own.DisplayName, own.TokenRequest.Endpoint, own.AuthorizeRequest.Endpoint)
	}
}

func TestInstallProblems(t *testing.T) {
	plain := serverKind()
	plain.Products = nil
	elsewhere := plain.Override(oauth.Definition{
		AuthorizeRequest: oauth.Request{Endpoint: "https://a.example/authorize"}, TokenRequest: oauth.Request{Endpoint: "https://a.example/token"},
	})
	for name, c := range map[string]struct {
		kind     oauth.Definition
		settings oauth.Definition
		at, says string
	}{
		"no server":         {plain, oauth.Definition{}, "server_url", "with the context path"},
		"no product":        {serverKind(), oauth.Definition{ServerURL: "https://a.example"}, "product", "kettle, teapot"},
		"another product":   {serverKind(), oauth.Definition{ServerURL: "https://a.example", Product: "cup"}, "product", "allowed: kettle, teapot"},
		"product too many":  {plain, oauth.Definition{ServerURL: "https://a.example", Product: "cup"}, "product", "has no products"},
		"http":              {plain, oauth.Definition{ServerURL: "http://a.example"}, "server_url", "in clear"},
		"a name":            {plain, oauth.Definition{ServerURL: "a.example"}, "server_url", "absolute URL"},
		"query":             {plain, oauth.Definition{ServerURL: "https://a.example/?os=1"}, "server_url", "no query"},
		"placeholder in it": {plain, oauth.Definition{ServerURL: "https://{{name}}.example"}, "server_url", ""},
		"server not used":   {elsewhere, oauth.Definition{ServerURL: "https://b.example"}, "server_url", "atlassian-data-center"},
	} {
		d := c.kind.Install(c.settings)
		found := d.Problems(oauth.Options{})
		if len(found) != 1 || strings.Join(found[0].Path, ".") != c.at || !strings.Contains(found[0].Message, c.says) || found[0].Warning {
			t.Errorf("%s: got %v, want one problem at %s about %q", name, found, c.at, c.says)
		}
	}
}

func TestScopesThatThereAre(t *testing.T) {
	rules := oauth.ScopeRules{Levels: []string{"READ", "WRITE"}, Known: []string{"MAIL"}}
	if got := rules.Unknown([]string{"WRITE", "read:jira-work", "MAIL"}); !slices.Equal(got, []string{"read:jira-work"}) {
		t.Errorf("got %q, want the scope that there is not", got)
	}
	if got := (oauth.ScopeRules{}).Unknown([]string{"anything"}); got != nil {
		t.Errorf("got %q: without a vocabulary nothing is unknown", got)
	}
}
