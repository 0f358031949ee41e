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

	"github.com/keybearer/keybearer/oauth"
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
	// Scopes are asked for; none means the provider's default.
	Scopes []string
	User   UserID
	// NextURI is where the browser goes after success, or "".
	NextURI string
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
	if err := v.b.check(&r); err != nil {
		return Authorization{}, err
	}
	p, err := v.resolve(ctx, r)
	if err != nil {
		v.record(Event{Action: ActionAuthorize, User: r.User, Outcome: outcome(err), Reason: reason(err)})
		return Authorization{}, err
	}
	ref := Ref{Project: v.caller.Project, User: r.User, Provider: p.ID}
	if !v.caller.mayUse(ref.User, ref.Provider) {
		v.record(Event{Action: ActionAuthorize, User: ref.User, Provider: ref.Provider, Outcome: string(PermissionDenied)})
		return Authorization{}, Errorf(PermissionDenied, "permission denied: this API key may not act for this user")
	}
	if len(r.Scopes) == 0 {
		r.Scopes = p.Definition.Scopes.Default
	}
	wanted := slices.DeleteFunc(slices.Clone(r.Scopes), func(s string) bool { return slices.Contains(p.Definition.Scopes.Always, s) })
	slices.Sort(wanted)
	wanted = slices.Compact(wanted)

	c, err := v.b.cfg.Connections.Connection(ctx, ref)
	switch {
	case err == nil && c.State == ConnectionActive && Covers(c.Scopes, wanted):
		token, err := v.token(ctx, &c, p)
		if err == nil {
			return Authorization{
				ID: AuthorizationID("ac_" + string(c.ID)), Status: AuthorizationCompleted,
				User: ref.User, Provider: ref.Provider, Scopes: token.Scopes, Token: &token,
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

// existing are the scopes granted before, which the new consent should keep.
func existing(c Connection, p *Provider) []string {
	return slices.DeleteFunc(slices.Clone(c.Scopes), func(s string) bool { return slices.Contains(p.Definition.Scopes.Always, s) })
}

// start creates a flow, or finds the pending one.
func (v *View) start(ctx context.Context, p *Provider, ref Ref, wanted, existing []string, nextURI string) (Authorization, error) {
	now := v.b.now()
	asked := slices.Concat(wanted, existing)
	slices.Sort(asked)
	f, err := v.b.cfg.Flows.CreateFlow(ctx, Flow{
		ID: AuthorizationID(randomID("ac_")), Ref: ref, State: FlowPending,
		Scopes: wanted, Asked: slices.Compact(asked), NextURI: nextURI, App: v.caller.Name,
		CreatedAt: now, Deadline: now.Add(v.b.cfg.FlowLife),
	}, now)
	v.record(Event{Action: ActionAuthorize, User: ref.User, Provider: ref.Provider, Flow: f.ID, Outcome: outcome(err), Reason: reason(err)})
	if err != nil {
		return Authorization{}, err
	}
	return v.b.pending(&f), nil
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
	if len(r.Scopes) > maxScopes {
		return Errorf(BadRequest, "%d scopes are asked for: the limit is %d", len(r.Scopes), maxScopes)
	}
	var scopes []string
	for _, s := range r.Scopes {
		s = strings.TrimSpace(s)
		switch {
		case s == "":
		case len(s) > maxScope || strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c == '"' || c == '\\' || c > '~' }):
			return Errorf(BadRequest, "the scope %q has characters that RFC 6749 section 3.3 does not allow", oauth.Clean(s, 60))
		default:
			scopes = append(scopes, s)
		}
	}
	r.Scopes = scopes
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

// Status tells at once how an authorization stands. A completed one comes with a fresh token.
// Kinds: NotFound (also for what belongs to others), and those of [View.Token].
func (v *View) Status(ctx context.Context, id AuthorizationID) (Authorization, error) {
	if conn, ok := strings.CutPrefix(string(id), "ac_conn_"); ok {
		return v.statusOfConnection(ctx, id, ConnectionID("conn_"+conn))
	}
	f, err := v.b.cfg.Flows.Flow(ctx, v.caller.Project, id)
	if errors.Is(err, NotFound) || err == nil && !v.caller.mayUse(f.User, f.Provider) {
		return Authorization{}, notAuthorized(id)
	}
	if err != nil {
		return Authorization{}, err
	}
	if f.DryRun {
		return v.statusOfDryRun(&f), nil
	}
	switch v.b.stateOf(&f) {
	case FlowCompleted:
		return v.completed(ctx, &f)
	case FlowFailed, FlowExpired:
		return failed(&f), nil
	}
	return v.b.pending(&f), nil
}

func notAuthorized(id AuthorizationID) error {
	return Errorf(NotFound, "there is no authorization %q: it may be too old; start a new one", oauth.Clean(string(id), 60))
}

func (v *View) statusOfConnection(ctx context.Context, id AuthorizationID, conn ConnectionID) (Authorization, error) {
	c, err := v.b.cfg.Connections.ConnectionByID(ctx, v.caller.Project, conn)
	if errors.Is(err, NotFound) || err == nil && !v.caller.mayUse(c.User, c.Provider) {
		return Authorization{}, notAuthorized(id)
	}
	if err != nil {
		return Authorization{}, err
	}
	return v.completed(ctx, &Flow{ID: id, Ref: c.Ref})
}

// completed looks the connection up again: the grant may have died since the flow ended.
func (v *View) completed(ctx context.Context, f *Flow) (Authorization, error) {
	a := Authorization{ID: f.ID, Status: AuthorizationCompleted, User: f.User, Provider: f.Provider, Scopes: f.Granted}
	token, err := v.Token(ctx, f.Ref)
	if errors.Is(err, NotFound) || errors.Is(err, Reauthorize) {
		a.Status = AuthorizationFailure
		a.Failure = Errorf(AuthorizationFailed, "the connection of %s has ended since (%w): start a new authorization", f.Ref, err)
		return a, nil
	}
	if err != nil {
		return Authorization{}, err
	}
	a.Token, a.Scopes = &token, token.Scopes
	return a, nil
}

func (v *View) statusOfDryRun(f *Flow) Authorization {
	a := Authorization{ID: f.ID, Status: AuthorizationPending, User: f.User}
	switch v.b.stateOf(f) {
	case FlowCompleted:
		a.Status = AuthorizationCompleted
	case FlowFailed, FlowExpired:
		return failed(f)
	}
	return a
}

func failed(f *Flow) Authorization {
	kind, why := f.Kind, f.Reason
	if f.State != FlowFailed { // expired, or its deadline passed unnoticed
		kind, why = AuthorizationEnded, "nobody finished the authorization in time: start a new one"
	}
	return Authorization{
		ID: f.ID, Status: AuthorizationFailure, User: f.User, Provider: f.Provider, Scopes: f.Scopes,
		Failure: Errorf(kind, "%s", why),
	}
}

// stateOf is the flow's state, with the deadline looked at.
func (b *Broker) stateOf(f *Flow) FlowState {
	if !f.State.Ended() && !b.now().Before(f.Deadline) {
		return FlowExpired
	}
	return f.State
}

// Wait is Status, but holds the answer back until the authorization has ended or the time is over.
// It ends early, with the state of that moment, when the Broker is closed.
func (v *View) Wait(ctx context.Context, id AuthorizationID, atMost time.Duration) (Authorization, error) {
	over := time.NewTimer(atMost)
	defer over.Stop()
	look := time.NewTicker(pollEvery)
	defer look.Stop()
	for {
		moved, done := v.b.wakes.watch(id) // before the look, so that no move is missed
		a, err := v.Status(ctx, id)
		if err != nil || a.Status != AuthorizationPending {
			done()
			return a, err
		}
		select {
		case <-moved:
		case <-look.C:
		case <-over.C:
			done()
			return a, nil
		case <-v.b.draining:
			done()
			return a, nil
		case <-ctx.Done():
			done()
			return a, ctx.Err()
		}
		done()
	}
}
