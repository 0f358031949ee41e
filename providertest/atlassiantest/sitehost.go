package atlassiantest

import (
	"net"
	"net/http"
	"net/url"
	"slices"

	"github.com/keybearer/keybearer/providertest"
)

// hostsOf maps the host names of the sites to their names.
func hostsOf(sites []Site) map[string]string {
	hosts := map[string]string{}
	for _, site := range sites {
		if u, err := url.Parse(site.URL); err == nil && u.Host != "" {
			hosts[u.Host] = site.Name
		}
	}
	return hosts
}

// siteHost returns the request as /site/{name}/... if it came to the name of
// a site ({site}.atlassian.net), and as it is if not.
func (s *Server) siteHost(r *http.Request) *http.Request {
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	name, ok := s.hosts[host]
	if !ok {
		return r
	}
	to := *r.URL
	to.Path, to.RawPath = "/site/"+name+to.Path, ""
	moved := r.Clone(r.Context())
	moved.URL = &to
	return moved
}

// atSite is the door of {site}.atlassian.net. Only unscoped API tokens open
// it: those of OAuth 2.0 (3LO) and scoped ones are for the gateway.
func (s *Server) atSite(o operation) func(*providertest.Call) *providertest.Answer {
	return func(c *providertest.Call) *providertest.Answer {
		if hasBody(c.Request) {
			return cloudFront(c)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		i := slices.IndexFunc(s.sites, func(site Site) bool { return site.Name == c.Request.PathValue("site") })
		if i < 0 {
			return providertest.HTML(http.StatusNotFound, "<!doctype html><title>Your Atlassian Cloud site is currently unavailable.</title>")
		}
		v := &visit{Call: c, site: &s.sites[i], base: s.sites[i].URL}
		return s.trace(v, s.admitAtSite(o, v))
	}
}

func (s *Server) admitAtSite(o operation, v *visit) *providertest.Answer {
	who, rejected, ok := s.siteCaller(v)
	if !ok {
		return unauthenticated(v, "token_for_the_gateway")
	}
	v.who = who
	if answer := s.limit(o, v); answer != nil {
		return answer
	}
	switch {
	case v.anonymous() && rejected && !o.public:
		return unauthenticated(v, "not_accepted").With("X-Seraph-Loginreason", "AUTHENTICATED_FAILED")
	case v.anonymous() && !o.public && o.work != nil:
		return unauthenticated(v, "no_credentials")
	case o.work == nil, !slices.Contains(v.site.Products, o.product), !knownVersion(v):
		return jiraError(http.StatusNotFound, "The requested resource was not found.")
	}
	answer := s.perform(o, v)
	if rejected { // the product answered all the same, as to nobody
		v.Record.Reason = "not_accepted"
		answer.With("X-Seraph-Loginreason", "AUTHENTICATED_FAILED")
	}
	return answer
}

// unauthenticated is the site's refusal, which is not worded like the gateway's.
func unauthenticated(v *visit, reason string) *providertest.Answer {
	v.Record.Error, v.Record.Reason = "Unauthorized", reason
	return providertest.JSON(http.StatusUnauthorized, map[string]any{
		"message": "Client must be authenticated to access this resource.", "status-code": http.StatusUnauthorized,
	}).With("WWW-Authenticate", `OAuth realm="`+url.QueryEscape(v.site.URL)+`"`)
}

// tenantInfo tells everybody the cloud id of a site.
func (s *Server) tenantInfo(c *providertest.Call) *providertest.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, site := range s.sites {
		if site.Name == c.Request.PathValue("site") {
			return providertest.JSON(http.StatusOK, map[string]string{"cloudId": site.ID})
		}
	}
	return gateway(http.StatusNotFound, "Not Found")
}
