package atlassiantest

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/keybearer/keybearer/providertest"
)

// operation is a call of a product's API.
type operation struct {
	method, path string
	product      string // of [Site].Products
	// classic is the one scope that is enough by itself, granular those that
	// are enough together: most of them fail like none of them. With neither
	// the operation wants a token and no scope.
	classic  string
	granular []string
	admin    bool // for administrators of the site
	public   bool // at the site's own host nobody is answered too, with less
	issue    bool // writes to the issue {key}
	work     func(*Server, *visit) *providertest.Answer
}

// permits reports whether the scopes are enough.
func (o operation) permits(scopes []string) bool {
	return o.classic == "" && len(o.granular) == 0 ||
		o.classic != "" && slices.Contains(scopes, o.classic) ||
		len(o.granular) > 0 && covers(scopes, o.granular)
}

// visit is one call of an operation, by somebody, at a site.
type visit struct {
	*providertest.Call
	who  caller
	site *Site
	base string // what stands before the operation's path
}

// anonymous reports that the call is nobody's.
func (v *visit) anonymous() bool { return v.who.account.Key == "" }

// serveGateway registers the operations below /ex/{product}/{cloudId}, and
// below /site/{name} for those at the site's own host.
func (s *Server) serveGateway() {
	for _, o := range operations() {
		for _, path := range gatewayPaths(o) {
			s.mux.Handle(o.method+" "+path, s.Handle(providertest.API, s.atGateway(o)))
		}
		s.mux.Handle(o.method+" /site/{site}"+o.path, s.Handle(providertest.API, s.atSite(o)))
	}
	s.mux.Handle("/ex/", s.Handle(providertest.API, s.atGateway(operation{})))
	s.mux.Handle("/site/{site}/{rest...}", s.Handle(providertest.API, s.atSite(operation{})))
	s.mux.Handle("GET /site/{site}/_edge/tenant_info", s.Handle(providertest.API, s.tenantInfo))
}

// gatewayPaths are the patterns of an operation at the gateway, which takes
// Confluence's paths without /wiki too.
func gatewayPaths(o operation) []string {
	if o.product != "confluence" {
		return []string{"/ex/jira/{cloud}" + o.path}
	}
	return []string{"/ex/confluence/{cloud}" + o.path, "/ex/confluence/{cloud}" + strings.TrimPrefix(o.path, "/wiki")}
}

// atGateway is the door of api.atlassian.com. It looks at the request in this
// order: body, rate, token, site, scopes, and the product at permissions.
func (s *Server) atGateway(o operation) func(*providertest.Call) *providertest.Answer {
	return func(c *providertest.Call) *providertest.Answer {
		if hasBody(c.Request) {
			return cloudFront(c)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		v := &visit{Call: c}
		if parts := strings.SplitN(c.Request.URL.Path, "/", 5); len(parts) == 5 {
			v.site, v.base = s.site(parts[3]), c.Base()+strings.Join(parts[:4], "/")
		}
		return s.trace(v, s.admit(o, v))
	}
}

// admit answers a call at the gateway.
func (s *Server) admit(o operation, v *visit) *providertest.Answer {
	var answer *providertest.Answer
	if v.who, answer = s.gatewayCaller(v.Call); answer != nil {
		return answer
	}
	if answer = s.limit(o, v); answer != nil {
		return answer
	}
	switch {
	case v.site == nil, v.site.Blocked:
		v.Record.Reason = "site_unknown"
		return gateway(http.StatusNotFound, "Not Found")
	case !s.reaches(v.who, *v.site):
		v.Record.Reason = "site_of_others"
		return gateway(s.config.ForeignSite, http.StatusText(s.config.ForeignSite))
	case o.work == nil, !slices.Contains(v.site.Products, o.product), !knownVersion(v):
		return gateway(http.StatusNotFound, "Not Found")
	case !o.permits(v.who.scopes):
		v.Record.Error, v.Record.Reason = "scope", "scope_does_not_match"
		return gateway(http.StatusUnauthorized, "Unauthorized; scope does not match")
	}
	return s.perform(o, v)
}

// perform does what the product does: scopes are fine, permissions are its own.
func (s *Server) perform(o operation, v *visit) *providertest.Answer {
	if o.admin && !v.who.account.Admin {
		v.Record.Reason = "permission"
		return jiraError(http.StatusForbidden, "You do not have permission to perform this operation.")
	}
	return s.spend(v, o.work(s, v))
}

// knownVersion keeps Jira's API at its versions.
func knownVersion(v *visit) bool {
	version := v.Request.PathValue("version")
	return version == "" || version == "2" || version == "3" || version == "latest"
}

// hasBody reports a GET that carries one.
func hasBody(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead || r.ContentLength == 0 {
		return false
	}
	n, _ := r.Body.Read(make([]byte, 1)) // chunked, it may be empty after all
	return n > 0
}

// cloudFront refuses what never reaches Atlassian itself.
func cloudFront(c *providertest.Call) *providertest.Answer {
	c.Record.Reason = "get_with_body"
	return providertest.HTML(http.StatusBadRequest, "<!DOCTYPE HTML><HTML><HEAD><TITLE>ERROR: The request could not be satisfied</TITLE></HEAD>"+
		"<BODY><H1>400 ERROR</H1><H2>The request could not be satisfied.</H2><HR>Bad request.</BODY></HTML>").With("Server", "CloudFront")
}

// trace adds the headers by which Atlassian's support finds a request.
func (s *Server) trace(v *visit, answer *providertest.Answer) *providertest.Answer {
	v.Record.User = v.who.account.Key
	answer.With("Atl-Traceid", hexText(32)).With("X-Arequestid", hexText(32))
	if id := v.who.account.ID; id != "" {
		answer.With("X-Aaccountid", url.PathEscape(id))
	}
	return answer
}

// site finds a site by its cloud id.
func (s *Server) site(id string) *Site {
	i := slices.IndexFunc(s.sites, func(site Site) bool { return site.ID == id })
	if i < 0 {
		return nil
	}
	return &s.sites[i]
}
