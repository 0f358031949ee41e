package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/keybearer/keybearer/atlassian"
	"github.com/keybearer/keybearer/oauth"
)

const mostSites = 10 // that are asked

// checkProducts asks for the sites, and each product for something small.
func (c *chart) checkProducts(ctx context.Context) {
	if c.isCloud() && !c.renewable() {
		c.note(Finding{Check: "sites.list", Verdict: Skipped, Saw: "an API token does not tell which sites it is for, so none is asked"})
		return
	}
	api, err := c.api()
	if err != nil {
		c.note(Finding{Check: "probe.address", Verdict: Problem, Class: atlassian.ClassConfig, Saw: err.Error(), Do: "Repair the provider's endpoints"})
		return
	}
	if !c.takeToken(ctx) {
		return
	}
	if !c.isCloud() {
		c.probeServer(ctx, api)
		return
	}
	if !c.readSites(ctx, api) {
		return
	}
	for i, s := range c.sites {
		if i == mostSites {
			c.note(Finding{Check: "probe.product", Verdict: Skipped, Saw: plural(len(c.sites)-mostSites, "more site") + " not asked"})
			return
		}
		if !c.probeSite(ctx, api, s) {
			return
		}
	}
}

// api is scheme and host of the gateway, or what paths follow at Data Center: where the engine itself asks
// for the user, as its operator has set it.
func (c *chart) api() (string, error) {
	var base string
	whoami := ""
	if r := c.p.OAuth2.UserInfoRequest; r != nil {
		whoami = valueOf(r.Endpoint)
	}
	switch c.p.ProviderID {
	case "atlassian":
		base = atlassian.Gateway
		if at, found := strings.CutSuffix(whoami, "/me"); found {
			base = at
		} else if u, err := url.Parse(whoami); err == nil && u.Host != "" {
			base = u.Scheme + "://" + u.Host
		}
	case "bitbucket":
		base = strings.TrimSuffix(cmp.Or(whoami, "https://api.bitbucket.org/2.0/user"), "/user")
	default:
		base = strings.TrimRight(valueOf(c.p.OAuth2.ServerURL), "/")
	}
	return base, oauth.CheckEndpoint(base, c.p.ProviderID == "atlassian-data-center" || c.p.ProviderID == "bitbucket-data-center")
}

func (c *chart) readSites(ctx context.Context, api string) bool {
	f := Finding{Check: "sites.list", Verdict: OK}
	defer func() { c.note(f) }()
	ctx, cancel := context.WithTimeout(ctx, askLife)
	defer cancel()
	a, err := c.ask(ctx, api+"/oauth/token/accessible-resources")
	if err != nil {
		f.Verdict, f.Class, f.Saw, f.Do = Problem, atlassian.ClassTransient, fmt.Sprintf("%s does not answer: %s", api, err), "Check the way to it from this machine, and try again"
		return false
	}
	defer func() { _ = a.Body.Close() }()
	if a.failure != nil {
		a.explain(&f)
		return false
	}
	if c.sites, err = atlassian.ReadSites(a.Body); err != nil {
		f.Verdict, f.Saw = Problem, err.Error()
		return false
	}
	if len(c.sites) == 0 {
		f.Verdict, f.Class = Problem, atlassian.ClassSite
		f.Saw = "the token is valid, but reaches no site: the list of accessible-resources is empty"
		f.Do = "Authorize again and choose a site on the consent page. Where none is offered, the account has no access to one, or the site's admin has to allow the app"
		return false
	}
	var names []string
	for _, s := range c.sites {
		names = append(names, fmt.Sprintf("%s (%s)", s, s.ID))
	}
	f.Saw = "the token reaches 1 site: " + names[0]
	if len(names) > 1 {
		f.Saw = fmt.Sprintf("the token reaches %d sites, of which apps have to choose one:\n%s", len(names), strings.Join(names, "\n"))
	}
	return true
}

// probeSite asks each product of a site, and reports whether to go on with other sites.
func (c *chart) probeSite(ctx context.Context, api string, s atlassian.Site) bool {
	if len(s.Products) == 0 {
		c.note(Finding{Check: "probe.product", Verdict: Warning, Site: s.ID, Class: atlassian.ClassScope, Saw: "no scope is for a product of " + nameOf(s) + ", so there is nothing to ask", Do: "Ask for scopes of the products that apps use, such as read:jira-work"})
		return true
	}
	for _, p := range s.Products {
		c.checkOperations(s, p)
		part := "jira"
		if p == atlassian.Confluence {
			part = "confluence"
		}
		if !c.probe(ctx, s, p, api+"/ex/"+part+"/"+s.ID, question(p, s.Scopes)) {
			return false
		}
	}
	return true
}

// question is a small one to a product of Cloud that the scopes permit, or the first if they permit none.
func question(p atlassian.Product, granted []string) string {
	questions := []string{"/rest/api/3/myself", "/rest/api/3/project/search?maxResults=1"}
	switch p {
	case atlassian.ServiceManagement:
		questions = []string{"/rest/servicedeskapi/request?limit=1"}
	case atlassian.Confluence:
		questions = []string{"/wiki/rest/api/user/current", "/wiki/api/v2/spaces?limit=1", "/wiki/api/v2/pages?limit=1", "/wiki/rest/api/search?cql=type%3Dpage&limit=1"}
	}
	for _, q := range questions {
		path, _, _ := strings.Cut(q, "?")
		if o, known := atlassian.FindOperation("GET", path); known && o.Permits(granted) {
			return q
		}
	}
	return questions[0]
}

// probeServer asks a server of Data Center, or Bitbucket Cloud, who the token is.
func (c *chart) probeServer(ctx context.Context, base string) {
	product, _ := atlassian.DataCenterProduct(c.p.ProviderID, valueOf(c.p.OAuth2.Product))
	path := "/rest/api/2/myself"
	switch {
	case c.p.ProviderID == "bitbucket":
		product, path = atlassian.Bitbucket, "/user"
	case product == atlassian.Bitbucket:
		path = "/rest/api/latest/application-properties"
	case product == atlassian.Confluence:
		path = "/rest/api/user/current"
	}
	c.probe(ctx, atlassian.Site{}, product, base, path)
}

// probe asks one question, and reports whether it is worth to ask others.
func (c *chart) probe(ctx context.Context, s atlassian.Site, p atlassian.Product, base, path string) bool {
	f := Finding{Check: "probe.product", Verdict: OK, Site: s.ID, Product: p}
	ctx, cancel := context.WithTimeout(ctx, askLife)
	defer cancel()
	a, err := c.ask(ctx, base+path)
	if err != nil {
		f.Verdict, f.Class, f.Saw, f.Do = Problem, atlassian.ClassTransient, fmt.Sprintf("%s does not answer: %s", p, err), "Check the way to it from this machine, and try again"
		c.note(f)
		return !errors.Is(err, context.Canceled)
	}
	defer func() { _ = a.Body.Close() }()
	shown, _, _ := strings.Cut(path, "?")
	f.Saw = fmt.Sprintf("%s answers GET %s", at(p, s), shown)
	if a.failure != nil {
		a.explain(&f)
	}
	c.note(f)
	c.noteRate(&a, s, p)
	if a.rate.Limited && a.rate.Reach == atlassian.ReachApp {
		c.note(Finding{Check: "probe.product", Verdict: Skipped, Saw: "nothing else is asked, since the app has to wait at all sites"})
		return false
	}
	return a.failure == nil || a.failure.Class != atlassian.ClassReconsent
}

func at(p atlassian.Product, s atlassian.Site) string {
	if s.ID == "" {
		return p.String()
	}
	return fmt.Sprintf("%s at %s", p, nameOf(s))
}

// noteRate says how much of the rate is left.
func (c *chart) noteRate(a *answer, s atlassian.Site, p atlassian.Product) {
	f := Finding{Check: "rate.headroom", Verdict: OK, Site: s.ID, Product: p, Until: a.rate.Until, Do: a.rate.Advice()}
	switch {
	case a.rate.Limited:
		f.Verdict, f.Class = Problem, atlassian.ClassTransient
		f.Saw = fmt.Sprintf("%s refuses requests for their rate", at(p, s))
	case a.rate.Remaining >= 0 && a.rate.Limit > 0:
		f.Saw = fmt.Sprintf("%s: %d of %d left", at(p, s), a.rate.Remaining, a.rate.Limit)
	case a.rate.Near:
		f.Saw = fmt.Sprintf("%s says that the limit is near", at(p, s))
	default:
		f.Saw = fmt.Sprintf("%s says nothing of a limit, so it is not near", at(p, s))
	}
	if a.rate.Near && !a.rate.Limited {
		f.Verdict = Warning
	}
	c.note(f)
}
