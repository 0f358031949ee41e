package atlassian

import (
	"net/http"
	"time"

	"github.com/keybearer/keybearer/oauth"
)

// tokenBuffer is how long before its end a token is not handed out any more.
const tokenBuffer = 10 * time.Second

// Definition is how the client speaks with the provider: which requests go where, and what refusals mean.
// It asks for no more than [New] does.
func (c Config) Definition() (oauth.Definition, error) {
	c, err := c.settled()
	if err != nil {
		return oauth.Definition{}, err
	}
	return c.definition(), nil
}

func (c *Config) definition() oauth.Definition {
	d := oauth.Definition{
		DisplayName:  c.Product.String(),
		PKCE:         oauth.PKCE{Enabled: yes(), CodeChallengeMethod: "S256"},
		TokenRequest: oauth.Request{Params: params("grant_type", "authorization_code", "code", "{{code}}", "code_verifier", "{{code_verifier}}", "redirect_uri", "{{redirect_uri}}")},
		Expiry:       oauth.Expiry{Default: oauth.Duration(time.Hour)},
		Refresh: oauth.RefreshPolicy{
			Skew: oauth.Duration(tokenBuffer), IdleExpiry: oauth.Duration(90 * 24 * time.Hour),
		},
	}
	if c.Deployment == DataCenter {
		c.defineDataCenter(&d)
	} else {
		c.defineCloud(&d)
	}
	return d
}

func yes() *bool {
	b := true
	return &b
}

// params are parameters beside the client's credentials, which Atlassian wants in the body.
func params(pairs ...string) map[string]string {
	p := map[string]string{"client_id": "{{client_id}}", "client_secret": "{{client_secret}}"}
	for i := 0; i < len(pairs); i += 2 {
		p[pairs[i]] = pairs[i+1]
	}
	return p
}

// defineCloud is OAuth 2.0 (3LO).
// https://developer.atlassian.com/cloud/jira/platform/oauth-2-3lo-apps/
func (c *Config) defineCloud(d *oauth.Definition) {
	d.Scopes.Always = []string{OfflineAccess}
	d.AuthorizeRequest = oauth.Request{Endpoint: c.Hosts.Auth + "/authorize", Params: map[string]string{
		"audience": c.Hosts.Audience, "client_id": "{{client_id}}", "scope": "{{scopes}}",
		"redirect_uri": "{{redirect_uri}}", "response_type": "code", "prompt": "consent",
	}}
	d.TokenRequest.Endpoint = c.Hosts.Auth + "/oauth/token"
	d.RefreshRequest = &oauth.Request{Params: params("grant_type", "refresh_token", "refresh_token", "{{refresh_token}}")}
	d.Refresh.ReuseGrace = oauth.Duration(10 * time.Minute)

	const (
		start     = "The code was used before, is too old, or was issued for another callback URL: call Start again; if it happens each time, compare CallbackURL with the app's, to the letter"
		reconnect = "The connection to Atlassian has ended: it was unused for 90 days, the password was changed, access was removed, or another program refreshed it. Call Start and Complete again"
		secret    = "Atlassian refuses the client credentials: copy ClientID and ClientSecret again from the app's Settings in the developer console. The connection is kept, and users need do nothing"
	)
	d.Errors = []oauth.ErrorRule{
		{On: oauth.AtCallback, Code: "access_denied", Class: oauth.UserChoice, Advice: "Access was declined at Atlassian: call Start again, and choose Accept if that was a mistake"},
		{On: oauth.AtCallback, Code: "invalid_scope", Class: oauth.Misconfigured, Advice: "Add the scopes to the app in the developer console under Permissions, each to the API that it belongs to (read:me is in the User identity API)"},
		{On: oauth.AtCallback, Code: "unauthorized_client", Class: oauth.Misconfigured, Advice: "Atlassian does not let this app ask: if it is private, turn on sharing under Distribution in the developer console, or sign in as the app's owner"},
		{On: oauth.AtToken, Status: http.StatusUnauthorized, Code: "access_denied", Class: oauth.Misconfigured, Advice: secret},
		{On: oauth.AtRefresh, Status: http.StatusUnauthorized, Code: "access_denied", Class: oauth.Misconfigured, Advice: secret},
		{On: oauth.AtToken, Code: "invalid_request", Description: "authorization_code is invalid", Class: oauth.Reconsent, Advice: start},
		{On: oauth.AtToken, Code: "invalid_grant", Class: oauth.Reconsent, Advice: start},
		{On: oauth.AtRefresh, Code: "unauthorized_client", Description: "refresh_token is invalid", Class: oauth.Reconsent, Advice: reconnect},
		{On: oauth.AtRefresh, Code: "invalid_grant", Class: oauth.Reconsent, Advice: reconnect},
		{On: oauth.AtRefresh, Status: http.StatusTooManyRequests, Class: oauth.Transient, Advice: "Atlassian limits the rate: the connection is kept; try again after the time that it asks for"},
	}
}

// defineDataCenter is an incoming application link: S256 together with the secret, forms only, redirect_uri
// also on refresh, and no leeway, since a refresh ends both old tokens at once.
// https://confluence.atlassian.com/adminjiraserver/jira-oauth-2-0-provider-api-1115659070.html
func (c *Config) defineDataCenter(d *oauth.Definition) {
	d.AuthorizeRequest = oauth.Request{Endpoint: c.ServerURL + "/rest/oauth2/latest/authorize", Params: map[string]string{
		"client_id": "{{client_id}}", "redirect_uri": "{{redirect_uri}}", "response_type": "code", "scope": "{{scopes}}",
	}}
	d.TokenRequest.Endpoint = c.ServerURL + "/rest/oauth2/latest/token"
	d.RefreshRequest = &oauth.Request{Params: params("grant_type", "refresh_token", "refresh_token", "{{refresh_token}}", "redirect_uri", "{{redirect_uri}}")}

	const (
		start     = "The code was used before, was issued for another callback URL, or came too late: on Data Center it lives for 10 seconds, unless its admin has set more. Call Start again, and give what comes back to Complete at once"
		reconnect = "The connection has ended: it was unused for 90 days, access was removed, another program refreshed it, or CallbackURL is not the one of the sign-in. Call Start and Complete again"
		secret    = "The server refuses the client credentials: copy ClientID and ClientSecret again from the application link. The connection is kept, and users need do nothing"
		nothing   = "There is no OAuth 2.0 provider at this address: it takes Jira 8.22 or Confluence 7.17, a base URL with HTTPS, and the server's context path in ServerURL, such as https://tea.example.com/jira"
	)
	d.Errors = []oauth.ErrorRule{
		{On: oauth.AtCallback, Code: "access_denied", Class: oauth.UserChoice, Advice: "Access was declined: call Start again, and choose Allow if that was a mistake"},
		{On: oauth.AtCallback, Code: "invalid_scope", Class: oauth.Misconfigured, Advice: "Ask for READ, WRITE, ADMIN or SYSTEM_ADMIN, and not for more than the application link permits"},
		{On: oauth.AtCallback, Code: "unauthorized_client", Class: oauth.Misconfigured, Advice: "The server does not know this client: compare ClientID with the application link, to the letter"},
		{On: oauth.AtToken, Code: "invalid_grant", Class: oauth.Reconsent, Advice: start},
		{On: oauth.AtRefresh, Code: "invalid_grant", Class: oauth.Reconsent, Advice: reconnect},
		{On: oauth.AtToken, Code: "invalid_client", Class: oauth.Misconfigured, Advice: secret},
		{On: oauth.AtRefresh, Code: "invalid_client", Class: oauth.Misconfigured, Advice: secret},
		{On: oauth.AtToken, Status: http.StatusNotFound, Class: oauth.Misconfigured, Advice: nothing},
		{On: oauth.AtRefresh, Status: http.StatusNotFound, Class: oauth.Misconfigured, Advice: nothing},
	}
}
