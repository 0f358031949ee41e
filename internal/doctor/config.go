package doctor

import (
	"fmt"

	"github.com/keybearer/keybearer"
)

// checkConfig looks at the provider's settings.
func (c *chart) checkConfig() {
	from := "the API"
	if c.p.Binding.Type == string(keybearer.FromFile) {
		from = "engine.yaml"
	}
	if c.p.Status == string(keybearer.ProviderActive) {
		c.note(Finding{Check: "config.provider", Verdict: OK, Saw: fmt.Sprintf("it is of the type %s, from %s, and active", c.p.ProviderID, from)})
	} else {
		c.note(Finding{
			Check: "config.provider", Verdict: Problem, Saw: fmt.Sprintf("it is of the type %s, from %s, and inactive: nobody gets a token", c.p.ProviderID, from),
			Do: "Set its status to active, in engine.yaml or by PATCH /v1/admin/auth_providers/" + c.p.ID,
		})
	}
	c.checkClient()
	c.note(Finding{Check: "config.redirect", Verdict: OK, Saw: "the redirect URI is " + c.p.OAuth2.RedirectURI + " and has to be registered " + c.registry() + ", to the letter"})
}

func (c *chart) checkClient() {
	switch {
	case c.p.OAuth2.ClientID == "":
		c.note(Finding{Check: "config.client", Verdict: Problem, Saw: "there is no client id", Do: "Copy client id and secret from " + c.origin()})
	case !c.p.OAuth2.ClientSecret.Exists:
		c.note(Finding{
			Check: "config.client", Verdict: Problem, Saw: fmt.Sprintf("the client id is %s, and there is no secret; Atlassian takes no client without one", c.p.OAuth2.ClientID),
			Do: "Copy the secret from " + c.origin(),
		})
	default:
		c.note(Finding{Check: "config.client", Verdict: OK, Saw: fmt.Sprintf("the client id is %s, and there is a secret; whether it is the right one shows when a token is asked for", c.p.OAuth2.ClientID)})
	}
}

// origin is where client id and secret come from.
func (c *chart) origin() string {
	switch c.p.ProviderID {
	case "atlassian":
		return "the app's Settings in the developer console"
	case "bitbucket":
		return "the workspace's OAuth consumers"
	}
	return "the server's incoming application link"
}

// permits is what decides which scopes can be granted.
func (c *chart) permits() string {
	switch c.p.ProviderID {
	case "atlassian":
		return "the app, under Permissions in the developer console,"
	case "bitbucket":
		return "the OAuth consumer"
	}
	return "the application link"
}

// registry is where redirect URIs are registered.
func (c *chart) registry() string {
	switch c.p.ProviderID {
	case "atlassian":
		return "in the developer console, under Authorization, as the app's Callback URL"
	case "bitbucket":
		return "at the workspace's OAuth consumer"
	}
	return "at the incoming application link"
}
