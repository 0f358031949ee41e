package httpapi

import (
	"net/http"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
)

// siteRoutes are about the sites of connections, for apps.
func siteRoutes() []route {
	asked := []keybearer.Kind{
		keybearer.BadRequest, keybearer.PermissionDenied, keybearer.NotFound, keybearer.ProviderNotFound, keybearer.AmbiguousProvider,
		keybearer.ProviderInactive, keybearer.Reauthorize, keybearer.ProviderRefused, keybearer.ProviderAway,
	}
	return []route{
		gives(route{
			method: http.MethodGet, path: "/v1/auth/sites", id: "listSites", tag: "auth",
			summary: "List the sites that a user's connection reaches",
			about:   "For providers with sites, as Atlassian Cloud. With refresh the provider is asked now; otherwise the answer is what it said last.",
			query: []param{
				{name: "user_id", kind: "string", about: "The app's name of the user.", required: true},
				{name: "provider_id", kind: "string", about: "The provider's unique id, or its well-known type.", required: true},
				{name: "refresh", kind: "boolean", about: "Ask the provider now."},
			},
			fails: asked,
		}, listSites),
		takes(route{
			method: http.MethodPut, path: "/v1/auth/sites", id: "chooseSite", tag: "auth",
			summary: "Choose the site that is meant where an app names none",
			about:   "By id, address or name. The choice is kept with the connection, also by later consents. The error for a site that is not reached lists those that are.",
			fails:   asked,
		}, chooseSite),
		takes(route{
			method: http.MethodPost, path: "/v1/auth/sites/resolve", id: "resolveSiteURL", tag: "auth",
			summary: "Tell where a request has to be sent that is meant for a site",
			about:   "Atlassian takes tokens of a consent at its gateway only, and answers 401 at https://site.atlassian.net. This gives the gateway's address for one of the site. Addresses of other hosts are refused.",
			fails:   asked,
		}, resolveSiteURL),
	}
}

func listSites(c *call) (api.SiteList, error) {
	q, err := c.query()
	if err != nil {
		return api.SiteList{}, err
	}
	ref, err := siteRef(first(q, "user_id"), first(q, "provider_id"))
	if err != nil {
		return api.SiteList{}, err
	}
	anew := false
	switch first(q, "refresh") {
	case "", "false":
	case "true":
		anew = true
	default:
		return api.SiteList{}, keybearer.Errorf(keybearer.BadRequest, "the query parameter refresh is true or false")
	}
	l, err := c.view.Sites(c.ctx(), ref, anew)
	return siteListOf(&l), err
}

func chooseSite(c *call, in api.SiteChoice) (api.SiteList, error) {
	ref, err := siteRef(in.UserID, in.ProviderID)
	if err != nil {
		return api.SiteList{}, err
	}
	l, err := c.view.ChooseSite(c.ctx(), ref, in.Site)
	return siteListOf(&l), err
}

func resolveSiteURL(c *call, in api.SiteURL) (api.SiteAddress, error) {
	ref, err := siteRef(in.UserID, in.ProviderID)
	if err != nil {
		return api.SiteAddress{}, err
	}
	at, err := c.view.SiteAddress(c.ctx(), ref, in.URL)
	return api.SiteAddress{URL: at}, err
}

func siteRef(user, provider string) (keybearer.Ref, error) {
	ref := keybearer.Ref{User: keybearer.UserID(user), Provider: keybearer.ProviderID(provider)}
	if provider == "" {
		return ref, keybearer.Errorf(keybearer.BadRequest, "provider_id is needed: the provider's unique id, or its well-known type")
	}
	return ref, keybearer.CheckUserID(ref.User)
}

// shownSites is nil where nothing is known.
func shownSites(l *keybearer.SiteList) *api.SiteList {
	if l == nil {
		return nil
	}
	out := siteListOf(l)
	return &out
}

func siteListOf(l *keybearer.SiteList) api.SiteList {
	out := api.SiteList{
		Sites: sitesOf(l.Sites), Site: l.Site, Chosen: l.Chosen, Problem: l.Problem, ReadAt: l.ReadAt,
		Appeared: sitesOf(l.Appeared), Vanished: sitesOf(l.Vanished), ChangedAt: l.ChangedAt,
	}
	return out
}

func sitesOf(sites []keybearer.Site) []api.Site {
	out := make([]api.Site, len(sites))
	for i, s := range sites {
		out[i] = api.Site(s)
	}
	return out
}
