package keybearer

import (
	"context"
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/keybearer/keybearer/secret"
)

// AuthorizationStatus is what an app sees of a flow.
type AuthorizationStatus string

// The statuses.
const (
	AuthorizationPending   AuthorizationStatus = "pending"
	AuthorizationCompleted AuthorizationStatus = "completed"
	AuthorizationFailure   AuthorizationStatus = "failed"
)

// AuthorizeRequest asks for a user's authorization at a provider.
type AuthorizeRequest struct {
	// ID names the provider exactly; ProviderID names it by id or by well-known type. One is needed.
	ID         ProviderID
	ProviderID string
	// ProviderType is "oauth2" or "".
	ProviderType string
	// Connection is the name of the connection that is meant, where the user has several at the provider;
	// see [ConnectionName].
	Connection string
	// Scopes are asked for; none means the provider's default.
	Scopes []string
	User   UserID
	// NextURI is where the browser goes after success, or "".
	NextURI string
	// Refused is a token that the API has refused with 401 before its time, or zero: then another one is
	// given, as by [View.Renew].
	Refused secret.String
}

// Authorization is what an app gets.
type Authorization struct {
	ID       AuthorizationID
	Status   AuthorizationStatus
	URL      string // where the user has to go, when pending
	User     UserID
	Provider ProviderID
	Scopes   []string
	Token    *Token // when completed
	Failure  *Error // when failed: says why, and what to do
	// Sites are what the token reaches, when completed, where the provider has sites and they are known.
	Sites *SiteList
}

const (
	maxUserID  = 256
	maxScopes  = 500
	maxScope   = 512
	maxNextURI = 2048
	pollEvery  = time.Second
)

// Authorize answers completed at once when the user has a connection that covers the scopes.
// Otherwise it answers pending, with the URL that the user has to open. Asking again while it is
// pending gives the same authorization.
//
// Kinds: BadRequest, ProviderNotFound, ProviderInactive, AmbiguousProvider, PermissionDenied, and
// ProviderRefused or ProviderAway when a token could not be refreshed although the grant is alive.
func (v *View) Authorize(ctx context.Context, r AuthorizeRequest) (Authorization, error) {
	return v.authorize(ctx, r, false)
}

// AuthorizeAgain is [View.Authorize] for a new consent, though there may be a connection that covers the
// scopes: it always answers pending. The connection stays in use until the new consent replaces it.
func (v *View) AuthorizeAgain(ctx context.Context, r AuthorizeRequest) (Authorization, error) {
	return v.authorize(ctx, r, true)
}

func (v *View) authorize(ctx context.Context, r AuthorizeRequest, again bool) (Authorization, error) {
	if err := v.b.check(&r); err != nil {
		return Authorization{}, err
	}
	p, err := v.resolve(ctx, r)
	if err != nil {
		v.record(Event{Action: ActionAuthorize, User: r.User, Outcome: outcome(err), Reason: reason(err)})
		return Authorization{}, err
	}
	ref := Ref{Project: v.caller.Project, User: r.User, Provider: p.ID, Name: r.Connection}
	if !v.caller.mayUse(ref.User, ref.Provider) {
		v.record(Event{Action: ActionAuthorize, User: ref.User, Provider: ref.Provider, Outcome: string(PermissionDenied)})
		return Authorization{}, Errorf(PermissionDenied, "permission denied: this API key may not act for this user")
	}
	if len(r.Scopes) == 0 {
		r.Scopes = p.Definition.Scopes.Default
	}
	if err := checkScopes(p, r.Scopes); err != nil {
		return Authorization{}, err
	}
	wanted := slices.DeleteFunc(slices.Clone(r.Scopes), func(s string) bool { return slices.Contains(p.Definition.Scopes.Always, s) })
	slices.Sort(wanted)
	wanted = slices.Compact(wanted)

	c, err := v.b.cfg.Connections.Connection(ctx, ref)
	switch {
	case err == nil && !again && c.State == ConnectionActive && c.covers(wanted):
		token, err := v.tokenAfter(ctx, &c, p, r.Refused)
		if err == nil {
			return Authorization{
				ID: AuthorizationID("ac_" + string(c.ID)), Status: AuthorizationCompleted,
				User: ref.User, Provider: ref.Provider, Scopes: token.Scopes, Token: &token, Sites: v.b.sitesOfToken(&token),
			}, nil
		}
		if errors.Is(err, errUnopened) { // or the user would be refused until an operator deletes the row
			v.b.log.Error("a stored grant cannot be opened; the user is asked for a new consent", "connection", c.ID, "error", err)
		} else if !errors.Is(err, Reauthorize) {
			return Authorization{}, err
		}
	case err != nil && !errors.Is(err, NotFound):
		return Authorization{}, err
	}
	return v.start(ctx, p, ref, wanted, existing(c, p), r.NextURI)
}

// start creates a flow, or finds the pending one.
func (v *View) start(ctx context.Context, p *Provider, ref Ref, wanted, existing []string, nextURI string) (Authorization, error) {
	if p.ClientID == "" {
		err := Errorf(BadRequest, "nobody can consent at %s, which has no client id: store a token or a service account for %s (keybearer connection add), or give the provider a client",
			p.ID, ref.User)
		v.record(Event{Action: ActionAuthorize, User: ref.User, Provider: ref.Provider, Outcome: outcome(err), Reason: reason(err)})
		return Authorization{}, err
	}
	now, id := v.b.now(), AuthorizationID(randomID("ac_"))
	asked := slices.Concat(wanted, existing)
	slices.Sort(asked)
	asked = slices.Compact(asked)
	f, err := v.b.cfg.Flows.CreateFlow(ctx, Flow{
		ID: id, Ref: ref, State: FlowPending,
		Scopes: wanted, Asked: asked, NextURI: nextURI, App: v.caller.Name,
		CreatedAt: now, Deadline: now.Add(v.b.cfg.FlowLife),
	}, now)
	v.record(Event{Action: ActionAuthorize, User: ref.User, Provider: ref.Provider, Flow: f.ID, Outcome: outcome(err), Reason: reason(err)})
	if err != nil {
		return Authorization{}, err
	}
	if f.ID == id { // not for each time that an app asks again
		v.b.doubtScopes(p, f.ID, asked)
	}
	return v.b.pending(&f), nil
}

// doubtScopes tells the operator what may go wrong at the provider, where only the user would see it.
func (b *Broker) doubtScopes(p *Provider, id AuthorizationID, asked []string) {
	if b.cfg.CheckScopes == nil {
		return
	}
	for _, doubt := range b.cfg.CheckScopes(p, slices.Concat(asked, p.Definition.Scopes.Always)) {
		b.log.Warn("the scopes that are asked for may not do", "provider", p.ID, "authorization", id, "doubt", doubt)
	}
}

func (b *Broker) pending(f *Flow) Authorization {
	return Authorization{
		ID: f.ID, Status: AuthorizationPending, URL: b.cfg.PublicURL + "/start/" + url.PathEscape(string(f.ID)),
		User: f.User, Provider: f.Provider, Scopes: f.Scopes,
	}
}

// check repairs and bounds what an app asks for.
func (b *Broker) check(r *AuthorizeRequest) error {
	if err := CheckUserID(r.User); err != nil {
		return err
	}
	scopes, err := tidyScopes(r.Scopes)
	if err != nil {
		return err
	}
	r.Scopes = scopes
	if r.Connection, err = ConnectionName(r.Connection); err != nil {
		return err
	}
	return b.checkNextURI(r.NextURI)
}

// CheckUserID says what is wrong with a user id, if anything.
func CheckUserID(user UserID) error {
	if user == "" || len(user) > maxUserID || !utf8.ValidString(string(user)) || strings.ContainsFunc(string(user), func(c rune) bool { return c < ' ' || c == 0x7f }) {
		return Errorf(BadRequest, "user_id is needed: 1 to %d bytes of text, your app's own name of the user", maxUserID)
	}
	return nil
}

// checkNextURI permits absolute http(s) URLs of the listed origins. Browsers read "\" as "/" and
// drop tabs, so such texts are refused rather than parsed.
func (b *Broker) checkNextURI(raw string) error {
	if raw == "" {
		return nil
	}
	u, err := url.Parse(raw)
	if err != nil || len(raw) > maxNextURI || !u.IsAbs() || u.Host == "" || u.User != nil || u.Opaque != "" ||
		strings.ContainsFunc(raw, func(c rune) bool { return c <= ' ' || c == '\\' || c > '~' }) {
		return Errorf(BadRequest, "next_uri must be an absolute https URL without user info")
	}
	if len(b.cfg.NextURIOrigins) > 0 {
		origin := strings.ToLower(u.Scheme + "://" + u.Host)
		if slices.ContainsFunc(b.cfg.NextURIOrigins, func(o string) bool { return strings.EqualFold(strings.TrimRight(o, "/"), origin) }) {
			return nil
		}
		return Errorf(BadRequest, "next_uri leads to %s, which is not in auth.next_uri_origins", origin)
	}
	if u.Scheme == "https" || u.Scheme == "http" && (loopbackHost(u.Hostname()) || b.cfg.AllowHTTP) {
		return nil
	}
	return Errorf(BadRequest, "next_uri must be an absolute https URL (http is for this machine only)")
}

func loopbackHost(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}
