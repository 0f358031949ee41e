package atlassian_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keybearer/keybearer/atlassian"
	"github.com/keybearer/keybearer/catalog"
	"github.com/keybearer/keybearer/oauth"
)

// The package speaks with Atlassian as the engine does: what the catalogue learns, it learns, too.
func TestDefinitionsAreThoseOfTheCatalogue(t *testing.T) {
	bundled := func(kind string, settings oauth.Definition) oauth.Definition {
		t.Helper()
		d, ok := catalog.Definition(kind)
		if !ok {
			t.Fatalf("the catalogue has no %s", kind)
		}
		return d.Install(settings)
	}
	onServer := cloudConfig()
	onServer.CloudID, onServer.ServerURL = "", "https://tea.example.com/jira"
	for _, c := range []struct {
		config    atlassian.Config
		catalogue oauth.Definition
	}{
		{cloudConfig(), bundled("atlassian", oauth.Definition{})},
		{onServer, bundled("atlassian-data-center", oauth.Definition{ServerURL: onServer.ServerURL, Product: "jira"})},
	} {
		got, err := c.config.Definition()
		if err != nil {
			t.Fatal(err)
		}
		if found := got.Problems(oauth.Options{}); len(found) > 0 {
			t.Errorf("%s has the problems %v", got.DisplayName, found)
		}
		want := c.catalogue
		want.AuthorizeRequest.Params["scope"] = "{{scopes}}" // the scopes are the configuration's, and all of them
		for name, pair := range map[string][2]any{
			"authorize_request": {want.AuthorizeRequest, got.AuthorizeRequest},
			"token_request":     {want.TokenRequest, got.TokenRequest},
			"refresh_request":   {want.RefreshRequest, got.RefreshRequest},
			"pkce":              {want.PKCE, got.PKCE},
			"always":            {want.Scopes.Always, got.Scopes.Always},
			"leeway":            {want.Refresh.ReuseGrace, got.Refresh.ReuseGrace},
			"idle_expiry":       {want.Refresh.IdleExpiry, got.Refresh.IdleExpiry},
		} {
			if diff := cmp.Diff(pair[0], pair[1]); diff != "" {
				t.Errorf("%s: %s (-catalogue +ours):\n%s", got.DisplayName, name, diff)
			}
		}
		for _, rule := range want.Errors {
			if rule.On == oauth.AtUserInfo || rule.On == "" { // what the package does not do: asking /me, other bodies than forms
				continue
			}
			if !slices.ContainsFunc(got.Errors, func(r oauth.ErrorRule) bool {
				return r.On == rule.On && r.Status == rule.Status && r.Code == rule.Code && r.Description == rule.Description && r.Class == rule.Class
			}) {
				t.Errorf("%s: there is no rule for %+v", got.DisplayName, rule)
			}
		}
	}
}
