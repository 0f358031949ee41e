package keybearer

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/secret"
)

// Credential is what somebody made at a provider, and gives to the engine in place of a consent.
type Credential struct {
	Kind ConnectionKind
	// Username goes with an API token: the e-mail address of the account.
	Username string
	// SiteURL goes with an API token, where the provider has sites: the address of the one that it is for, such as
	// https://yoursite.atlassian.net, and the only host that a proxy takes it to.
	SiteURL string
	// ClientID goes with a service account.
	ClientID string
	// Secret is the token itself, or the service account's client secret. It is sealed, and never shown.
	Secret secret.String
	// Scopes are what the token was made with, or what the service account asks for. None: it reaches
	// whatever it reaches, and covers all that an app asks for.
	Scopes []string
	// ExpiresAt is when a token ends, zero where that is not known. A service account's is not given.
	ExpiresAt time.Time
}

const (
	maxUsername   = 256
	maxGivenToken = 4096
)

// PutConnection stores a credential as the user's connection, in place of what is there. A service
// account is asked for a token first, and a personal access token for its user, where the provider tells
// that: what the provider refuses is not stored.
//
// Kinds: BadRequest (also for a credential that the provider refuses), NotFound (no such provider),
// PermissionDenied, ProviderInactive, ProviderRefused, ProviderAway.
func (v *View) PutConnection(ctx context.Context, ref Ref, c Credential) (ConnectionInfo, error) {
	if err := v.admin(ActionConnect); err != nil {
		return ConnectionInfo{}, err
	}
	ref.Project = v.caller.Project
	var err error
	if ref.Name, err = ConnectionName(ref.Name); err != nil {
		return ConnectionInfo{}, err
	}
	stored, g, err := v.putConnection(ctx, ref, c)
	v.record(Event{Action: ActionConnect, User: ref.User, Provider: ref.Provider, Connection: stored.ID, Outcome: outcome(err), Reason: reason(err)})
	if err != nil {
		return ConnectionInfo{}, err
	}
	return v.b.info(ctx, stored, &g), nil
}

func (v *View) putConnection(ctx context.Context, ref Ref, c Credential) (Connection, grant, error) {
	if err := CheckUserID(ref.User); err != nil {
		return Connection{}, grant{}, err
	}
	p, err := v.b.provider(ctx, ref.Project, ref.Provider)
	if err != nil {
		return Connection{}, grant{}, err
	}
	if p.Status != ProviderActive {
		return Connection{}, grant{}, inactive(p.ID)
	}
	if c, err = v.b.checkCredential(p, c); err != nil {
		return Connection{}, grant{}, err
	}
	// Flow stands for this giving, as it does for a consent: a refresh that is under way tells by it that the
	// grant was replaced.
	f := Flow{ID: AuthorizationID(randomID("given_")), Ref: ref, Granted: c.Scopes, IssuedAt: v.b.now(), ExpiresAt: c.ExpiresAt}
	g, err := v.b.tried(ctx, p, &f, c)
	if err != nil {
		return Connection{}, grant{}, err
	}
	for range tries {
		stored, err := v.b.connect(ctx, &f, c.Kind, g)
		if !errors.Is(err, Conflict) {
			return stored, g, err
		}
	}
	return Connection{}, grant{}, outrun(ref)
}

// checkCredential repairs and bounds what was given.
func (b *Broker) checkCredential(p *Provider, c Credential) (Credential, error) {
	bad := func(format string, args ...any) (Credential, error) { return c, Errorf(BadRequest, format, args...) }
	if !slices.Contains(ConnectionKinds(), c.Kind) {
		return bad("kind %q is not known: use %s", oauth.Clean(string(c.Kind), 40), strings.Join(kindNames(), ", "))
	}
	text := c.Secret.Reveal()
	switch {
	case text == "" || len(text) > maxGivenToken || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }):
		return bad("secret is needed: the %s as the provider shows it, at most %d characters without blanks", c.Kind.noun(), maxGivenToken)
	case c.Kind == APIKey && !p.Definition.API.FitsKey(text):
		return bad("this is no API key of %s: %s", p.DisplayName(), cmp.Or(p.Definition.API.KeyHint, "it does not have the form that its keys have"))
	case c.Kind.isBasic() == (c.Username == ""):
		return bad("username goes with an API token, and with nothing else: the e-mail address of the account that it was made for")
	case len(c.Username) > maxUsername || strings.ContainsFunc(c.Username, func(r rune) bool { return r <= ' ' || r == ':' || r == 0x7f }):
		return bad("username must have at most %d characters, without blanks and colons (RFC 7617 section 2)", maxUsername)
	case c.SiteURL != "" && (c.Kind != APIToken || p.Definition.SitesRequest == nil || !isSiteURL(c.SiteURL)):
		return bad("site_url goes with an API token, at a provider with sites, and is like https://yoursite.atlassian.net")
	case (c.Kind == ServiceAccount) == (c.ClientID == ""):
		return bad("client_id goes with a service account, and with nothing else: its secret belongs to it")
	case len(c.ClientID) > maxCredential:
		return bad("client_id has at most %d characters", maxCredential)
	case c.Kind == ServiceAccount && !c.ExpiresAt.IsZero():
		return bad("expires_at is not for a service account: how long each of its tokens lives the provider says")
	case !c.ExpiresAt.IsZero() && !c.ExpiresAt.After(b.now()):
		return bad("expires_at is over: the %s has ended, make a new one", c.Kind.noun())
	}
	scopes, err := tidyScopes(c.Scopes)
	if err != nil {
		return c, err
	}
	if len(scopes) == 0 && c.Kind == ServiceAccount {
		scopes = slices.Clone(p.Definition.Scopes.Default)
	}
	slices.Sort(scopes)
	c.Scopes = slices.Compact(scopes)
	return c, checkScopes(p, c.Scopes)
}

// isSiteURL permits scheme and host of a site, and nothing else.
func isSiteURL(text string) bool {
	host, ok := strings.CutPrefix(text, "https://")
	h, err := oauth.ParseHost(host)
	return ok && err == nil && h.Path == "" && h.Port == "443" && !strings.Contains(host, "*") && host == h.Name
}

func kindNames() []string {
	var names []string
	for _, k := range ConnectionKinds() {
		names = append(names, string(k))
	}
	return names
}

// tried makes a grant of a credential, after asking the provider what it thinks of it.
func (b *Broker) tried(ctx context.Context, p *Provider, f *Flow, c Credential) (grant, error) {
	client, err := b.client(p)
	if err != nil {
		return grant{}, err
	}
	g := grant{Flow: f.ID, Username: c.Username, TokenEndpoint: p.Definition.TokenRequest.Endpoint, Hosts: p.Definition.API.All()}
	if c.Kind == ServiceAccount {
		g.ClientID, g.ClientSecret = c.ClientID, c.Secret.Reveal()
		answer, err := client.ClientCredentials(ctx, c.ClientID, c.Secret, c.Scopes)
		if err != nil {
			return grant{}, refusedCredential(err)
		}
		g.take(answer)
		f.Granted, f.IssuedAt, f.ExpiresAt = answer.Scopes, answer.IssuedAt, answer.ExpiresAt
		return g, nil
	}
	g.AccessToken = c.Secret.Reveal()
	if c.SiteURL != "" {
		site := Site{ID: hostOf(c.SiteURL), URL: c.SiteURL}
		if err := g.putSites(SiteList{Sites: []Site{site}, ReadAt: b.now(), Chosen: site.ID}); err != nil {
			return grant{}, Errorf(Internal, "writing down the site: %w", err)
		}
	}
	if c.Kind != PersonalAccessToken || !p.Definition.AsksUserInfo(oauth.AtToken) {
		return g, nil
	}
	g.UserInfo, err = client.UserInfo(ctx, c.Secret)
	if wire, ok := errors.AsType[*oauth.Error](err); ok && (wire.Status == 401 || wire.Class == oauth.Reconsent) {
		return grant{}, Errorf(BadRequest, "the provider does not accept the personal access token: %w", wire)
	}
	if err != nil {
		b.log.Warn("user info could not be had; the token is kept without it", "provider", p.ID, "error", err)
	}
	return g, nil
}

func refusedCredential(err error) error {
	wire, ok := errors.AsType[*oauth.Error](err)
	if !ok {
		return Errorf(Internal, "%w", err)
	}
	kind := kindOfClass(wire.Class)
	if kind == Reauthorize {
		kind = BadRequest
	}
	return &Error{Kind: kind, Err: wire, RetryAfter: wire.RetryAfter}
}
