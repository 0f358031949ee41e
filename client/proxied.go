package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/oauth"
)

// Routes lists a user's connections as a proxy sees them. Kinds: those of [keybearer.View.Routes].
func (c *Client) Routes(ctx context.Context, user keybearer.UserID) ([]keybearer.Route, error) {
	var out api.Routes
	err := c.do(ctx, request{
		op: fmt.Sprintf("listing the connections of %s", user), method: http.MethodGet, path: "/v1/auth/routes",
		query: url.Values{"user_id": {string(user)}}, into: &out,
	})
	routes := make([]keybearer.Route, len(out.Items))
	for i := range out.Items {
		routes[i] = route(&out.Items[i])
	}
	return routes, err
}

func route(in *api.Route) keybearer.Route {
	r := keybearer.Route{
		Ref:        keybearer.Ref{User: keybearer.UserID(in.UserID), Provider: keybearer.ProviderID(in.ProviderID), Name: in.Name},
		Connection: keybearer.ConnectionID(in.ConnectionID), Kind: keybearer.ConnectionKind(in.Kind), State: keybearer.ConnectionState(in.Status),
		Default: in.Default, Problem: in.Problem, Version: in.Version, Scopes: in.Scopes, ExpiresAt: in.ExpiresAt, Refreshable: in.Refreshable,
		API: oauth.API(in.API), ServerURL: in.ServerURL, Username: in.Username, Site: in.Site, Gateway: in.Gateway, Endpoints: in.Endpoints,
	}
	if r.Kind == keybearer.ConnectionKind(keybearer.Consented.String()) {
		r.Kind = keybearer.Consented
	}
	for _, s := range in.Sites {
		r.Sites = append(r.Sites, keybearer.Site(s))
	}
	return r
}

// SetDefaultConnection chooses which of a user's connections at a provider is used where none is named.
// Kinds: those of [keybearer.View.SetDefaultConnection].
func (c *Client) SetDefaultConnection(ctx context.Context, ref keybearer.Ref) error {
	return c.do(ctx, request{
		op: fmt.Sprintf("choosing the default connection of %s", ref), method: http.MethodPut, path: "/v1/auth/default_connection",
		body: api.DefaultChoice{UserID: string(ref.User), ProviderID: string(ref.Provider), Connection: ref.Name},
	})
}

// RecordInjections writes requests that a proxy has put credentials on into the engine's audit, at most
// 1000 at once. Kinds: BadRequest, PermissionDenied.
func (c *Client) RecordInjections(ctx context.Context, all []keybearer.Injection) error {
	in := api.Injections{Items: make([]api.Injection, len(all))}
	for i, one := range all {
		in.Items[i] = api.Injection{
			Time: one.Time, Run: one.Run, UserID: string(one.Ref.User), ProviderID: string(one.Ref.Provider), Name: one.Ref.Name,
			ConnectionID: string(one.Connection), Method: one.Method, Host: one.Host, Path: one.Path, Status: one.Status,
			Sent: one.Sent, Received: one.Received, Outcome: one.Outcome, Reason: one.Reason,
		}
	}
	return c.do(ctx, request{op: "writing down proxied requests", method: http.MethodPost, path: "/v1/auth/injections", body: in})
}

// Events reads the engine's audit, latest first; it needs a key of the scope admin. Of the filter, Action,
// User, Provider, Since and Limit count. Kind: PermissionDenied.
func (c *Client) Events(ctx context.Context, filter keybearer.EventFilter) ([]keybearer.RecordedEvent, error) {
	q := url.Values{}
	for name, value := range map[string]string{"action": filter.Action, "user_id": string(filter.User), "provider_id": string(filter.Provider)} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if filter.Limit > 0 {
		q.Set("limit", strconv.Itoa(filter.Limit))
	}
	if !filter.Since.IsZero() {
		q.Set("since", filter.Since.UTC().Format(time.RFC3339))
	}
	var out api.Events
	err := c.do(ctx, request{op: "reading the audit", method: http.MethodGet, path: "/v1/admin/events", query: q, into: &out})
	events := make([]keybearer.RecordedEvent, len(out.Items))
	for i, e := range out.Items {
		events[i] = keybearer.RecordedEvent{ID: e.ID, Times: e.Times, Event: keybearer.Event{
			Time: e.Time, Actor: e.Actor, Action: e.Action, User: keybearer.UserID(e.UserID), Provider: keybearer.ProviderID(e.ProviderID),
			Connection: keybearer.ConnectionID(e.ConnectionID), Flow: keybearer.AuthorizationID(e.AuthorizationID), Outcome: e.Outcome, Reason: e.Reason,
		}}
		if e.Request != nil {
			events[i].Request = keybearer.RequestTrace(*e.Request)
		}
	}
	return events, err
}
