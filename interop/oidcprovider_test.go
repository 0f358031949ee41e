package interop_test

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"
)

// oidcProvider is a running oidc-provider with one confidential client, the
// seeds' "hooli".
type oidcProvider struct {
	Issuer                string `json:"issuer"`
	AuthorizationEndpoint string `json:"authorization_endpoint"`
	TokenEndpoint         string `json:"token_endpoint"`
	UserinfoEndpoint      string `json:"userinfo_endpoint"`

	clientID, clientSecret string
	process                *process
}

// oidcOptions turn what a test is about; the zero value is a plain provider.
type oidcOptions struct {
	redirectURI string
	accessTTL   time.Duration // default an hour
	clientAuth  string        // token_endpoint_auth_method, default client_secret_post
}

// tokenRequest is what the provider saw at its token endpoint: names, never values.
type tokenRequest struct {
	Event      string   `json:"event"`
	GrantType  string   `json:"grant_type"`
	ClientAuth string   `json:"client_auth"`
	BodyKeys   []string `json:"body_keys"`
	Status     int      `json:"status"`
	Error      string   `json:"error"`
	Mark       string   `json:"mark"`
}

func startOIDCProvider(t *testing.T, o oidcOptions) *oidcProvider {
	t.Helper()
	need(t, partNode)

	p := &oidcProvider{clientID: "hooli-client", clientSecret: nonce("hooli-secret")}
	env := []string{"OIDC_CLIENT_ID=" + p.clientID, "OIDC_CLIENT_SECRET=" + p.clientSecret}
	if o.accessTTL > 0 {
		env = append(env, fmt.Sprintf("OIDC_ACCESS_TOKEN_TTL=%d", int(o.accessTTL.Seconds())))
	}
	if o.clientAuth != "" {
		env = append(env, "OIDC_CLIENT_AUTH="+o.clientAuth)
	}
	p.process = run(t, "oidc-provider", command{
		path: nodeBinary(t), dir: "node", env: env,
		args: []string{"oidc-provider.mjs", "0", o.redirectURI},
	})
	p.process.line(t, 0, p)
	return p
}

// tokenRequests are the requests with that grant type that the provider has answered.
func (p *oidcProvider) tokenRequests(t *testing.T, grantType string) []tokenRequest {
	t.Helper()
	mark := rand.Text()
	p.process.tell(t, mark) // so that nothing said before is still on its way

	var seen []tokenRequest
	for number := 1; ; number++ {
		var r tokenRequest
		p.process.line(t, number, &r)
		if r.Mark == mark {
			return seen
		}
		if r.Event == "token" && r.GrantType == grantType {
			seen = append(seen, r)
		}
	}
}

// refreshes counts the refreshes that the provider granted.
func (p *oidcProvider) refreshes(t *testing.T) int {
	t.Helper()
	granted := 0
	for _, r := range p.tokenRequests(t, "refresh_token") {
		if r.Status == 200 {
			granted++
		}
	}
	return granted
}

// definition is the seeds' provider in engine.yaml, pointed at this server. The
// secret is in the environment, as the seed has it.
func (p *oidcProvider) definition() providerConfig {
	return providerConfig{
		env:     []string{"HOOLI_CLIENT_ID=" + p.clientID, "HOOLI_CLIENT_SECRET=" + p.clientSecret},
		secrets: []string{p.clientSecret},
		yaml: strings.NewReplacer(
			"AUTHORIZE", p.AuthorizationEndpoint,
			"TOKEN", p.TokenEndpoint,
			"USERINFO", p.UserinfoEndpoint,
		).Replace(hooliYAML),
	}
}

// hooliYAML is the full example of the seed's reference with the two things that
// this server asks for: openid for its user info, and offline_access with
// prompt=consent for a refresh token. Nothing is refreshed ahead, so that it is the
// callers who meet a token that has ended.
const hooliYAML = `
- id: hooli
  type: oauth2
  description: "Hooli OAuth 2.0 provider"
  enabled: true
  client_id: ${env:HOOLI_CLIENT_ID}
  client_secret: ${env:HOOLI_CLIENT_SECRET}
  oauth2:
    scope_delimiter: " "
    pkce:
      enabled: true
      code_challenge_method: S256
    authorize_request:
      endpoint: AUTHORIZE
      params:
        response_type: "code"
        client_id: "{{client_id}}"
        redirect_uri: "{{redirect_uri}}"
        scope: "openid offline_access profile email {{scopes}} {{existing_scopes}}"
        prompt: "consent"
    token_request:
      endpoint: TOKEN
      params:
        grant_type: "authorization_code"
        redirect_uri: "{{redirect_uri}}"
        client_id: "{{client_id}}"
        client_secret: "{{client_secret}}"
    refresh_token_request:
      endpoint: TOKEN
      params:
        grant_type: "refresh_token"
        client_id: "{{client_id}}"
        client_secret: "{{client_secret}}"
    user_info_request:
      endpoint: USERINFO
      auth_method: bearer_access_token
      response_content_type: application/json
      triggers:
        on_token_grant: true
        on_token_refresh: true
    refresh:
      ahead: never
`
