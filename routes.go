package keybearer

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
)

// maxRoutes is how many connections of one user a proxy looks at.
const maxRoutes = 1000

// Routes lists the user's connections as a proxy sees them, in the order of provider and name. Those of a
// provider that names no hosts are in the list, too: they serve none.
//
// Kinds: BadRequest, PermissionDenied.
func (v *View) Routes(ctx context.Context, user UserID) ([]Route, error) {
	if err := CheckUserID(user); err != nil {
		return nil, err
	}
	if !v.caller.mayActFor(user) {
		return nil, Errorf(PermissionDenied, "permission denied: this API key may not act for this user")
	}
	page, _, err := v.b.cfg.Connections.Connections(ctx, ConnectionFilter{
		Project: v.caller.Project, User: user, Providers: v.caller.Providers, Limit: maxRoutes,
	})
	if err != nil {
		return nil, err
	}
	routes := make([]Route, 0, len(page))
	for i := range page {
		p, err := v.b.provider(ctx, v.caller.Project, page[i].Provider)
		if errors.Is(err, ProviderNotFound) || errors.Is(err, NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		routes = append(routes, v.b.route(&page[i], p))
	}
	slices.SortFunc(routes, func(a, b Route) int {
		return cmp.Or(cmp.Compare(a.Ref.Provider, b.Ref.Provider), cmp.Compare(a.Ref.Name, b.Ref.Name))
	})
	return routes, v.markDefaults(ctx, user, routes)
}

func (b *Broker) route(c *Connection, p *Provider) Route {
	r := Route{
		Ref: c.Ref, Connection: c.ID, Kind: c.Kind, State: c.State, Version: c.Version, Scopes: c.Scopes, ExpiresAt: c.ExpiresAt,
		Refreshable: c.Refreshable, API: p.Definition.API, ServerURL: p.Definition.ServerURL, Endpoints: p.Definition.CredentialEndpoints(),
	}
	h, err := b.open(c)
	switch {
	case err != nil:
		b.log.Error("a connection cannot be opened", "connection", c.ID, "error", err)
		r.Problem = "what is stored of it cannot be read: " + c.Kind.remedy()
		r.API.Hosts, r.API.Replace = nil, nil
		return r
	case c.State != ConnectionActive:
		r.Problem = "it has ended (" + c.Reason + "): " + c.Kind.remedy()
	case p.Status != ProviderActive:
		r.Problem = "the provider is switched off"
	}
	r.Username = h.grant.Username
	r.API.Hosts, r.API.Replace = h.grant.still(p.Definition.API.Hosts), h.grant.still(p.Definition.API.Replace)
	if l, ok := h.grant.siteList(); ok && p.Definition.SitesRequest != nil {
		r.Sites, r.Site = l.Sites, b.shownSites(&h.grant).Site
		if c.Kind == APIToken { // which works at the site, and not at the gateway
			r.API.Hosts, r.API.Replace = hostsOfSites(l.Sites), nil
		} else {
			r.Gateway = originOf(p.Definition.SitesRequest.Endpoint)
		}
	}
	return r
}

func hostsOfSites(sites []Site) []string {
	hosts := make([]string, 0, len(sites))
	for _, s := range sites {
		hosts = append(hosts, strings.TrimPrefix(s.URL, "https://"))
	}
	return hosts
}

// still are those of a definition's hosts that the grant was made for: whoever changes a definition does not
// thereby get the tokens of those who consented before.
func (g *grant) still(hosts []string) []string {
	if g.Hosts == nil {
		return hosts
	}
	return slices.DeleteFunc(slices.Clone(hosts), func(h string) bool { return !slices.Contains(g.Hosts, h) })
}

// markDefaults marks one connection of each provider: the one that was chosen, else the one without a name,
// else the first.
func (v *View) markDefaults(ctx context.Context, user UserID, routes []Route) error {
	for start, end := 0, 0; start < len(routes); start = end {
		provider := routes[start].Ref.Provider
		for end < len(routes) && routes[end].Ref.Provider == provider {
			end++
		}
		at := start // sorted by name: the one without is the first
		if end-start > 1 {
			chosen, err := v.defaultConnection(ctx, user, provider)
			if err != nil {
				return err
			}
			if i := slices.IndexFunc(routes[start:end], func(r Route) bool { return r.Ref.Name == chosen }); i >= 0 {
				at += i
			}
		}
		routes[at].Default = true
	}
	return nil
}

// defaultConnection is the name of the connection that the user chose, or "".
func (v *View) defaultConnection(ctx context.Context, user UserID, provider ProviderID) (string, error) {
	name, err := v.b.cfg.Settings.Setting(ctx, v.caller.Project, defaultSetting(user, provider))
	if errors.Is(err, NotFound) {
		return "", nil
	}
	return string(name), err
}

func defaultSetting(user UserID, provider ProviderID) string {
	return "default_connection/" + string(provider) + "/" + string(user)
}

// SetDefaultConnection makes one of the user's connections at a provider the one that a proxy uses where
// none is named. Kinds: BadRequest, NotFound, PermissionDenied.
func (v *View) SetDefaultConnection(ctx context.Context, ref Ref) error {
	var err error
	if ref.Name, err = ConnectionName(ref.Name); err != nil {
		return err
	}
	c, _, err := v.connection(ctx, ref)
	if err != nil {
		return err
	}
	err = v.b.cfg.Settings.PutSetting(ctx, v.caller.Project, defaultSetting(c.User, c.Provider), []byte(c.Name))
	v.record(Event{Action: ActionDefault, User: c.User, Provider: c.Provider, Connection: c.ID, Outcome: outcome(err), Reason: reason(err)})
	return err
}

// RecordInjection writes down a request that a proxy has put a credential on, or has refused to.
// Kind: PermissionDenied.
func (v *View) RecordInjection(in Injection) error {
	if !v.caller.mayUse(in.Ref.User, in.Ref.Provider) {
		return Errorf(PermissionDenied, "permission denied: this API key may not act for %s", in.Ref)
	}
	v.b.recordAt(in.Time, Event{
		Project: v.caller.Project, Actor: v.caller.Name, Action: ActionInject, User: in.Ref.User, Provider: in.Ref.Provider, Connection: in.Connection,
		Outcome: in.Outcome, Reason: in.Reason,
		Request: RequestTrace{
			Run: in.Run, Method: in.Method, Host: in.Host, Path: strings.SplitN(in.Path, "?", 2)[0],
			Status: int64(in.Status), Sent: in.Sent, Received: in.Received,
		},
	})
	return nil
}

// Events reads the audit, latest first. Kinds: PermissionDenied, NotImplemented where it is not kept.
func (v *View) Events(ctx context.Context, filter EventFilter) ([]RecordedEvent, error) {
	if err := v.admin("events"); err != nil {
		return nil, err
	}
	if v.b.cfg.Events == nil {
		return nil, Errorf(NotImplemented, "the audit is not kept here")
	}
	filter.Project = v.caller.Project
	return v.b.cfg.Events.Events(ctx, filter)
}
