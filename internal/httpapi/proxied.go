package httpapi

import (
	"net/http"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
)

// maxInjections bounds how many lines one request brings.
const maxInjections = 1000

// proxyRoutes are for proxies that take their tokens from this engine, and for reading what they did.
func proxyRoutes() []route {
	return []route{
		gives(route{
			method: http.MethodGet, path: "/v1/auth/routes", id: "listRoutes", tag: "proxy",
			summary: "List a user's connections as a proxy sees them",
			about:   "Which hosts each one serves, and how its credential is put on a request. There is no secret in it.",
			query:   []param{{name: "user_id", kind: "string", about: "The app's name of the user.", required: true}},
			fails:   []keybearer.Kind{keybearer.BadRequest, keybearer.PermissionDenied},
		}, listRoutes),
		takes(route{
			method: http.MethodPut, path: "/v1/auth/default_connection", id: "setDefaultConnection", tag: "proxy",
			summary: "Choose which of a user's connections at a provider is used where none is named",
			fails:   []keybearer.Kind{keybearer.BadRequest, keybearer.PermissionDenied, keybearer.NotFound, keybearer.ProviderNotFound, keybearer.ProviderInactive},
		}, setDefaultConnection),
		takes(route{
			method: http.MethodPost, path: "/v1/auth/injections", id: "recordInjections", tag: "proxy",
			summary: "Write requests that a proxy has put credentials on into the audit",
			fails:   []keybearer.Kind{keybearer.BadRequest, keybearer.PermissionDenied},
		}, recordInjections),
		gives(route{
			method: http.MethodGet, path: "/v1/admin/events", id: "listEvents", tag: "audit", admin: true,
			summary: "Read the audit, latest first",
			query: []param{
				{name: "limit", kind: "integer", about: "The largest number of lines: 100, also when it is absent, and at most 1000."},
				{name: "action", kind: "string", about: "Only lines of this action, such as inject."},
				{name: "user_id", kind: "string", about: "Only lines about this user."},
				{name: "provider_id", kind: "string", about: "Only lines about this provider."},
				{name: "since", kind: "string", about: "Only lines from this time on (RFC 3339)."},
			},
			fails: []keybearer.Kind{keybearer.BadRequest, keybearer.PermissionDenied, keybearer.NotImplemented},
		}, listEvents),
	}
}

func listRoutes(c *call) (api.Routes, error) {
	q, err := c.query()
	if err != nil {
		return api.Routes{}, err
	}
	routes, err := c.view.Routes(c.ctx(), keybearer.UserID(first(q, "user_id")))
	out := api.Routes{Items: make([]api.Route, len(routes))}
	for i := range routes {
		out.Items[i] = shownRoute(&routes[i])
	}
	return out, err
}

func shownRoute(r *keybearer.Route) api.Route {
	return api.Route{
		ConnectionID: string(r.Connection), UserID: string(r.Ref.User), ProviderID: string(r.Ref.Provider), Name: r.Ref.Name,
		Default: r.Default, Kind: r.Kind.String(), Status: string(r.State), Problem: r.Problem, Version: r.Version,
		Scopes: r.Scopes, ExpiresAt: r.ExpiresAt, Refreshable: r.Refreshable,
		API: api.ProviderAPI(r.API), ServerURL: r.ServerURL, Username: r.Username,
		Sites: sitesOf(r.Sites), Site: r.Site, Gateway: r.Gateway, Endpoints: r.Endpoints,
	}
}

func setDefaultConnection(c *call, in api.DefaultChoice) (nothing, error) {
	return nothing{}, c.view.SetDefaultConnection(c.ctx(), keybearer.Ref{
		User: keybearer.UserID(in.UserID), Provider: keybearer.ProviderID(in.ProviderID), Name: in.Connection,
	})
}

func recordInjections(c *call, in api.Injections) (nothing, error) {
	if len(in.Items) > maxInjections {
		return nothing{}, keybearer.Errorf(keybearer.BadRequest, "items has at most %d lines: send the rest in another request", maxInjections)
	}
	for _, i := range in.Items {
		if err := c.view.RecordInjection(keybearer.Injection{
			Time: i.Time, Run: i.Run, Connection: keybearer.ConnectionID(i.ConnectionID),
			Ref:    keybearer.Ref{User: keybearer.UserID(i.UserID), Provider: keybearer.ProviderID(i.ProviderID), Name: i.Name},
			Method: i.Method, Host: i.Host, Path: i.Path, Status: i.Status, Sent: i.Sent, Received: i.Received, Outcome: i.Outcome, Reason: i.Reason,
		}); err != nil {
			return nothing{}, err
		}
	}
	return nothing{}, nil
}

func listEvents(c *call) (api.Events, error) {
	q, err := c.query()
	if err != nil {
		return api.Events{}, err
	}
	limit, _, err := whole(q, "limit")
	if err != nil || limit < 0 {
		return api.Events{}, keybearer.Errorf(keybearer.BadRequest, "limit is a whole number from 1 to 1000")
	}
	filter := keybearer.EventFilter{
		Action: first(q, "action"), User: keybearer.UserID(first(q, "user_id")), Provider: keybearer.ProviderID(first(q, "provider_id")), Limit: limit,
	}
	if since := first(q, "since"); since != "" {
		if filter.Since, err = time.Parse(time.RFC3339, since); err != nil {
			return api.Events{}, keybearer.Errorf(keybearer.BadRequest, "since is a time like 2027-03-31T12:00:00Z")
		}
	}
	events, err := c.view.Events(c.ctx(), filter)
	out := api.Events{Items: make([]api.Event, len(events))}
	for i := range events {
		out.Items[i] = shownEvent(&events[i])
	}
	return out, err
}

func shownEvent(e *keybearer.RecordedEvent) api.Event {
	out := api.Event{
		ID: e.ID, Time: e.Time, Times: e.Times, Actor: e.Actor, Action: e.Action, Outcome: e.Outcome, Reason: e.Reason,
		UserID: string(e.User), ProviderID: string(e.Provider), ConnectionID: string(e.Connection), AuthorizationID: string(e.Flow),
	}
	if e.Request != (keybearer.RequestTrace{}) {
		r := api.EventRequest(e.Request)
		out.Request = &r
	}
	return out
}
