package keybearer

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/keybearer/keybearer/oauth"
)

// grant is what the provider gave. It never leaves this package unsealed; what is handed out is a
// [Token]. Its form is the plain text of Connection.Grant and Flow.Grant.
type grant struct {
	AccessToken  string
	RefreshToken string
	TokenType    string
	IDToken      string
	UserInfo     json.RawMessage
	// ClientID and TokenEndpoint say whom the refresh token was given to and by whom, Elsewhere at which
	// endpoints of other servers it was to be used; see belongsTo.
	ClientID      string
	TokenEndpoint string
	Elsewhere     []string
	// Username goes with an API token, ClientSecret with a service account, whose id ClientID then is.
	Username     string
	ClientSecret string
	// Sites is a [SiteList] as JSON, or nil. It is read only where somebody wants it.
	Sites json.RawMessage
	// RedirectURI is the one of the consent: some servers want it at each refresh, whatever it is by now.
	RedirectURI string
	// Flow is the consent that this grant goes back to, however often it was refreshed since.
	Flow AuthorizationID
	// ConsentedAt is when the consent was redeemed that the refresh token goes back to: where a provider
	// ends all refresh tokens of a consent some day, the time runs from then. Zero: not known.
	ConsentedAt time.Time
	// Hosts are those of the provider's API when this was given, and the only ones that a proxy takes it to,
	// whoever has changed the definition since. None: it was given before there were such.
	Hosts []string
}

// take lays a token answer over the grant. A refresh token is kept until a new one comes, and user
// info and id token likewise.
func (g *grant) take(t oauth.TokenResponse) {
	g.AccessToken, g.TokenType = t.AccessToken.Reveal(), t.TokenType
	if !t.RefreshToken.IsZero() {
		g.RefreshToken = t.RefreshToken.Reveal()
	}
	if !t.IDToken.IsZero() {
		g.IDToken = t.IDToken.Reveal()
	}
}

// renewable reports whether there is something to get the next token with.
func (g *grant) renewable() bool { return g.RefreshToken != "" || g.ClientSecret != "" }

// unrefreshable says why the grant cannot be refreshed with this client, or "".
func (g *grant) unrefreshable(c *oauth.Client) string {
	switch {
	case g.ClientSecret != "" && g.TokenEndpoint != c.Definition.TokenRequest.Endpoint:
		return "the provider's token endpoint was changed since the service account was stored"
	case g.ClientSecret != "":
		return ""
	case g.RefreshToken == "":
		return "there is no refresh token"
	case !c.CanRefresh():
		return "the provider is configured without refresh_request"
	case !g.belongsTo(c, cmp.Or(c.Definition.RefreshRequest.Endpoint, c.Definition.TokenRequest.Endpoint)):
		return "the provider's client or endpoints were changed since the user consented"
	}
	return ""
}

// belongsTo reports whether the refresh token was given to this client, by the server of the endpoint
// or with a view to it. It is shown to nobody else (RFC 6749 section 10.4), whoever may have changed
// the provider's settings since.
func (g *grant) belongsTo(c *oauth.Client, endpoint string) bool {
	return g.ClientID == c.ID && g.TokenEndpoint == c.Definition.TokenRequest.Endpoint &&
		(sameServer(g.TokenEndpoint, endpoint) || slices.Contains(g.Elsewhere, endpoint))
}

// elsewhere are the endpoints of a definition that see refresh tokens and are not at the server which
// gives them.
func elsewhere(d *oauth.Definition) []string {
	var out []string
	for _, r := range []*oauth.Request{d.RefreshRequest, d.RevokeRequest} {
		if r != nil && r.Endpoint != "" && !sameServer(r.Endpoint, d.TokenRequest.Endpoint) {
			out = append(out, r.Endpoint)
		}
	}
	return out
}

func sameServer(a, b string) bool {
	one, err := url.Parse(a)
	if err != nil {
		return false
	}
	other, err := url.Parse(b)
	return err == nil && one.Scheme == other.Scheme && strings.EqualFold(one.Host, other.Host)
}

// sameHolder reports whether two grants were given to one client for one account, as far as user
// info tells.
func (g *grant) sameHolder(other *grant) bool {
	if g.ClientID != other.ClientID || g.TokenEndpoint != other.TokenEndpoint {
		return false
	}
	var mine, theirs map[string]json.RawMessage // compared as texts: ids may be objects, or numbers beyond float64
	if json.Unmarshal(g.UserInfo, &mine) != nil || json.Unmarshal(other.UserInfo, &theirs) != nil {
		return len(g.UserInfo) == 0 && len(other.UserInfo) == 0
	}
	for _, key := range accountKeys() {
		if said(mine[key]) || said(theirs[key]) {
			return bytes.Equal(mine[key], theirs[key])
		}
	}
	return false
}
